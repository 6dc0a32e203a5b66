"""PSNR, and the border that super-resolution papers leave out of it.

Definition: PSNR = 10 log10(peak^2 / MSE) decibels, MSE the mean squared difference of an image
plane. The papers shave a border of `scale` pixels first (Timofte et al., 2013, and since).

Shapes: H height, W width; leading dimensions are a batch.
"""

import torch
from torch import Tensor


def psnr(image: Tensor, reference: Tensor, peak: float) -> Tensor:
    """Peak signal-to-noise ratio of each (H, W) plane; infinite for identical planes.

    A colour image gives one value a channel, not the one value of its pooled error.

    Args:
        image: (..., H, W), any real dtype.
        reference: the shape of image.
        peak: the largest value that a pixel can take, > 0 (255 for 8 bits, 1 for [0, 1]).

    Returns:
        (...), float64, decibels.

    Raises:
        ValueError: unlike shapes, fewer than two dimensions, an empty image, or peak <= 0.
    """
    check_pair(image, reference, peak)
    error = image.double() - reference.double()
    return 10 * torch.log10(peak**2 / error.square().mean(dim=(-2, -1)))


def shave(image: Tensor, border: int) -> Tensor:
    """Crop `border` pixels off each side of (..., H, W); returns (..., H - 2b, W - 2b), a view.

    Raises:
        ValueError: a negative border, or one that leaves nothing.
    """
    if image.ndim < 2:
        raise ValueError(f"need an image (..., H, W): shape {tuple(image.shape)}")
    height, width = image.shape[-2:]
    if border < 0:
        raise ValueError(f"need a border of 0 or more pixels: {border}")
    if min(height, width) <= 2 * border:
        raise ValueError(f"need an image larger than {2 * border}x{2 * border} to shave {border}: {height}x{width}")
    return image[..., border : height - border, border : width - border]


def check_pair(image: Tensor, reference: Tensor, peak: float, smallest: int = 1) -> None:
    """Refuse what no full-reference metric can compare; `smallest` is the least H and W."""
    if image.shape != reference.shape:
        raise ValueError(f"need images of one shape: {tuple(image.shape)} and {tuple(reference.shape)}")
    if image.ndim < 2 or min(image.shape[-2:]) < smallest or image.numel() == 0:
        raise ValueError(f"need images (..., H, W) of at least {smallest}x{smallest}: shape {tuple(image.shape)}")
    if not peak > 0:
        raise ValueError(f"need a positive peak: {peak}")
