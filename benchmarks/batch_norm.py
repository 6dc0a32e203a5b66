"""Batch normalisation in training: ours, its equations through autograd, torch.nn and torch.compile.

Sizes: ResNet-50's (He et al. 2015, arXiv:1512.03385, Table 1) after its first, third, fourth and last stage at 224
pixels, batch 32; Inception's 3a (Ioffe and Szegedy 2015, section 4.2: batch 32), and the paper's MNIST layer (section
4.1: 60 examples, 100 units).
"""

from functools import partial

import torch

from dmbench.layers.batch_norm import batch_norm
from dmbench.peers.batch_norm import PEERS

from ._common import _Measured, device_or_skip

SIZES = {
    "resnet 32x64x56x56": (32, 64, 56, 56),
    "resnet 32x256x56x56": (32, 256, 56, 56),
    "resnet 32x512x28x28": (32, 512, 28, 28),
    "resnet 32x2048x7x7": (32, 2048, 7, 7),
    "inception 32x192x28x28": (32, 192, 28, 28),
    "mnist 60x100": (60, 100),
}
LAYOUTS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
IMPLEMENTATIONS = {"dmbench": batch_norm, "canonical": partial(batch_norm, canonical=True)}
IMPLEMENTATIONS |= {label: parts["batch_norm"] for label, parts in PEERS.items()}


class BatchNorm(_Measured):
    """Running statistics are updated; backward gives the gradients of input, weight and bias."""

    params = (list(SIZES), list(LAYOUTS), ["forward", "forward+backward"], list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("size", "layout", "pass", "implementation", "device")
    own = ("canonical",)

    def setup(self, size, layout, direction, implementation, device):
        self.device = device_or_skip(device)
        shape = SIZES[size]
        if layout != "contiguous" and len(shape) < 4:
            raise NotImplementedError("two dimensions have one layout")
        x, upstream = (torch.randn(shape, device=self.device) for _ in range(2))
        if len(shape) == 4:
            x, upstream = (t.contiguous(memory_format=LAYOUTS[layout]) for t in (x, upstream))
        weight, bias, mean, var = (torch.rand(shape[1], device=self.device) for _ in range(4))
        normalise = partial(IMPLEMENTATIONS[implementation], x, mean, var, weight, bias, True)
        if direction == "forward":
            self.run = torch.no_grad()(normalise)
            return
        wanted = [t.requires_grad_() for t in (x, weight, bias)]
        self.run = lambda: torch.autograd.grad(normalise(), wanted, upstream)
