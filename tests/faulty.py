"""Implementations with one deliberate fault each, as a user might bring them: `--impl srcnn=tests.faulty:Smaller`."""

import torch
from torch.nn.functional import interpolate

from dmbench.layers.bicubic import imresize
from dmbench.metrics.ycbcr import rgb2ycbcr
from dmbench.models.srcnn import SRCNN


class ZeroPadded(SRCNN):
    """Zeros around the picture, where the authors replicate its border."""

    def __init__(self, f2):
        super().__init__(f2)
        for layer in (self.conv1, self.conv2, self.conv3):
            layer.padding_mode = "zeros"


class Smaller(SRCNN):
    """The valid region: smaller than its input."""

    def __init__(self, f2):
        super().__init__(f2, same_size=False)


class NotANumber(SRCNN):
    """NaN from pictures, though not from the tiny input that the contract is tried with."""

    def forward(self, y):
        output = super().forward(y)
        return output * float("nan") if y.shape[-1] > 100 else output


class Narrow(torch.nn.Module):
    """Half the filters: the authors' weights do not fit."""

    def __init__(self, f2):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 32, 9)


def no_arguments():
    """Takes no f2."""
    return SRCNN(5)


def swapped(rgb):
    """Red and blue in each other's place."""
    return rgb2ycbcr(rgb.flip(-3))


def not_antialiased(plane, scale):
    """Bicubic, without antialiasing where it shrinks."""
    return imresize(plane, scale, antialias=False)


def interpolated(plane, scale):
    """What torch does when asked for bicubic."""
    return interpolate(plane[None, None], scale_factor=scale, mode="bicubic")[0, 0]
