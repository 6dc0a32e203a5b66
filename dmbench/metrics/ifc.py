"""IFC: the information fidelity criterion.

Source: Sheikh, Bovik and de Veciana (2005), An information fidelity criterion for image quality
assessment using natural scene statistics, IEEE TIP 14(12), section III; the estimators, sub-bands
and edges are those of the authors' release ifcvec. Symbols are the paper's: C = S U a sub-band of
the reference, S^2 a positive field and U Gaussian of covariance C_U with eigenvalues lambda;
D = g C + V the same sub-band of the image, V of variance sigma_V^2. The criterion is
I(C; D | S) = 1/2 log2(1 + g^2 s^2 lambda / sigma_V^2), summed over eigenvalues, blocks, sub-bands;
the release, and so the printed tables, leave the 1/2 out and divide by the number of pixels.

The sub-bands are the horizontal and vertical ones of a 4-level steerable pyramid of 6 orientations
(filters sp5 of matlabPyrTools: `sp5.json`, which names its source).

Shapes: N planes, H height, W width; h, w of a sub-band; M = 3, blocks are M x M.
"""

import json
from functools import lru_cache
from importlib.resources import files

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, pad, unfold

from dmbench.metrics.psnr import check_pair

LEVELS = 4
M = 3
TOLERANCE = 1e-15  # the release's: a variance below it counts as 0
MULTIPLE, LEAST = 32, 128  # MeTriX MuX extends an image to multiples of 32, at least 128
SMALLEST = 65  # below it nothing of the coarsest sub-band is left off its borders


def ifc(image: Tensor, reference: Tensor, *, extend: bool = True) -> Tensor:
    """Bits per pixel that the image still tells of the reference; more is better, no upper bound.

    Order matters. Identical images score a large finite value, which the tolerances alone set. The
    value hardly depends on the scale of the pixels, but much on their rounding: on Set5, bicubic x2
    scores 6.3 unrounded and 6.1 rounded.

    Differs from the release: a flat sub-band of the reference holds 0 bits, where it divides by 0.

    Args:
        image: (..., H, W), H and W >= 65, pixels from 0 to 255; computed in float64.
        reference: the shape of image.
        extend: mirror the images out to multiples of 32 first, as the MeTriX MuX package 1.1 does
            and SRCNN's tables have it; False is ifcvec alone, as LapSRN's tables have it.

    Returns:
        (...), float64, >= 0.

    Raises:
        ValueError: unlike shapes, or an image smaller than 65x65.
    """
    check_pair(image, reference, 1, smallest=SMALLEST)
    planes = [one.double().flatten(0, -3)[:, None] for one in (image[None], reference[None])]
    if extend:
        planes = [extended(one) for one in planes]
    bits = torch.zeros(len(planes[0]), dtype=torch.float64, device=image.device)
    for level, (d, c) in enumerate(zip(*(sub_bands(one) for one in planes), strict=True)):
        window = 2 ** (LEVELS - level) + 1  # 17 at the finest: the same reach at every level
        for orientation in range(2):
            one = slice(orientation, orientation + 1)
            bits = bits + information(c[:, one], d[:, one], window)
    return (bits / planes[0][0].numel()).reshape(image.shape[:-2])


def extended(image: Tensor) -> Tensor:
    """Mirror (N, 1, H, W) about its edge pixels; each corner takes one pixel, as in the package."""
    height, width = image.shape[-2:]
    rows, columns = (max(LEAST, -(-side // MULTIPLE) * MULTIPLE) for side in (height, width))
    top, left = (rows - height + 1) // 2, (columns - width + 1) // 2
    bottom, right = rows - height - top, columns - width - left
    image = pad(image, (left, right, top, bottom), mode="reflect")
    for y, inner_y in ((slice(top), top + 1), (slice(rows - bottom, None), rows - bottom - 2)):
        for x, inner_x in ((slice(left), left + 1), (slice(columns - right, None), -right - 2)):
            image[..., y, x] = image[..., inner_y, inner_x, None, None]
    return image


def sub_bands(image: Tensor) -> list[Tensor]:
    """Horizontal and vertical sub-bands (N, 2, h, w) of each level, the finest first."""
    lo0, lo, bands = filters()
    low = correlate(image, lo0)
    levels = []
    for _ in range(LEVELS):
        levels.append(correlate(low, bands))
        low = correlate(low, lo, stride=2)
    return levels


def correlate(image: Tensor, kernels: Tensor, stride: int = 1) -> Tensor:
    """Correlate (N, 1, H, W) with (K, 1, k, k), edges mirrored about the edge pixel."""
    reach = kernels.shape[-1] // 2
    return conv2d(pad(image, [reach] * 4, mode="reflect"), kernels.to(image.device), stride=stride)


@lru_cache(maxsize=1)
def filters() -> tuple[Tensor, Tensor, Tensor]:
    """The first low-pass (1, 1, 5, 5), the next (1, 1, 9, 9), the two bands (2, 1, 7, 7)."""
    stored = json.loads(files("dmbench.metrics").joinpath("sp5.json").read_text("utf-8"))
    lo0, lo, band = (torch.tensor(stored[name], dtype=torch.float64) for name in ("lo0", "lo", "band"))
    lo0, lo, band = (torch.cat([one[1:].flip(0), one]) for one in (lo0, lo, band))
    lo0, lo = (torch.cat([one[:, 1:].flip(1), one], 1)[None, None] for one in (lo0, lo))
    band = torch.cat([-band[:, 1:].flip(1), band], 1)
    return lo0, 2 * lo, torch.stack([band, band.T])[:, None]


def information(c: Tensor, d: Tensor, window: int) -> Tensor:
    """Bits (N,) that sub-band d (N, 1, h, w) shares with the reference's c."""
    height, width = (side // M * M for side in c.shape[-2:])
    c, d = c[..., :height, :width], d[..., :height, :width]
    g, sigma_v = channel(c, d, window)
    s, eigenvalues = scale_mixture(c)

    border = -(-(window // 2) // M)  # blocks whose window meets an edge
    inner = (..., slice(border, height // M - border), slice(border, width // M - border))
    ratio = (g * g * s)[inner] / (sigma_v[inner] + 1e-10)
    return torch.log2(1 + ratio[:, None] * eigenvalues[..., None, None]).sum((1, 2, 3))


def channel(c: Tensor, d: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Gain g and noise variance sigma_V^2 of D = g C + V about each block's centre: (N, h/M, w/M)."""
    c, d = c[:, 0], d[:, 0]
    maps = pad(torch.stack([c, d, c * d, c * c, d * d], 1), [window // 2] * 4, mode="reflect")
    start = M // 2
    mean_c, mean_d, cd, cc, dd = avg_pool2d(maps[..., start:, start:], window, M).unbind(1)
    area = window * window
    cov_cd = area * (cd - mean_c * mean_d)
    var_c = (area * (cc - mean_c * mean_c)).clamp(min=0)
    var_d = (area * (dd - mean_d * mean_d)).clamp(min=0)

    g = cov_cd / (var_c + TOLERANCE)  # least squares
    sigma_v = (var_d - g * cov_cd) / area
    # No gain: nothing of the reference arrives, and the image is all noise. The release leaves that
    # noise a sum over the window; without a gain it is multiplied by 0.
    lost = (var_c < TOLERANCE) | (var_d < TOLERANCE) | (g < 0)
    return g.masked_fill(lost, 0), sigma_v.clamp(min=TOLERANCE)


def scale_mixture(c: Tensor) -> tuple[Tensor, Tensor]:
    """Field s^2 (N, h/M, w/M) of the disjoint blocks, and the M^2 eigenvalues (N, M^2) of C_U."""
    overlapping = unfold(c, M)
    overlapping = overlapping - overlapping.mean(-1, keepdim=True)
    covariance = overlapping @ overlapping.mT / overlapping.shape[-1]
    eigenvalues, vectors = torch.linalg.eigh(covariance)

    blocks = unfold(c, M, stride=M)  # of zero mean by the model, so not centred
    flat = eigenvalues <= 1e-14 * eigenvalues[:, -1:]
    inverse = torch.where(flat, 0, 1 / eigenvalues.masked_fill(flat, 1))
    s = ((vectors.mT @ blocks).square() * inverse[..., None]).mean(1)
    return s.reshape(-1, c.shape[-2] // M, c.shape[-1] // M), eigenvalues.clamp(min=0)
