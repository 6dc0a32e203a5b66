"""Deformable convolution: ours, its canonical form, and what a user would call instead.

64 channels at 32 and 64 pixels are sizes of restoration networks; 256 channels at 56 is ResNet-50's second stage at
224 pixels. The product of the columns with the weights alone is the floor of them all, timed beside them as "product".
On a GPU besides: ResNet-50's stages 3 to 5 at 224 pixels and batch 8, and 256 channels at 56, in each dtype.
"""

from functools import partial
from typing import ClassVar

import torch

from dmbench.layers.deform_conv2d import canonical_deform_conv2d, deform_conv2d
from dmbench.peers.deform_conv2d import PEERS

from ._common import _Measured, device_or_skip, with_peers

SIZES = {"2x64x32x32": (2, 64, 32), "2x64x64x64": (2, 64, 64), "1x256x56x56": (1, 256, 56)}
GROUPS = {"1/1": (1, 1), "1/4": (1, 4), "4/1": (4, 1), "4/4": (4, 4)}  # groups / deformable groups
IMPLEMENTATIONS = with_peers(deform_conv2d, PEERS, "deform_conv2d") | {"canonical": canonical_deform_conv2d}


class DeformConv2d(_Measured):
    """3 x 3, padding 1, as many filters as channels, bias; offsets of about a pixel."""

    params = (
        list(SIZES),
        list(GROUPS),
        ["v1", "v2"],
        ["forward", "forward+backward"],
        [*IMPLEMENTATIONS, "product"],
        ["cpu", "cuda"],
    )
    param_names = ("size", "groups", "version", "pass", "implementation", "device")
    own = ("canonical", "product")
    headline = tuple(
        (*case, passes)
        for case in (
            ("2x64x32x32", "1/1", "v2"),
            ("2x64x64x64", "1/1", "v2"),
            ("2x64x64x64", "4/4", "v2"),
            ("1x256x56x56", "1/1", "v2"),
            ("1x256x56x56", "4/4", "v2"),
        )
        for passes in ("forward", "forward+backward")
    )

    def setup(self, size, groups, version, direction, implementation, device):
        self.device = device_or_skip(device)
        (batch, channels, side), (share, deformable) = SIZES[size], GROUPS[groups]
        random = partial(torch.randn, device=self.device)
        x = random(batch, channels, side, side)
        offset = random(batch, 18 * deformable, side, side)
        mask = torch.rand(batch, 9 * deformable, side, side, device=self.device) if version == "v2" else None
        weight, bias = random(channels, channels // share, 3, 3), random(channels)
        if implementation == "product":
            positions, columns = batch * side * side, 9 * channels // share
            self.run = product(random, share, positions, columns, channels // share, direction)
            return
        call = partial(IMPLEMENTATIONS[implementation], x, offset, weight, bias, 1, 1, 1, mask)
        if direction == "forward":
            self.run = call
            return
        wanted = [t.requires_grad_() for t in (x, offset, weight, bias, mask) if t is not None]
        upstream = random(batch, channels, side, side)
        self.run = lambda: torch.autograd.grad(call(), wanted, upstream)


class DeformConv2dGPU(_Measured):
    """The same on a GPU alone: version 2, one group, channels last; offsets of about a pixel."""

    sizes: ClassVar = {
        "8x128x28x28": (8, 128, 28),
        "8x256x14x14": (8, 256, 14),
        "8x512x7x7": (8, 512, 7),
        "8x256x56x56": (8, 256, 56),
    }
    implementations: ClassVar = {"dmbench": deform_conv2d, "torchvision.ops": PEERS["torchvision.ops"]["deform_conv2d"]}
    params = (
        list(sizes),
        ["float32", "float16", "bfloat16"],
        ["forward", "forward+backward"],
        [*implementations, "product"],
        ["cuda"],
    )
    param_names = ("size", "dtype", "pass", "implementation", "device")
    own = ("product",)
    headline = tuple((size, "bfloat16", passes) for size in sizes for passes in ("forward", "forward+backward"))

    def setup(self, size, dtype, direction, implementation, device):
        self.device = device_or_skip(device)
        batch, channels, side = self.sizes[size]
        self.flops = 18 * batch * side**2 * channels**2 * (1 if direction == "forward" else 3)
        random = partial(torch.randn, device=self.device, dtype=getattr(torch, dtype))
        if implementation == "product":
            self.run = product(random, 1, batch * side * side, 9 * channels, channels, direction)
            return
        x, upstream = (
            random(batch, channels, side, side).to(memory_format=torch.channels_last) for _ in ("input", "upstream")
        )
        offset, mask = random(batch, 18, side, side), random(batch, 9, side, side).sigmoid()
        weight = random(channels, channels, 3, 3).to(memory_format=torch.channels_last)
        bias = random(channels)
        call = partial(self.implementations[implementation], x, offset, weight, bias, 1, 1, 1, mask)
        if direction == "forward":
            self.run = call
            return
        wanted = [t.requires_grad_() for t in (x, offset, weight, bias, mask)]
        self.run = lambda: torch.autograd.grad(call(), wanted, upstream)


def product(random, groups, positions, columns, filters, direction):
    """The matrix products alone: one forward, two more backward."""
    left, right = random(groups, positions, columns), random(groups, columns, filters)
    upstream = random(groups, positions, filters)
    if direction == "forward":
        return lambda: left @ right
    return lambda: (left @ right, left.mT @ upstream, upstream @ right.mT)
