"""VDSR: super-resolution by twenty convolutions that predict what bicubic interpolation misses.

Source: Kim, Lee and Lee (2016), Accurate Image Super-Resolution Using Very Deep Convolutional Networks, CVPR,
arXiv:1511.04587, section 3.

Shapes: N pictures, H rows, W columns, one channel: the luma in [0, 1].
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from dmbench.datasets.matlab import read_mat


class VDSR(nn.Module):
    """3 x 3 convolutions with zero padding and ReLU between them; the input is added to the output (section 3.1).

    Args:
        depth: number of convolutions, at least 2.
        width: filters of each but the last.

    Raises:
        ValueError: depth below 2.
    """

    def __init__(self, depth: int = 20, width: int = 64) -> None:
        super().__init__()
        if depth < 2:
            raise ValueError(f"depth must be at least 2: {depth}")
        channels = [1, *[width] * (depth - 1), 1]
        self.convs = nn.ModuleList(nn.Conv2d(channels[i], channels[i + 1], 3, padding=1) for i in range(depth))

    def forward(self, y: Tensor) -> Tensor:
        """Map enlarged pictures (N, 1, H, W) to sharper ones of the same size."""
        return y + self.residual(y)

    def residual(self, y: Tensor) -> Tensor:
        """Predict the difference of the sharp picture and the enlarged one, (N, 1, H, W)."""
        for layer in self.convs[:-1]:
            y = torch.relu(layer(y))
        return self.convs[-1](y)  # type: ignore[no-any-return]


def init_as_paper(net: VDSR, generator: torch.Generator | None = None) -> VDSR:
    """Draw all filters as He et al. (2015) do for rectifiers, biases 0 (section 5.2)."""
    for layer in net.convs:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)  # type: ignore[arg-type]
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return net


def read_authors_weights(path: Path) -> list[Tensor]:
    """Read filters and biases of all layers, in turn, from the authors' MATLAB file, in float32.

    It holds one structure `model` of two cell arrays, weight and bias; a filter is (row, column, in, out).

    Raises:
        ValueError: the file is truncated, no MATLAB file, or holds another layout.
    """
    try:
        model = read_mat(path)["model"][0, 0]
        weights, biases = (list(model[name].ravel()) for name in ("weight", "bias"))
    except (KeyError, IndexError, ValueError) as error:
        if isinstance(error, ValueError) and str(path) in str(error):
            raise
        raise ValueError(f"{path}: holds no model.weight and model.bias: not VDSR's weights") from error
    tensors = []
    for weight, bias in zip(weights, biases, strict=True):
        filters = torch.as_tensor(weight)
        filters = filters[..., None] if filters.ndim == 3 else filters  # MATLAB drops a last dimension of 1
        tensors += [
            filters.permute(3, 2, 0, 1).float().contiguous(),
            torch.as_tensor(bias).reshape(-1),
        ]
    return tensors
