"""Mixtures of Gaussians on a ring or a grid in the plane: data whose modes are known.

Source: Metz et al. (2017), Unrolled Generative Adversarial Networks, arXiv:1611.02163, section 3.1: eight on a ring of
radius 2 with standard deviation 0.02; Srivastava et al. (2017), VEEGAN, arXiv:1705.07761, section 4.1, adds the grid
of five by five; in fjxmlzn/PacGAN they have radius 1 and standard deviation 0.01, distance 2 and 0.05.

Shapes: M modes, N samples; centres (M, 2), samples (N, 2).
"""

import math

import torch
from torch import Tensor


def ring(modes: int = 8, radius: float = 1.0) -> Tensor:
    """Return centres (M, 2), float32, evenly on a circle around the origin, the first on the positive x axis.

    Raises: ValueError: fewer than one mode, or no radius above 0.
    """
    if modes < 1 or not radius > 0:
        raise ValueError(f"need at least one mode and a radius above 0: {modes} and {radius}")
    angle = 2 * math.pi * torch.arange(modes, dtype=torch.float64) / modes
    return (radius * torch.stack([angle.cos(), angle.sin()], 1)).float()


def grid(side: int = 5, distance: float = 2.0) -> Tensor:
    """Return centres (side^2, 2), float32, row by row, their mean at the origin.

    Raises: ValueError: fewer than one mode a side, or no distance above 0.
    """
    if side < 1 or not distance > 0:
        raise ValueError(f"need at least one mode a side and a distance above 0: {side} and {distance}")
    line = distance * (torch.arange(side) - (side - 1) / 2)
    return torch.cartesian_prod(line, line)


def draw(centres: Tensor, std: float, count: int, generator: torch.Generator | None = None) -> Tensor:
    """Draw samples (N, 2): a centre by chance, each as likely, and a Gaussian around it.

    Args:
        centres: (M, 2). std: standard deviation of each mode in each direction, at least 0. count: N, at least 1.
        generator: of the device of `centres`.

    Raises: ValueError: a size or std is out of range.
    """
    if centres.ndim != 2 or not len(centres) or count < 1:
        raise ValueError(f"need centres (M, 2) and at least one sample: {tuple(centres.shape)} and {count}")
    if not std >= 0:
        raise ValueError(f"need a standard deviation of at least 0: {std}")
    chosen = torch.randint(len(centres), (count,), generator=generator, device=centres.device)
    noise = torch.randn(count, centres.shape[1], generator=generator, device=centres.device, dtype=centres.dtype)
    return centres[chosen] + std * noise
