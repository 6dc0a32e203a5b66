"""SRCNN: super-resolution by three convolutions, on a picture already enlarged by bicubic interpolation.

Source: Dong, Loy, He and Tang (2016), Image Super-Resolution Using Deep Convolutional Networks, TPAMI 38(2),
arXiv:1501.00092, section 3.1 (Eqs. 1 to 3); first as ECCV 2014. Symbols are the paper's: f1, f2, f3 filter sizes,
n1, n2 filter counts. The paper names its networks f1-f2-f3: 9-1-5, 9-3-5, 9-5-5.

Shapes: N pictures, H rows, W columns, one channel: the luma in [0, 1].
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from dmbench.datasets.matlab import read_mat


class SRCNN(nn.Module):
    """Patch extraction, non-linear mapping, reconstruction (Eqs. 1, 2, 3).

    Args:
        f2: side of the second layer's filters, odd.
        n1, n2: filters of the first and second layer.
        same_size: replicate the picture's border so that the output is as large as the input, as the
            authors' test code does; False gives the valid region, as they train it.

    Raises:
        ValueError: f2 is even or not positive.
    """

    def __init__(self, f2: int = 5, *, n1: int = 64, n2: int = 32, same_size: bool = True) -> None:
        super().__init__()
        if f2 < 1 or f2 % 2 == 0:
            raise ValueError(f"f2, the side of the second layer's filters, must be odd and positive: {f2}")
        sides = (9, f2, 5)
        padding = [side // 2 if same_size else 0 for side in sides]
        self.conv1 = nn.Conv2d(1, n1, sides[0], padding=padding[0], padding_mode="replicate")
        self.conv2 = nn.Conv2d(n1, n2, sides[1], padding=padding[1], padding_mode="replicate")
        self.conv3 = nn.Conv2d(n2, 1, sides[2], padding=padding[2], padding_mode="replicate")

    def forward(self, y: Tensor) -> Tensor:
        """Map enlarged pictures (N, 1, H, W) to sharper ones of the same size; same_size False: less 2 * border."""
        return self.conv3(torch.relu(self.conv2(torch.relu(self.conv1(y)))))  # type: ignore[no-any-return]

    @property
    def border(self) -> int:
        """How many pixels the valid region loses on each side."""
        return sum(layer.kernel_size[0] // 2 for layer in (self.conv1, self.conv2, self.conv3))

    @property
    def filter_weights(self) -> int:
        """How many weights its filters have. The paper's counts, 8,032 and so on, leave the biases out."""
        return sum(layer.weight.numel() for layer in (self.conv1, self.conv2, self.conv3))


def init_as_paper(net: SRCNN, generator: torch.Generator | None = None) -> SRCNN:
    """Draw all filters from a normal distribution of standard deviation 0.001, biases 0 (section 3.3)."""
    for layer in (net.conv1, net.conv2, net.conv3):
        nn.init.normal_(layer.weight, std=0.001, generator=generator)
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return net


def read_authors_weights(path: Path) -> list[Tensor]:
    """Read weights from the authors' MATLAB file: conv1 filters, conv1 biases, conv2 filters, ... in float32.

    A filter is stored flattened column by column: weights_conv1 is (f1 * f1, n1), weights_conv2
    (n1, f2 * f2, n2), weights_conv3 (n2, f3 * f3).

    Raises:
        ValueError: the file is truncated, no MATLAB file, or holds other variables.
    """
    found = read_mat(path)
    names = [f"{kind}_conv{i}" for i in (1, 2, 3) for kind in ("weights", "biases")]
    if missing := [name for name in names if name not in found]:
        raise ValueError(f"{path}: holds no {missing[0]}: not SRCNN weights as the authors release them")
    w1, b1, w2, b2, w3, b3 = (torch.as_tensor(found[name]) for name in names)
    if w1.ndim != 2 or w2.ndim != 3 or w3.ndim != 2:
        raise ValueError(f"{path}: filters have shapes {tuple(w1.shape)}, {tuple(w2.shape)}, {tuple(w3.shape)}")
    filters = (
        _unflatten(w1.T[:, None]),  # (n1, 1, f1, f1)
        _unflatten(w2.permute(2, 0, 1)),  # (n2, n1, f2, f2)
        _unflatten(w3[None]),  # (1, n2, f3, f3)
    )
    pairs = zip(filters, (b1, b2, b3), strict=True)
    return [tensor.float().contiguous() for w, b in pairs for tensor in (w, b.reshape(-1))]


def _unflatten(filters: Tensor) -> Tensor:
    """Turn (..., f * f), flattened column by column, into (..., f, f)."""
    side = round(filters.shape[-1] ** 0.5)
    if side * side != filters.shape[-1]:
        raise ValueError(f"a filter of {filters.shape[-1]} weights is not square")
    return filters.reshape(*filters.shape[:-1], side, side).transpose(-1, -2)
