"""Bicubic resizing as MATLAB does it: `imresize(image, scale, 'bicubic')`.

Source: Keys (1981), Cubic convolution interpolation for digital image processing, IEEE TASSP 29(6),
with a = -1/2; the antialiasing, edges and rounding are those that MATLAB's imresize documents and
its results show. Symbols: h the kernel, u the place of an output sample on the input's grid.

Shapes: H, W height and width of the input; O samples out along one dimension; P taps a sample.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

SUPPORT = 4  # h is zero outside (-2, 2)
DTYPES = (torch.float32, torch.float64, torch.uint8, torch.uint16)


def imresize(
    image: Tensor,
    scale: float | None = None,
    *,
    size: tuple[int, int] | None = None,
    antialias: bool = True,
) -> Tensor:
    """Resize the last two dimensions, the one that shrinks most first (rows first when equal).

    uint8 and uint16 are computed in double, and rounded (a half goes away from zero) and saturated
    after each of the two passes, as MATLAB's passes are known to do from the independent ports of
    imresize; none of that was compared with a run of MATLAB here.

    Args:
        image: (..., H, W), float32, float64, uint8 or uint16, any range; floats are not clipped.
        scale: output over input, > 0; the output is ceil(scale * H) by ceil(scale * W).
        size: output (rows, columns), both >= 1, instead of `scale`.
        antialias: stretch the kernel by 1 / scale where the image shrinks.

    Returns:
        (..., rows, columns), contiguous, the dtype and device of image; floats are differentiable
        once (torch's embedding_bag has no second derivative).

    Raises:
        ValueError: both or neither of scale and size, a scale or size that is not positive, fewer
            than two dimensions, or an empty image.
        TypeError: any other dtype.
    """
    if image.ndim < 2 or image.numel() == 0:
        raise ValueError(f"need a non-empty image (..., H, W): shape {tuple(image.shape)}")
    if image.dtype not in DTYPES:
        raise TypeError(f"need float32, float64, uint8 or uint16, convert first: {image.dtype}")
    height, width = image.shape[-2:]
    (rows, columns), (scale_h, scale_w) = output_size((height, width), scale, size)

    passes = [(-2, scale_h, rows), (-1, scale_w, columns)]
    for dim, ratio, samples in sorted(passes, key=lambda one: one[1]):  # sorted is stable
        image = resize_along(image, dim, ratio, samples, antialias)
    return image.contiguous()


def output_size(
    shape: tuple[int, int], scale: float | None, size: tuple[int, int] | None
) -> tuple[tuple[int, int], tuple[float, float]]:
    """Rows and columns of the output, and the scale of each, from whichever of the two is given."""
    if (scale is None) == (size is None):
        raise ValueError(f"give either scale or size: scale={scale}, size={size}")
    if scale is not None:
        if not (scale > 0 and math.isfinite(scale)):
            raise ValueError(f"need a positive, finite scale: {scale}")
        return (math.ceil(scale * shape[0]), math.ceil(scale * shape[1])), (scale, scale)
    if size is None or len(size) != 2 or min(size) < 1:
        raise ValueError(f"need a size of two positive numbers: {size}")
    return size, (size[0] / shape[0], size[1] / shape[1])


def resize_along(image: Tensor, dim: int, scale: float, samples: int, antialias: bool) -> Tensor:
    """Resize one of the last two dimensions (-2 or -1) to `samples`."""
    integer = not image.is_floating_point()
    values = (image.double() if integer else image).movedim(dim, 0)
    weights, taps = contributions(values.shape[0], samples, scale, antialias)

    # A weighted sum of P rows a sample is what embedding_bag fuses: 2 to 8 times faster here than
    # the product with the dense (O, length) matrix, and linear in the size of the image.
    resized = embedding_bag(
        taps.to(values.device),
        values.flatten(1),
        mode="sum",
        per_sample_weights=weights.to(values),
    )
    resized = resized.reshape(samples, *values.shape[1:]).movedim(0, dim)
    if not integer:
        return resized
    # floor(x + 1/2) is half away from zero here: whatever is below zero saturates.
    highest = torch.iinfo(image.dtype).max
    return (resized + 0.5).floor().clamp(0, highest).to(image.dtype)


@lru_cache(maxsize=64)
def contributions(length: int, samples: int, scale: float, antialias: bool) -> tuple[Tensor, Tensor]:
    """Weights and taps of every output sample.

    Returns:
        weights (O, P), float64, each row sums to 1; taps (O, P), int64, in [0, length).
    """
    stretch = min(scale, 1.0) if antialias else 1.0
    reach = SUPPORT / stretch / 2
    x = torch.arange(1, samples + 1, dtype=torch.float64)
    u = x / scale + 0.5 * (1 - 1 / scale)  # both grids count from 1, and share their outer edges
    left = (u - reach).floor()
    taps = left[:, None] + torch.arange(math.ceil(2 * reach) + 2)

    weights = stretch * keys(stretch * (u[:, None] - taps))
    weights = weights / weights.sum(1, keepdim=True)

    # Symmetric edges: 1 2 ... n n ... 2 1, repeated for ever.
    mirrored = (taps.long() - 1) % (2 * length)
    taps = torch.minimum(mirrored, 2 * length - 1 - mirrored)

    used = (weights != 0).any(0)  # MATLAB drops the taps that no sample uses
    return weights[:, used], taps[:, used]


def keys(x: Tensor) -> Tensor:
    """Keys's cubic convolution kernel h(x) with a = -1/2 (his Eq. 15)."""
    x = x.abs()
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return torch.where(x <= 1, near, torch.where(x <= 2, far, 0.0))
