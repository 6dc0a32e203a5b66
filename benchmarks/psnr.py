"""PSNR of an 8-bit luma plane, as the protocol measures it; the peer is scikit-image."""

import torch

from dmbench.metrics.psnr import psnr

from ._common import _Measured, device_or_skip


def pair(side, device):
    """Two planes of 8 bits, the second a noisy copy of the first."""
    image = torch.randint(0, 256, (side, side), dtype=torch.uint8)
    noise = torch.randint(-8, 9, (side, side))
    return image.to(device), (image + noise).clamp(0, 255).to(torch.uint8).to(device)


class Psnr(_Measured):
    """A picture of Set5, and a larger one."""

    params = ([255, 1024], ["cpu", "cuda"])
    param_names = ("side", "device")

    def setup(self, side, device):
        self.device = device_or_skip(device)
        image, reference = pair(side, self.device)
        self.run = lambda: psnr(image, reference, 255.0)


class ScikitImage(_Measured):
    """`skimage.metrics.peak_signal_noise_ratio`: on a CPU, in memory that torch's allocator does not see."""

    params = ([255, 1024], ["cpu"])
    param_names = ("side", "device")
    headline = ()
    track_peak_bytes = None

    def setup(self, side, device):
        from skimage.metrics import peak_signal_noise_ratio

        self.device = device_or_skip(device)
        image, reference = (plane.numpy() for plane in pair(side, self.device))
        self.run = lambda: peak_signal_noise_ratio(reference, image, data_range=255)
