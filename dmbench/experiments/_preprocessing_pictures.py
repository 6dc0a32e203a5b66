"""Figures of preprocessing: pictures before and after each, and the filters of ZCA."""

import torch
from matplotlib.figure import Figure
from torch import Tensor

from dmbench.experiments._data_augmentation_pictures import grid, pictures
from dmbench.harness.experiment import Context, picture
from dmbench.regularizers.preprocessing import fit_pca, fit_standard, fit_whitening

SIDE, STRIDE = 16, 4
SHOWN = 10
EPS = 1e-3  # of a variance of white's square


@picture("cifar10_test_first100")
def whitened(ctx: Context) -> Figure:
    """Patches of CIFAR-10 before and after standardising, PCA and ZCA whitening.

    As they are; each channel's mean and deviation taken out; from their 50 largest principal components of 768;
    whitened by ZCA; and the filters with which ZCA does it. In the second, fourth and fifth row grey stands for 0.
    """
    patches = cut(pictures(ctx))
    shown = patches[:: len(patches) // SHOWN][:SHOWN]
    pca, zca = fit_pca(patches, 50), fit_whitening(patches, "zca", EPS)
    middle = SIDE // 2 * SIDE + SIDE // 2  # of the filters those of red, green and blue in the middle, and beside it
    places = [c * SIDE**2 + middle + 2 * step for step in range(4) for c in range(3)][:SHOWN]
    rows = (
        shown,
        0.5 + 0.2 * fit_standard(patches)(shown),
        pca.restore(pca(shown)).view_as(shown),
        0.5 + 0.12 * zca(shown),
        0.5 + 0.5 * torch.stack([one / one.abs().max() for one in zca.matrix[places].view(-1, 3, SIDE, SIDE)]),
    )
    return grid(torch.stack(rows), ("patch", "standard", "50 of PCA", "ZCA", "ZCA's filters"))


def cut(x: Tensor) -> Tensor:
    """Cut pictures (N, 3, 32, 32) into overlapping patches (P, 3, SIDE, SIDE)."""
    tiles = x.unfold(2, SIDE, STRIDE).unfold(3, SIDE, STRIDE)
    return tiles.permute(0, 2, 3, 1, 4, 5).reshape(-1, 3, SIDE, SIDE)
