"""SSIM: structural similarity.

Source: Wang, Bovik, Sheikh and Simoncelli (2004), Image quality assessment: from error visibility
to structural similarity, IEEE TIP 13(4), section III-B and Eq. 13. Symbols are the paper's: mu
local mean, sigma local deviation or covariance, C1 = (K1 L)^2, C2 = (K2 L)^2, L the peak.
As the authors' ssim_index.m: an 11x11 Gaussian of sigma 1.5 that sums to 1, biased variances, and
only the windows that lie wholly inside the image; no downsampling beforehand.

Shapes: H height, W width; leading dimensions are a batch.
"""

import torch
from torch import Tensor

from dmbench.metrics.psnr import check_pair

WINDOW = 11
SIGMA = 1.5
K1, K2 = 0.01, 0.03


def ssim(image: Tensor, reference: Tensor, peak: float) -> Tensor:
    """Mean SSIM of each (H, W) plane: 1 for identical planes, symmetric in its arguments.

    Args:
        image: (..., H, W), H and W >= 11; integers are computed in float64, floats in their dtype.
        reference: the shape of image.
        peak: L, the largest value that a pixel can take, > 0.

    Returns:
        (...), in [-1, 1].

    Raises:
        ValueError: unlike shapes, an image smaller than 11x11, or peak <= 0.
    """
    return ssim_map(image, reference, peak).mean(dim=(-2, -1))


def ssim_map(image: Tensor, reference: Tensor, peak: float) -> Tensor:
    """SSIM of every window that fits: (..., H - 10, W - 10); arguments and errors of `ssim`."""
    check_pair(image, reference, peak, smallest=WINDOW)
    c1, c2 = constants(peak)
    mu_x, mu_y, sigma_xx, sigma_yy, sigma_xy = moments(as_float(image), as_float(reference))
    luminance = (2 * mu_x * mu_y + c1) / (mu_x * mu_x + mu_y * mu_y + c1)
    return luminance * (2 * sigma_xy + c2) / (sigma_xx + sigma_yy + c2)  # Eq. 13


def constants(peak: float) -> tuple[float, float]:
    """C1 and C2, which keep the quotients finite where an image is dark or flat."""
    return (K1 * peak) ** 2, (K2 * peak) ** 2


def as_float(image: Tensor) -> Tensor:
    """Floats as they are, integers in float64."""
    return image if image.is_floating_point() else image.double()


def moments(x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    """mu_x, mu_y, sigma_x^2, sigma_y^2, sigma_xy of every window (Eqs. 14 to 16)."""
    mu_x, mu_y, xx, yy, xy = blur(torch.stack([x, y, x * x, y * y, x * y])).unbind()
    return mu_x, mu_y, xx - mu_x * mu_x, yy - mu_y * mu_y, xy - mu_x * mu_y


def blur(planes: Tensor) -> Tensor:
    """Filter (..., H, W) by the Gaussian window; valid region, (..., H - 10, W - 10)."""
    places = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    gaussian = torch.exp(-0.5 * (places / SIGMA) ** 2)
    taps = (gaussian / gaussian.sum()).tolist()
    # The 2-D window is the product of two 1-D ones. Shifted sums beat torch's float64 conv2d by
    # an order of magnitude on a CPU, and know neither TF32 nor autocast.
    for dim in (-2, -1):
        valid = planes.shape[dim] - WINDOW + 1
        filtered = taps[0] * planes.narrow(dim, 0, valid)
        for tap in range(1, WINDOW):
            filtered = torch.add(filtered, planes.narrow(dim, tap, valid), alpha=taps[tap])
        planes = filtered
    return planes
