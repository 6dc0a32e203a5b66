"""Data augmentation: CIFAR-10's padded crops (He et al. 2016), AlexNet's ten views, and the adjusting of colours.

Sizes: batches of 128 (He et al. 2016, section 4.2; Krizhevsky et al. 2012, section 5); 32 and 256 pixels.
"""

import torch

from dmbench.peers.data_augmentation import PEERS
from dmbench.regularizers import data_augmentation as ours

from ._common import _Measured, device_or_skip, with_peers

PARTS = {part: with_peers(getattr(ours, part), PEERS, part) for part in ("crop", "ten_views", "adjust")}
CASES = {
    "crop, 128 of 40x40 to 32": ("crop", 128, 40),
    "crop, 128 of 256x256 to 224": ("crop", 128, 256),
    "ten views, 16 of 256x256": ("ten_views", 16, 256),
    "colours, 16 of 256x256": ("adjust", 16, 256),
}


class Augmentation(_Measured):
    """One batch, float32; draws are made before."""

    params = (list(CASES), ["dmbench", *PEERS], ["cpu", "cuda"])
    param_names = ("case", "implementation", "device")
    headline = (("crop, 128 of 40x40 to 32",), ("colours, 16 of 256x256",))

    def setup(self, case, implementation, device):
        self.device = device_or_skip(device)
        part, batch, side = CASES[case]
        if implementation not in PARTS[part]:
            raise NotImplementedError(f"{implementation} has no {part}")
        function = PARTS[part][implementation]
        x = torch.rand(batch, 3, side, side, device=self.device)
        window = 32 if side == 40 else 224
        if part == "crop":
            places = torch.randint(side - window + 1, (2, batch), device=self.device)
            self.run = lambda: function(x, *places, window)
        elif part == "ten_views":
            self.run = lambda: function(x, window)
        else:
            factors = 0.5 + torch.rand(3, batch, device=self.device)
            self.run = lambda: function(x, *factors)
