"""Pictures as Caffe's networks for ImageNet take them: squashed, cut out in the middle, blue before green before red.

Source: Caffe's examples/imagenet (create_imagenet.sh: resized to 256 x 256 whatever the shape was) and the networks'
own transform_param: crop_size, and mean_value 104, 117, 123.

Shapes: H, W a picture's size, pixels; pictures are uint8 (3, H, W), red, green, blue; N pictures a batch.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.nn.functional import interpolate

BLUE_GREEN_RED = (104.0, 117.0, 123.0)  # the means, of 255


def read_image(path: Path) -> Tensor:
    """Read a picture, uint8 (3, H, W); greyscale and CMYK become RGB.

    Raises:
        ValueError: the file is damaged, cut short, or no picture.
    """
    try:
        with Image.open(path) as opened:
            pixels = np.array(opened.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: damaged, or no picture ({str(error)[:60]})") from error
    return torch.from_numpy(pixels).permute(2, 0, 1)


def squashed(picture: Tensor, side: int = 256) -> Tensor:
    """Resize to side x side, whatever the shape was, as Caffe's data sets are made: bilinear, no smoothing, rounded."""
    resized = interpolate(picture[None].float(), (side, side), mode="bilinear", align_corners=False, antialias=False)
    return resized[0].round().clamp(0, 255).to(torch.uint8)


def caffe_input(picture: Tensor, side: int) -> Tensor:
    """Cut the middle out, side x side, float32: blue, green, red, less their means.

    Raises:
        ValueError: the picture is smaller.
    """
    height, width = picture.shape[1:]
    if min(height, width) < side:
        raise ValueError(f"a picture of {height} x {width} pixels is smaller than {side} x {side}")
    top, left = (height - side) // 2, (width - side) // 2
    middle = picture[:, top : top + side, left : left + side].flip(0)
    return middle.float() - torch.tensor(BLUE_GREEN_RED).view(3, 1, 1)


def batches(
    paths: Sequence[Path], side: int, *, resize: int | None, batch: int, threads: int = 1
) -> Iterator[tuple[Tensor, list[int], list[str]]]:
    """Read pictures batch by batch, two of them ahead.

    Args:
        side: of what is cut out of the middle.
        resize: squash each to resize x resize first; None: leave it as it is.
        batch: pictures a batch; those that cannot be read are left out of it, so that N may be smaller, even 0.
        threads: that read, while the network computes.

    Yields:
        Pictures (N, 3, side, side); their places in `paths`, N; for each that could not be read, a line that says why.
    """

    def read(path: Path) -> Tensor | str:
        try:
            picture = read_image(path)
            return caffe_input(picture if resize is None else squashed(picture, resize), side)
        except ValueError as error:
            return str(error) if str(path) in str(error) else f"{path}: {error}"

    with ThreadPoolExecutor(threads) as pool:
        ahead = [pool.submit(read, path) for path in paths[: 2 * batch]]
        for start in range(0, len(paths), batch):
            found = [future.result() for future in ahead[:batch]]
            following = paths[start + 2 * batch : start + 3 * batch]
            ahead = ahead[batch:] + [pool.submit(read, path) for path in following]
            places = [start + i for i, picture in enumerate(found) if isinstance(picture, Tensor)]
            pictures = [picture for picture in found if isinstance(picture, Tensor)]
            x = torch.stack(pictures) if pictures else torch.empty(0, 3, side, side)
            yield x, places, [why for why in found if isinstance(why, str)]
