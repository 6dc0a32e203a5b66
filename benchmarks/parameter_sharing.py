"""A convolution by its tied weights, and by the matrix of the fully connected layer that it stands for.

Sizes: LeNet-5's C1 and C5 (LeCun et al. 1998, section II.B), batch 64.
"""

import torch

from dmbench.regularizers.parameter_sharing import as_matrix

from ._common import _Measured, device_or_skip

LAYERS = {"lenet-5 c1": (1, 6, 32), "lenet-5 c5": (16, 120, 5)}


class Convolution(_Measured):
    """One forward pass; "torch.nn" is the convolution, and "matrix alone" a product with a matrix made before."""

    own = ("matrix alone",)
    params = (list(LAYERS), ["dmbench", "matrix alone", "torch.nn"], ["cpu", "cuda"])
    param_names = ("layer", "implementation", "device")

    def setup(self, layer, implementation, device):
        self.device = device_or_skip(device)
        inputs, outputs, side = LAYERS[layer]
        x = torch.randn(64, inputs, side, side, device=self.device)
        weight = torch.randn(outputs, inputs, 5, 5, device=self.device)
        flat, matrix = x.flatten(1), as_matrix(weight, side, side)
        self.run = {
            "dmbench": lambda: flat @ as_matrix(weight, side, side).T,
            "matrix alone": lambda: flat @ matrix.T,
            "torch.nn": lambda: torch.nn.functional.conv2d(x, weight),
        }[implementation]
