"""Data augmentation: pictures changed as their label allows, in training at random, at test time over fixed views.

Source: Krizhevsky, Sutskever and Hinton (2012), ImageNet Classification with Deep Convolutional Neural Networks,
section 4.1: random crops and reflections, ten views at test time, and colours moved along the axes of their covariance.
Padding before the crop: He et al. (2016), arXiv:1512.03385, section 4.2. Brightness, contrast and saturation: Howard
(2013), arXiv:1312.5402, section 2.

Shapes: N pictures, C channels, H, W their size, h, w the crop's. Without a generator torch's own draws.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601


def flip(x: Tensor, probability: float = 0.5, generator: torch.Generator | None = None) -> Tensor:
    """Reflect each picture (N, C, H, W), left to right, with a probability, 0 to 1.

    Raises:
        ValueError: no batch of pictures, or a probability beyond 0 to 1.
    """
    _check(x)
    if not 0 <= probability <= 1:
        raise ValueError(f"need a probability from 0 to 1: {probability}")
    reflected = (torch.rand(len(x), generator=generator) < probability).to(x.device)
    return torch.where(reflected[:, None, None, None], x.flip(3), x)


def random_crop(
    x: Tensor, size: int | tuple[int, int], padding: int = 0, generator: torch.Generator | None = None
) -> Tensor:
    """Cut a window out of each picture, at a place of its own, all places alike.

    Args:
        x: (N, C, H, W). size: h and w, or one for both. padding: zeros put around the picture first, pixels.

    Raises:
        ValueError: no batch of pictures, or a window larger than the padded picture.
    """
    _check(x)
    height, width = _pair(size)
    padded = pad(x, [padding] * 4) if padding else x
    spare = _spare(padded, height, width)
    top, left = (torch.randint(s + 1, (len(x),), generator=generator).to(x.device) for s in spare)
    return crop(padded, top, left, (height, width))


def crop(x: Tensor, top: Tensor, left: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Cut (N, C, h, w) out of (N, C, H, W); top and left: (N), int64, the first row and column of each window."""
    height, width = _pair(size)
    rows = top[:, None] + torch.arange(height, device=x.device)
    columns = left[:, None] + torch.arange(width, device=x.device)
    picture, channel = (torch.arange(n, device=x.device) for n in x.shape[:2])
    return x[picture[:, None, None, None], channel[:, None, None], rows[:, None, :, None], columns[:, None, None]]


def colour_axes(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the eigenvalues (3), falling, and eigenvectors (3, 3), one a column, of the colours' covariance.

    x: (N, 3, H, W), floating point, of the training set; the values' scale enters the eigenvalues squared.
    """
    _check(x, colours=True)
    pixels = x.transpose(0, 1).flatten(1)
    values, vectors = torch.linalg.eigh(torch.cov(pixels, correction=0))
    return values.flip(0), vectors.flip(1)


def alter_colour(
    x: Tensor,
    eigenvalues: Tensor,
    eigenvectors: Tensor,
    deviation: float = 0.1,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Add [p1 p2 p3] [a1 l1, a2 l2, a3 l3]^T to every pixel of a picture; the a are drawn once a picture.

    Args:
        x: (N, 3, H, W), floating point. eigenvalues, eigenvectors: as `colour_axes` returns them.
        deviation: of the normal draws a, which have mean 0.

    Raises:
        ValueError: pictures without three channels, or axes of other shapes.
    """
    _check(x, colours=True)
    if eigenvalues.shape != (3,) or eigenvectors.shape != (3, 3):
        raise ValueError(f"need axes (3) and (3, 3): {tuple(eigenvalues.shape)}, {tuple(eigenvectors.shape)}")
    draws = deviation * torch.randn(len(x), 3, generator=generator, dtype=x.dtype).to(x.device)
    return x + ((draws * eigenvalues) @ eigenvectors.T)[:, :, None, None]


def adjust(
    x: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor, order: Sequence[int] = (0, 1, 2)
) -> Tensor:
    """Scale brightness (away from black), contrast (from the mean grey) and saturation (from the pixel's own grey).

    Args:
        x: (N, 3, H, W), floating point, in [0, 1], to which each step's result is clamped.
        brightness, contrast, saturation: (N), at least 0; 1 leaves a picture as it is.
        order: in which of the three come, by number.
    """
    _check(x, colours=True)
    factors = (brightness, contrast, saturation)
    for step in order:
        grey = (x * x.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
        origin = (torch.zeros_like(grey), grey.mean((2, 3), keepdim=True), grey)[step]
        x = torch.lerp(origin.expand_as(x), x, factors[step][:, None, None, None].to(x)).clamp(0, 1)
    return x


def jitter(x: Tensor, reach: float = 0.5, generator: torch.Generator | None = None) -> Tensor:
    """Adjust each picture by three factors of its own from 1 - reach to 1 + reach; the order is drawn once a batch.

    Raises:
        ValueError: pictures without three channels, or a reach beyond 0 to 1.
    """
    if not 0 <= reach <= 1:
        raise ValueError(f"need a reach from 0 to 1: {reach}")
    factors = 1 + reach * (2 * torch.rand(3, len(x), generator=generator) - 1)
    order = torch.randperm(3, generator=generator).tolist()
    brightness, contrast, saturation = factors.to(x.device)
    return adjust(x, brightness, contrast, saturation, order)


def ten_views(x: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Return the four corners and the centre of each picture, then the reflections of these five.

    (N, C, H, W) to (N, 10, C, h, w): top left, top right, bottom left, bottom right, centre.

    Raises:
        ValueError: no batch of pictures, or a window larger than the picture.
    """
    _check(x)
    height, width = _pair(size)
    down, right = _spare(x, height, width)
    corners = ((0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2))
    views = torch.stack([x[..., i : i + height, j : j + width] for i, j in corners], 1)
    return torch.cat([views, views.flip(-1)], 1)


def average_views(net: Callable[[Tensor], Tensor], views: Tensor) -> Tensor:
    """Average the probabilities that a network's scores give the views of each picture: (N, V, C, h, w) to (N, K)."""
    scores = net(views.flatten(0, 1))
    return torch.softmax(scores, 1).view(*views.shape[:2], -1).mean(1)


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


def _spare(x: Tensor, height: int, width: int) -> tuple[int, int]:
    """Return by how many pixels the picture is larger than the window."""
    spare = (x.shape[2] - height, x.shape[3] - width)
    if min(height, width) < 1 or min(spare) < 0:
        raise ValueError(f"a window of {height} x {width} does not lie inside a picture of {x.shape[2]} x {x.shape[3]}")
    return spare


def _check(x: Tensor, colours: bool = False) -> None:
    if x.ndim != 4 or (colours and x.shape[1] != 3):
        raise ValueError(f"need pictures (N, {'3' if colours else 'C'}, H, W): {tuple(x.shape)}")
    if colours and not x.is_floating_point():
        raise TypeError(f"need floating-point colours, divide by 255 first: {x.dtype}")
