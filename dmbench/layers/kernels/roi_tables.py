"""Features as a table of pixels, and bins as rectangles in it.

A bag is one bin of one RoI and one group of channels. Position-sensitive maps come one for each bin: a bag reads its
own.

Shapes: (N, C, H, W) features; c channels of a row of the table; M maps (kh * kw where position-sensitive, or 1);
G groups; bags in the order (R, kh, kw, G).
"""

import math

import torch
from torch import Tensor

from dmbench.layers.kernels.roi_bags import Rectangles
from dmbench.layers.kernels.roi_bins import Bins
from dmbench.layers.kernels.roi_checks import HALVES


def raised(x: Tensor) -> Tensor:
    """Return x in float32 where its dtype is narrower."""
    return x.float() if x.dtype in HALVES else x


def table_of(features: Tensor, maps: int = 1, groups: int = 1) -> Tensor:
    """Return the pixels, (N * M * G * H * W, c): channel (g * c + i) * M + m is column i of map m and group g."""
    pictures, channels, height, width = features.shape
    share = channels // (maps * groups)
    parts = features.reshape(pictures, groups, share, maps, height * width)
    # One picture would stay a view with strides, and each row of the table be read from all over it.
    return parts.permute(0, 3, 1, 4, 2).reshape(pictures * maps * groups * height * width, share).contiguous()


def rectangles(bins: Bins, shape: torch.Size, maps: int = 1, groups: int = 1) -> Rectangles:
    """Return the rectangle of each bag in the table of features of this shape."""
    (top, left), (bottom, right) = bins.start, bins.stop
    rois, height, width = len(bins.picture), shape[2], shape[3]
    bags = rois, top.shape[1], left.shape[1], groups
    group = torch.arange(groups, device=top.device)
    own = torch.arange(maps, device=top.device).view(-1, 1)  # the map of each bin
    base = (bins.picture.view(-1, 1, 1) * maps + own) * groups + group
    return Rectangles(
        base=(base * (height * width)).expand(rois, bags[1] * bags[2], groups).reshape(-1),
        top=top[:, :, None, None].expand(bags).reshape(-1),
        rows=(bottom - top)[:, :, None, None].expand(bags).reshape(-1),
        left=left[:, None, :, None].expand(bags).reshape(-1),
        columns=(right - left)[:, None, :, None].expand(bags).reshape(-1),
        width=width,
    )


def from_bags(values: Tensor, groups: int, output: tuple[int, int], features: Tensor) -> Tensor:
    """Return (R * kh * kw * G, c) as (R, G * c, kh, kw), in the dtype and the layout of the features."""
    rois = len(values) // (math.prod(output) * groups)
    found = values.view(rois, *output, groups * values.shape[1]).permute(0, 3, 1, 2).to(features.dtype)
    last = features.is_contiguous(memory_format=torch.channels_last) and not features.is_contiguous()
    return found.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
