"""SSIM of an 8-bit luma plane, as the protocol measures it; the peer is scikit-image with Wang's settings."""

from dmbench.metrics.ssim import ssim

from ._common import _Measured, device_or_skip
from .psnr import pair


class Ssim(_Measured):
    """A picture of Set5, and a larger one."""

    params = ([255, 1024], ["cpu", "cuda"])
    param_names = ("side", "device")

    def setup(self, side, device):
        self.device = device_or_skip(device)
        image, reference = pair(side, self.device)
        self.run = lambda: ssim(image, reference, 255.0)


class ScikitImage(_Measured):
    """`skimage.metrics.structural_similarity`: on a CPU, in memory that torch's allocator does not see."""

    params = ([255, 1024], ["cpu"])
    param_names = ("side", "device")
    headline = ()
    track_peak_bytes = None

    def setup(self, side, device):
        from skimage.metrics import structural_similarity

        self.device = device_or_skip(device)
        image, reference = (plane.numpy() for plane in pair(side, self.device))
        settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
        self.run = lambda: structural_similarity(reference, image, **settings)
