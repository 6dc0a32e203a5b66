"""LeNet-300-100, LeNet-5 as published in 1998, and the LeNet-5 that Caffe ships.

Sources: LeCun, Bottou, Bengio and Haffner (1998), Gradient-based learning applied to document recognition, Proceedings
of the IEEE 86(11), section II.B, Figure 2, Table I, appendix A (squashing function) and Eqs. 7 to 9; Caffe's lenet
example, which Han et al. (2015), arXiv:1506.02626, prune. Names C1, S2, C3, ... are LeCun's.

Shapes: N digits; (N, 1, 28, 28) for LeNet300 and LeNet5Caffe, (N, 1, 32, 32) for LeNet5.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dmbench.models.parts.lenet_layers import Distances, PartialConv, Subsample, squash

# Table I: the maps of S2 that each of the 16 maps of C3 reads.
C3_READS = (
    *((i, (i + 1) % 6, (i + 2) % 6) for i in range(6)),
    *((i, (i + 1) % 6, (i + 2) % 6, (i + 3) % 6) for i in range(6)),
    (0, 1, 3, 4),
    (1, 2, 4, 5),
    (0, 2, 3, 5),
    tuple(range(6)),
)


class LeNet300(nn.Sequential):
    """784-300-100-10, fully connected: 266,610 parameters.

    (N, 1, 28, 28) or (N, 784) to scores (N, 10).
    Differs from LeCun's: ReLU instead of a scaled tanh, as in Han et al., and scores for a softmax.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(784, 300)
        self.relu1 = nn.ReLU()
        self.fc2 = nn.Linear(300, 100)
        self.relu2 = nn.ReLU()
        self.fc3 = nn.Linear(100, 10)


class LeNet5Caffe(nn.Sequential):
    """Convolutions of 20 and 50 filters, each with 2 x 2 max pooling, then 500 and 10 units: 431,080 parameters.

    (N, 1, 28, 28) to scores (N, 10). rectify: ReLU after each convolution too. Han et al. must have had it, for they
    give 82 % and 72 % of non-zero activations; Caffe's own example has only the one after fc1.
    """

    def __init__(self, rectify: bool = True) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, 5)
        self.pool1 = nn.MaxPool2d(2)
        self.relu1 = nn.ReLU() if rectify else nn.Identity()  # of a maximum it is the maximum of it, on a quarter
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.pool2 = nn.MaxPool2d(2)
        self.relu2 = nn.ReLU() if rectify else nn.Identity()
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(800, 500)
        self.relu3 = nn.ReLU()
        self.fc2 = nn.Linear(500, 10)


class LeNet5(nn.Module):
    """LeNet-5 of 1998: 60,000 trainable parameters, 340,908 connections.

    (N, 1, 32, 32), background -0.1 and ink 1.175, to penalties (N, 10), 0 or more; the smallest is the answer.

    Args:
        codes: (10, 84) of -1 and +1, the targets of F6 for each class, fixed; None draws them.

    Differs from the paper: the codes there are bitmaps of 7 x 12 pixels, drawn by hand; those drawn at random here are
    what the paper names as the other choice.

    Raises: ValueError: codes have another shape or other values.
    """

    def __init__(self, codes: Tensor | None = None) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(1, 6, 5)
        self.s2 = Subsample(6)
        self.c3 = PartialConv(C3_READS, 5)
        self.s4 = Subsample(16)
        self.c5 = nn.Conv2d(16, 120, 5)
        self.f6 = nn.Linear(120, 84)
        if codes is None:
            codes = 2.0 * torch.randint(2, (10, 84), generator=torch.Generator().manual_seed(0)) - 1
        if codes.shape != (10, 84) or not bool((codes.abs() == 1).all()):
            raise ValueError(f"need codes (10, 84) of -1 and +1: {tuple(codes.shape)}")
        self.output = Distances(codes)
        self.reset()

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Draw weights from U(-2.4 / F, 2.4 / F), F the inputs of a unit, its bias among them (appendix A)."""
        for layer in (self.c1, self.c5, self.f6):
            bound = 2.4 / (layer.weight[0].numel() + 1)
            for values in (layer.weight, layer.bias):
                nn.init.uniform_(values, -bound, bound, generator=generator)  # type: ignore[arg-type]
        for part in (self.s2, self.c3, self.s4):
            part.reset(generator)

    def forward(self, x: Tensor) -> Tensor:
        """Return penalties, the squared distances of F6's state from the codes (Eq. 7)."""
        x = self.s2(squash(self.c1(x)))
        x = self.s4(squash(self.c3(x)))
        return self.output(squash(self.f6(squash(self.c5(x)).flatten(1))))  # type: ignore[no-any-return]


def competitive_loss(penalties: Tensor, labels: Tensor, rubbish: float = 0.1) -> Tensor:
    """Return the mean of y_D + log(exp(-j) + sum_i exp(-y_i)), which pushes wrong classes away (Eq. 9).

    penalties: (N, 10), labels: (N). rubbish: j, above 0; penalties beyond it no longer matter much.
    """
    if not rubbish > 0:
        raise ValueError(f"rubbish, the constant j, must be above 0: {rubbish}")
    others = torch.cat([penalties.new_full((len(penalties), 1), -rubbish), -penalties], 1)
    return (penalties.gather(1, labels[:, None])[:, 0] + others.logsumexp(1)).mean()


class Row(NamedTuple):
    """A layer: its output's shape without N, trainable parameters, weights without biases, connections with biases."""

    name: str
    shape: tuple[int, ...]
    parameters: int
    weights: int
    connections: int


def layer_table(net: nn.Module, side: int = 28) -> list[Row]:
    """Return a row for each of a network's children that computes with weights, as it is for one digit.

    side: of the digit in pixels; 32 for LeNet5.
    """
    rows: list[Row] = []

    def note(name: str, layer: nn.Module, output: Tensor) -> None:
        parameters = sum(p.numel() for p in layer.parameters())
        biases = sum(p.numel() for key, p in layer.named_parameters() if key == "bias")
        connections = parameters * math.prod(output.shape[2:])
        if isinstance(layer, Subsample):
            connections = 5 * output.numel()  # four inputs of one shared coefficient, and the bias
        elif isinstance(layer, Distances):
            connections = layer.codes.numel()
        rows.append(Row(name, tuple(output.shape[1:]), parameters, parameters - biases, connections))

    hooks = [
        layer.register_forward_hook(lambda layer, _, output, name=name: note(name, layer, output))
        for name, layer in net.named_children()
        if list(layer.parameters()) or isinstance(layer, Distances)
    ]
    try:
        with torch.no_grad():
            net(next(net.parameters()).new_zeros(1, 1, side, side))
    finally:
        for hook in hooks:
            hook.remove()
    return rows


def operations(row: Row) -> int:
    """Return the multiplications and additions of a layer's weights for one digit, as Han et al. count them: 2 each."""
    return 2 * row.weights * math.prod(row.shape[1:])
