"""Spatial transformer: a network looks at its input, decides how to move it, and reads it there, differentiably.

Source: Jaderberg et al. (2015), Spatial Transformer Networks, arXiv:1506.02025, section 3. A localisation network gives
theta; the grid generator says for each pixel of the output where it comes from (Eqs. 1 and 2, kernels/
spatial_transformer_grids.py); the sampler reads there:
    V_i = sum over n, m of U_nm k(xs_i - m) k(ys_i - n)        (Eq. 3)
    bilinear: k(d) = max(0, 1 - |d|)  (Eq. 5);  integer: the pixel at (floor(xs + 0.5), floor(ys + 0.5))  (Eq. 4)

Coordinates are normalised, x (right) before y (down), as printed and as in torch. -1 and 1 are the outer edges of the
picture, or with align_corners the centres of its first and last pixels; the paper does not say which. A pixel outside
is zero, so that a sample fades to zero within one pixel of the border.

Shapes: N batch, C channels, (H, W) input U, (H', W') output V, P parameters of the transformation.

Differs from the paper:
1. Where a coordinate is whole, Eq. 7 as printed counts the pixel there and none of its neighbours: on a flat picture
   that is no sub-gradient, and the identity, where training starts, lies on such coordinates only. Here it is the
   right-hand derivative, as in torch.nn.functional.grid_sample, and equal to Eq. 7 everywhere else.
2. Eq. 4 rounds a half up, and so does this; torch's "nearest" rounds it to the even neighbour.
"""

import torch
from torch import Tensor, nn

from dmbench.layers.kernels.modes import under_autocast, without_autocast
from dmbench.layers.kernels.spatial_transformer_grids import TRANSFORMS, affine_grid

KERNELS = ("bilinear", "integer")


def spatial_transform(x: Tensor, theta: Tensor, size: tuple[int, int], align_corners: bool = False) -> Tensor:
    """Read x through an affine transformation (Eqs. 1 and 5).

    Args:
        x: (N, C, H, W), floating point.
        theta: (N, 2, 3), from the output's coordinates to the input's: x' and y' of (x, y, 1).
        size: (H', W').
        align_corners: the convention of coordinates, see the module.

    Returns:
        (N, C, H', W').

    Raises:
        ValueError, TypeError: as `sample` and `affine_grid`.
    """
    return sample(x, affine_grid(theta, size, align_corners), "bilinear", align_corners)


def sample(x: Tensor, grid: Tensor, kernel: str = "bilinear", align_corners: bool = False) -> Tensor:
    """Read x at the places of a grid; in the order of torch.nn.functional.grid_sample, padded with zeros.

    Args:
        x: (N, C, H, W), floating point; float16 and bfloat16, and all under autocast, are computed in float32.
        grid: (N, H', W', 2), normalised x and y. Far outside and infinite places are 0; NaN gives NaN.
        kernel: "bilinear", or "integer", whose gradient for the grid is zero.
        align_corners: the convention of coordinates, see the module.

    Returns:
        (N, C, H', W'), dtype of x.

    Raises:
        ValueError: shapes or devices do not fit, the picture or the output is empty, or an unknown kernel.
        TypeError: dtypes differ, or are not floating.
    """
    lowered = under_autocast(x)
    _check(x, grid, kernel, lowered)
    if lowered or x.dtype in (torch.float16, torch.bfloat16):
        with without_autocast(x):
            return _read(x.float(), grid.float(), kernel, align_corners).to(x.dtype)
    return _read(x, grid, kernel, align_corners)


def _read(x: Tensor, grid: Tensor, kernel: str, align_corners: bool) -> Tensor:
    column, row = (
        _pixels(place, side, align_corners)
        for place, side in zip(grid.unbind(3), (x.shape[3], x.shape[2]), strict=True)
    )
    if kernel == "integer":
        nearest = _pick(x, (row + 0.5).floor(), (column + 0.5).floor())  # Eq. 4
        return nearest + (row + column).detach().mul(0).unsqueeze(1)  # NaN stays NaN
    top, left = row.detach().floor(), column.detach().floor()
    # Eq. 5 as the two parts of a pixel: their derivatives are -1 and 1 at whole coordinates too.
    down, right = row - top, column - left
    total = torch.zeros((), dtype=x.dtype, device=x.device)
    for y, along in ((top, 1 - down), (top + 1, down)):
        for z, across in ((left, 1 - right), (left + 1, right)):
            total = total + (along * across).unsqueeze(1) * _pick(x, y, z)
    return total


def _pixels(place: Tensor, side: int, align_corners: bool) -> Tensor:
    """Return pixels from the centre of the first, clamped to where every neighbour is outside; infinity is finite."""
    pixels = (place + 1) / 2 * (side - 1) if align_corners else ((place + 1) * side - 1) / 2
    return pixels.clamp(-2, side + 1)


def _pick(x: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Return the pixels at whole rows and columns (N, H', W'), zero outside: (N, C, H', W')."""
    height, width = x.shape[2:]
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    # Whole numbers before the product: in float32 it is inexact from 4096 x 4096 pixels on.
    index = torch.where(inside, row, 0).long() * width + torch.where(inside, column, 0).long()
    pixels = x.flatten(2).gather(2, index.flatten(1).unsqueeze(1).expand(-1, x.shape[1], -1))
    return torch.where(inside.unsqueeze(1), pixels.view(*x.shape[:2], *row.shape[1:]), 0)


def _check(x: Tensor, grid: Tensor, kernel: str, lowered: bool) -> None:
    if kernel not in KERNELS:
        raise ValueError(f"kernel must be one of {', '.join(KERNELS)}: {kernel}")
    if x.ndim != 4 or 0 in x.shape[1:]:
        raise ValueError(f"need x (N, C, H, W), empty in N only: {tuple(x.shape)}")
    if grid.ndim != 4 or grid.shape[3] != 2 or 0 in grid.shape[1:] or len(grid) != len(x):
        raise ValueError(f"need a grid ({len(x)}, H', W', 2), as x {tuple(x.shape)} has it: {tuple(grid.shape)}")
    if grid.device != x.device:
        raise ValueError(f"grid is on {grid.device} and x on {x.device}: move one of them")
    if not (x.is_floating_point() and grid.is_floating_point()):
        raise TypeError(f"x and grid must be floating, convert first: {x.dtype}, {grid.dtype}")
    if grid.dtype != x.dtype and not lowered:
        raise TypeError(f"grid is {grid.dtype} and x {x.dtype}: convert one of them")


class SpatialTransformer(nn.Module):
    """The whole module: localisation network, regression of theta, grid and sampler. It starts as the identity.

    The last layer, which regresses theta, is made here, with zero weights and the identity as its bias (appendix A).

    Args:
        localisation: a network from x to (N, features), or to a shape that flattens to it.
        features: width of its output.
        transform: "affine" (P = 6), "attention" (s, tx, ty; P = 3), "projective" (P = 8) or "thin_plate_spline"
            (where its 16 control points lie, x and y each; P = 32).
        size: (H', W'); None: the size of x.
        kernel, align_corners: as in `sample`.

    Raises:
        ValueError: an unknown transform or kernel.
    """

    def __init__(
        self,
        localisation: nn.Module,
        features: int,
        transform: str = "affine",
        size: tuple[int, int] | None = None,
        kernel: str = "bilinear",
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        if transform not in TRANSFORMS:
            raise ValueError(f"transform must be one of {', '.join(TRANSFORMS)}: {transform}")
        if kernel not in KERNELS:
            raise ValueError(f"kernel must be one of {', '.join(KERNELS)}: {kernel}")
        self.localisation = localisation
        self.transform, self.size, self.kernel, self.align_corners = transform, size, kernel, align_corners
        identity = torch.tensor(TRANSFORMS[transform].identity)
        self.regression = nn.Linear(features, len(identity))
        nn.init.zeros_(self.regression.weight)
        with torch.no_grad():
            self.regression.bias.copy_(identity)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H', W')."""
        return sample(x, self.grid(x), self.kernel, self.align_corners)

    def grid(self, x: Tensor) -> Tensor:
        """Return the places that x is read at, (N, H', W', 2), x and y in [-1, 1] where inside."""
        theta = self.regression(self.localisation(x).flatten(1)).to(x.dtype)
        size = (x.shape[2], x.shape[3]) if self.size is None else self.size
        return TRANSFORMS[self.transform].grid(theta, size, self.align_corners)
