"""MATLAB's imresize, down and up, as the super-resolution protocol calls it: one plane, double precision.

The peer is what a user would call instead, torch's antialiased bicubic interpolation; it is not the same function at
the edges, and the papers' numbers move with it.
"""

import torch
from torch.nn.functional import interpolate

from dmbench.layers.bicubic import imresize

from ._common import _Measured, device_or_skip

SCALES = {"1/2": 1 / 2, "1/3": 1 / 3, "1/4": 1 / 4, "2": 2, "3": 3, "4": 4}


class Imresize(_Measured):
    """512x512 in; factors of 2, 3 and 4."""

    params = (list(SCALES), ["dmbench", "torch"], ["cpu", "cuda"])
    param_names = ("scale", "implementation", "device")

    def setup(self, scale, implementation, device):
        self.device = device_or_skip(device)
        image = torch.rand(1, 1, 512, 512, dtype=torch.float64, device=self.device)
        factor = SCALES[scale]
        if implementation == "dmbench":
            self.run = lambda: imresize(image, factor)
        else:
            size = imresize(image, factor).shape[-2:]
            self.run = lambda: interpolate(image, size, mode="bicubic", antialias=True)
