"""Pictures: image files to tensors of whole numbers, as they are stored.

Shapes: (H, W) for greyscale, (3, H, W) for colour; uint8, or uint16 for 16-bit greyscale.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

GREY_16 = ("I;16", "I;16B", "I;16L", "I")


def read_picture(path: Path) -> Tensor:
    """Read one picture; a palette is resolved, and a colour picture whose alpha is opaque loses it.

    Raises:
        ValueError: the file is damaged, no picture, transparent, or of a kind that is not 8 or 16 bits a channel.
    """
    try:
        with Image.open(path) as opened:
            opened.load()
            image: Image.Image = opened
            mode = image.mode
            if _png_depth(path) == 16 and mode not in GREY_16:
                raise ValueError(f"{path}: 16 bits a colour, of which Pillow reads 8: convert it to 8 bits first")
            if "transparency" in image.info:
                raise ValueError(f"{path}: is transparent: flatten it onto a background first")
            if mode in ("P", "1"):
                image = image.convert("RGB" if mode == "P" else "L")
            if image.mode in ("LA", "RGBA"):
                if image.getchannel("A").getextrema() != (255, 255):
                    raise ValueError(f"{path}: is transparent: flatten it onto a background first")
                image = image.convert(image.mode[:-1])
            pixels = np.array(image)
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise ValueError(f"{path}: damaged, or no picture ({str(error)[:80]})") from error
    if mode in GREY_16:
        if pixels.min() < 0 or pixels.max() > 65535:
            raise ValueError(f"{path}: its values reach beyond 16 bits: {pixels.min()} to {pixels.max()}")
        return torch.from_numpy(pixels.astype(np.uint16))
    if image.mode not in ("L", "RGB"):
        raise ValueError(f"{path}: mode {mode} is neither greyscale nor RGB of 8 or 16 bits: convert it first")
    picture = torch.from_numpy(pixels)
    return picture if picture.ndim == 2 else picture.permute(2, 0, 1).contiguous()


def _png_depth(path: Path) -> int:
    """Return the bits a channel of a PNG file, 0 for another kind of file."""
    with path.open("rb") as stream:
        head = stream.read(25)
    return head[24] if len(head) == 25 and head.startswith(b"\x89PNG") else 0


def to_8_bits(picture: Tensor) -> Tensor:
    """Return the picture as uint8: 16 bits are scaled by 255 / 65535 and rounded, as MATLAB's im2uint8 does."""
    if picture.dtype == torch.uint8:
        return picture
    return (picture.double() * (255 / 65535)).round().to(torch.uint8)


def modcrop(picture: Tensor, scale: int) -> Tensor:
    """Crop (..., H, W) at the bottom and the right to multiples of `scale`; a view.

    Raises:
        ValueError: the picture is smaller than `scale`.
    """
    height, width = (side - side % scale for side in picture.shape[-2:])
    if min(height, width) < 1:
        raise ValueError(f"a picture of {tuple(picture.shape[-2:])} pixels is too small for scale {scale}")
    return picture[..., :height, :width]
