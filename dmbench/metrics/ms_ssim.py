"""MS-SSIM: structural similarity over five scales.

Source: Wang, Simoncelli and Bovik (2003), Multi-scale structural similarity for image quality
assessment, Asilomar conference, Eq. 7. Symbols are the paper's: l, c, s the luminance, contrast
and structure comparisons, M = 5 scales, exponents alpha, beta, gamma = WEIGHTS. At each scale the
images are low-pass filtered and every second pixel is kept; SSIM's windows and constants are those
of `ssim`. The paper leaves the filter and the place of the averages open; two programs settled them:

- "metrix_mux": `mssim_index.m` of the MeTriX MuX package 1.1 (Rouse and Gaubatz, 2007). The filter
  is the analysis low-pass of the biorthogonal 9/7 wavelet; l, c and s are each averaged over the
  image, and the averages multiplied. It gives the MSSSIM columns that super-resolution papers print.
- "wang": the authors' later `msssim.m`. The filter is a 2x2 mean; c s is averaged as one, and at
  the coarsest scale l c s is. It scores blur by an aligned x2 or x4 higher, since its 2x2 blocks
  coincide with the low-resolution pixels.

Shapes: H height, W width; leading dimensions are a batch.
"""

from typing import Literal

import torch
from torch import Tensor

from dmbench.metrics.psnr import check_pair
from dmbench.metrics.ssim import WINDOW, as_float, constants, moments

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # finest scale first; section 3.2
SMALLEST = (WINDOW - 1) * 2 ** (len(WEIGHTS) - 1) + 1  # the window just fits the coarsest scale

# Antonini, Barlaud, Mathieu and Daubechies (1992), IEEE TIP 1(2), the 9-tap filter, to a sum of 1.
CENTRE = 0.852698679008890
SIDE = (0.377402855612830, -0.110624404418440, -0.023849465019560, 0.037828455507260)
GAIN = CENTRE + 2 * sum(SIDE)
LOW_PASS = {
    "metrix_mux": [tap / GAIN for tap in (*SIDE[::-1], CENTRE, *SIDE)],
    "wang": [0.5, 0.5],
}


def ms_ssim(
    image: Tensor,
    reference: Tensor,
    peak: float,
    *,
    variant: Literal["metrix_mux", "wang"] = "metrix_mux",
) -> Tensor:
    """MS-SSIM of each (H, W) plane: 1 for identical planes, symmetric in its arguments.

    Differs from the programs: (1) an average below 0 counts as 0, where its power would be complex.
    (2) Images from 161x161 are taken; `msssim.m` asks for 176x176.

    Args:
        image: (..., H, W), H and W >= 161; integers are computed in float64, floats as they are.
        reference: the shape of image.
        peak: the largest value that a pixel can take, > 0.
        variant: whose filter and averages, see the module.

    Returns:
        (...), in [0, 1].

    Raises:
        ValueError: unlike shapes, an image smaller than 161x161, peak <= 0, or another variant.
    """
    check_pair(image, reference, peak, smallest=SMALLEST)
    if variant not in LOW_PASS:
        raise ValueError(f"need one of the variants {', '.join(LOW_PASS)}: {variant}")
    pair = torch.stack([as_float(image), as_float(reference)])

    score = torch.ones((), dtype=pair.dtype, device=pair.device)
    for scale, weight in enumerate(WEIGHTS):
        if scale > 0:
            pair = halve(pair, LOW_PASS[variant])
        coarsest = scale == len(WEIGHTS) - 1
        for average in averages(pair[0], pair[1], peak, variant, coarsest):
            score = score * average.clamp(min=0) ** weight
    return score


def averages(x: Tensor, y: Tensor, peak: float, variant: str, coarsest: bool) -> list[Tensor]:
    """The factors (...) of one scale, which share that scale's exponent."""
    c1, c2 = constants(peak)
    mu_x, mu_y, sigma_xx, sigma_yy, sigma_xy = moments(x, y)
    luminance = (2 * mu_x * mu_y + c1) / (mu_x * mu_x + mu_y * mu_y + c1)
    if variant == "wang":
        both = (2 * sigma_xy + c2) / (sigma_xx + sigma_yy + c2)
        maps = [luminance * both if coarsest else both]
    else:
        # A flat window may come out below 0 by rounding, and a root has no gradient at 0.
        floor = (1e-10 * peak) ** 2
        product = (sigma_xx.clamp(min=floor) * sigma_yy.clamp(min=floor)).sqrt()
        contrast = (2 * product + c2) / (sigma_xx + sigma_yy + c2)
        structure = (sigma_xy + c2 / 2) / (product + c2 / 2)
        maps = [contrast, structure, *([luminance] if coarsest else [])]
    return [one.mean(dim=(-2, -1)) for one in maps]


def halve(planes: Tensor, taps: list[float]) -> Tensor:
    """Low-pass (..., H, W) with symmetric edges and keep every second pixel, the first included.

    An even filter reaches one pixel further down and right than up and left, as in MATLAB.
    """
    before, after = (len(taps) - 1) // 2, len(taps) // 2
    for _ in range(2):  # along W, transpose, along H, transpose back
        length = planes.shape[-1]
        places = torch.arange(-before, length + after, device=planes.device) % (2 * length)
        padded = planes[..., torch.minimum(places, 2 * length - 1 - places)]
        filtered = taps[0] * padded[..., 0:length:2]
        for k, tap in enumerate(taps[1:], start=1):
            filtered = torch.add(filtered, padded[..., k : k + length : 2], alpha=tap)
        planes = filtered.mT
    return planes
