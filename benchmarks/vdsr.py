"""VDSR: one of its eighteen 3x3x64->64 convolutions, and the whole network (arXiv:1511.04587, sections 3.1 and 5.2)."""

import torch
from torch import nn

from dmbench.models.vdsr import VDSR

from ._common import PASSES, _Measured, device_or_skip

IMAGES = {"64 of 41x41": (64, 41), "256x256": (1, 256)}


class Convolution(_Measured):
    """3x3x64->64, zero padding: the paper's batch of 64 sub-images as large as the receptive field, or a picture.

    Torch is the only implementation; what differs is the order of its memory.
    """

    params = (list(IMAGES), ["contiguous", "channels last"], list(PASSES), ["cpu", "cuda"])
    param_names = ("input", "memory", "pass", "device")

    def setup(self, images, memory, passes, device):
        self.device = device_or_skip(device)
        batch, side = IMAGES[images]
        order = torch.channels_last if memory == "channels last" else torch.contiguous_format
        layer = nn.Conv2d(64, 64, 3, padding=1).to(self.device, memory_format=order)
        x = torch.rand(batch, 64, side, side, device=self.device).to(memory_format=order)
        self.run = PASSES[passes](layer, x.requires_grad_())


class Network(_Measured):
    """Inference on 256x256, and a training step on the paper's batch of 64 sub-images of 41x41."""

    params = (["inference, 256x256", "training, 64 of 41x41"], ["cpu", "cuda"])
    param_names = ("case", "device")
    headline = ()  # seconds each; its convolution stands for it

    def setup(self, case, device):
        self.device = device_or_skip(device)
        batch, side, passes = (1, 256, "forward") if case == "inference, 256x256" else (64, 41, "forward+backward")
        net = VDSR(depth=20, width=64).to(self.device)
        self.run = PASSES[passes](net, torch.rand(batch, 1, side, side, device=self.device))
