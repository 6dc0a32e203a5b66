"""RGB to Y'CbCr as MATLAB's rgb2ycbcr does it: the luma on which super-resolution is scored.

Source: ITU-R BT.601-7, section 2.5 (studio range: Y from 16 to 235, Cb and Cr from 16 to 240, of
255), with the decimals of the matrix that MATLAB's rgb2ycbcr documents (Poynton 1996).

Shapes: H height, W width; the channels stand third from last.
"""

import torch
from torch import Tensor

# Rows Y, Cb, Cr; columns R, G, B in [0, 1]; OFFSET is added. Both in units of 1/255.
MATRIX = ((65.481, 128.553, 24.966), (-37.797, -74.203, 112.0), (112.0, -93.786, -18.214))
OFFSET = (16.0, 128.0, 128.0)
PEAKS = {torch.uint8: 255, torch.uint16: 65535, torch.float32: 1, torch.float64: 1}


def rgb2ycbcr(image: Tensor) -> Tensor:
    """Convert RGB; integers are computed in double and rounded (half up), as in MATLAB.

    Args:
        image: (..., 3, H, W), uint8 or uint16 over their whole range, or float32/float64 in [0, 1].

    Returns:
        (..., 3, H, W), the dtype of image: Y, Cb, Cr on the same scale.

    Raises:
        ValueError: another number of channels.
        TypeError: another dtype.
    """
    if image.ndim < 3 or image.shape[-3] != 3:
        raise ValueError(f"need 3 channels, (..., 3, H, W): shape {tuple(image.shape)}")
    check_dtype(image)
    return torch.stack([row(image, channel) for channel in range(3)], dim=-3)


def luma(image: Tensor) -> Tensor:
    """Take Y of a colour image, and a greyscale image as it is.

    Two dimensions are greyscale. From three up, the third from last is the channels: 3 are
    converted as by `rgb2ycbcr`, a single one is taken as it is, without the 16-to-235 range.

    Args:
        image: (H, W), (..., 1, H, W) or (..., 3, H, W), dtypes and ranges of `rgb2ycbcr`.

    Returns:
        (..., H, W), the dtype of image.

    Raises:
        ValueError: fewer than two dimensions, or channels other than 1 and 3.
        TypeError: another dtype.
    """
    channels = image.shape[-3] if image.ndim > 2 else 1
    if image.ndim < 2 or channels not in (1, 3):
        raise ValueError(f"need (H, W), (..., 1, H, W) or (..., 3, H, W); drop alpha: shape {tuple(image.shape)}")
    check_dtype(image)
    if channels == 3:
        return row(image, 0)
    return image if image.ndim == 2 else image.squeeze(-3)


def check_dtype(image: Tensor) -> None:
    """Refuse a dtype whose range is not known."""
    if image.dtype not in PEAKS:
        raise TypeError(f"need float32, float64, uint8 or uint16, convert first: {image.dtype}")


def row(image: Tensor, channel: int) -> Tensor:
    """One channel (..., H, W) of the output: a row of the matrix times R, G, B."""
    peak = PEAKS[image.dtype]
    integer = not image.is_floating_point()
    red, green, blue = (image.double() if integer else image).unbind(-3)
    # MATLAB's order of operations, which settles the rare ties: scale the matrix, then sum.
    to_red, to_green, to_blue = (1 / 255 * entry for entry in MATRIX[channel])
    value = to_red * red + to_green * green + to_blue * blue + OFFSET[channel] * (peak / 255)
    return (value + 0.5).floor().to(image.dtype) if integer else value
