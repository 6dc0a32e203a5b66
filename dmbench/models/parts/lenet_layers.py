"""The layers of LeNet-5 of 1998: subsampling, a convolution with a table of connections, distances from codes.

Source: LeCun, Bottou, Bengio and Haffner (1998), Gradient-based learning applied to document recognition, section II.B
and appendix A.

Shapes: N digits, C and O maps, H, W units of a map, K units of the last layer.
"""

import torch
from torch import Tensor, nn

AMPLITUDE, SLOPE = 1.7159, 2 / 3  # appendix A


def squash(x: Tensor) -> Tensor:
    """Return A tanh(S x), A = 1.7159 and S = 2/3, so that f(1) = 1 and f(-1) = -1 (appendix A)."""
    return AMPLITUDE * torch.tanh(SLOPE * x)


class Subsample(nn.Module):
    """S2 and S4: the sum of 2 x 2 units, times a coefficient, plus a bias, squashed; both one for a map."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(maps)), nn.Parameter(torch.empty(maps))
        self.reset()

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Draw as LeNet5 does; a unit has five inputs."""
        for values in (self.weight, self.bias):
            nn.init.uniform_(values, -2.4 / 5, 2.4 / 5, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H / 2, W / 2)."""
        return squash(nn.functional.avg_pool2d(x, 2) * (4 * self.weight[:, None, None]) + self.bias[:, None, None])


class PartialConv(nn.Module):
    """A convolution whose filters read some maps each: only the filters that there are, are kept and trained.

    reads: for each map of the output the maps of the input that it reads. side: of a filter.
    """

    reads: Tensor

    def __init__(self, reads: tuple[tuple[int, ...], ...], side: int) -> None:
        super().__init__()
        pairs = [(out, read) for out, maps in enumerate(reads) for read in maps]
        self.shape = (len(reads), 1 + max(read for _, read in pairs), side, side)
        self.register_buffer("reads", torch.tensor(pairs).T)
        self.weight = nn.Parameter(torch.empty(len(pairs), side, side))
        self.bias = nn.Parameter(torch.empty(len(reads)))
        self.reset()

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Draw as LeNet5 does; units of different maps have different numbers of inputs."""
        inputs = 1 + self.weight[0].numel() * self.reads[0].bincount()
        with torch.no_grad():
            for values, bound in ((self.weight, (2.4 / inputs)[self.reads[0], None, None]), (self.bias, 2.4 / inputs)):
                values.uniform_(-1, 1, generator=generator).mul_(bound)

    def dense(self) -> Tensor:
        """Return all filters, (O, I, side, side), zero where nothing is read."""
        return self.weight.new_zeros(self.shape).index_put((self.reads[0], self.reads[1]), self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, I, H, W) to (N, O, H - side + 1, W - side + 1)."""
        return nn.functional.conv2d(x, self.dense(), self.bias)


class Distances(nn.Module):
    """LeNet-5's output: a unit for each class, the squared distance of (N, K) from its fixed code, (C, K)."""

    codes: Tensor

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        self.register_buffer("codes", codes.float())

    def forward(self, x: Tensor) -> Tensor:
        return (x[:, None] - self.codes).square().sum(2)
