"""The spatial transformer by torch's affine_grid and grid_sample, and by torch.compile of ours."""

from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from dmbench.layers.spatial_transformer import spatial_transform
from dmbench.peers._compiled import compiled as _compiled

compiled = _compiled(spatial_transform)


def torch_nn(x: Tensor, theta: Tensor, size: tuple[int, int], align_corners: bool = False) -> Tensor:
    """Read x through an affine transformation: (N, C, H, W) and (N, 2, 3) to (N, C, *size)."""
    grid = affine_grid(theta, [len(x), x.shape[1], *size], align_corners)
    return grid_sample(x, grid, "bilinear", "zeros", align_corners)


PEERS = {"torch.nn": {"spatial_transform": torch_nn}, "torch.compile": {"spatial_transform": compiled}}
