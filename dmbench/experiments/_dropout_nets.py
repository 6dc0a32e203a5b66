"""The networks of dropout's MNIST table (Srivastava et al. 2014, Table 2), and how long they train here.

Table 2 has permutation-invariant nets; p is 0.5 in hidden layers, 0.2 at the input, and with max-norm c = 2 in all
layers (Appendix B.1; p here is that of dropping).

Shapes: N digits; images (N, 1, 28, 28), in [0, 1]; scores (N, 10).
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from dmbench.datasets.mnist import MEAN
from dmbench.layers.dropout import max_norm_

PIXELS, CLASSES = 784, 10
Drop = Callable[[Tensor, float, bool], Tensor]


@dataclass(frozen=True)
class Recipe:
    """One row of the table.

    hidden: units of each hidden layer. unit: "logistic" or "relu". drops: whether by p_input and p_hidden.
    norm: largest norm of a unit's incoming weights, 0 for no bound. epochs, batch, rate: of the training; optimiser:
    "adam", or "sgd" with momentum 0.95. The rate rises linearly over the first twentieth of the updates, and then falls
    linearly to zero.
    """

    hidden: tuple[int, ...]
    unit: str
    drops: bool
    norm: float
    epochs: int
    rate: float
    optimiser: str = "adam"
    batch: int = 128
    p_input: float = 0.2
    p_hidden: float = 0.5

    def optimise(self, net: nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser of a network's parameters."""
        if self.optimiser == "sgd":
            return torch.optim.SGD(net.parameters(), self.rate, momentum=0.95, fused=True)
        return torch.optim.Adam(net.parameters(), self.rate, fused=True)

    def rate_at(self, update: int, updates: int) -> float:
        """Return the learning rate of an update, from 0."""
        return self.rate * min(1.0, 20 * (update + 1) / updates) * (1 - update / updates)


class DropoutNet(nn.Module):
    """Fully connected layers, their units, and dropout of pixels and hidden units.

    Weights are normal: He's for ReLU; Glorot's for logistic units, 4 times as large in hidden layers, and pixels less
    their mean, without which logistic layers begin far too slowly for a short training.
    """

    def __init__(self, recipe: Recipe, drop: Drop) -> None:
        super().__init__()
        self.recipe, self.drop = recipe, drop
        sizes = (PIXELS, *recipe.hidden, CLASSES)
        layers = [nn.Linear(i, o) for i, o in pairwise(sizes)]
        self.layers = nn.ModuleList(layers)
        for number, layer in enumerate(layers, 1):
            last = number == len(layers)
            if recipe.unit == "relu":
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if recipe.unit == "logistic" or last:
                nn.init.xavier_normal_(layer.weight, gain=1 if last else 4)
            nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> Tensor:
        relu = self.recipe.unit == "relu"
        x = self._dropped(images.flatten(1) - (0 if relu else MEAN), self.recipe.p_input)
        for layer in self.layers[:-1]:
            x = layer(x)
            x = self._dropped(torch.relu(x) if relu else torch.sigmoid(x), self.recipe.p_hidden)
        scores: Tensor = self.layers[-1](x)
        return scores

    def _dropped(self, x: Tensor, p: float) -> Tensor:
        return self.drop(x, p, self.training) if self.recipe.drops else x

    def hold(self, _: int = 0) -> None:
        """Shorten incoming weights that are longer than the recipe's norm."""
        if self.recipe.norm:
            for name, parameter in self.named_parameters():
                if name.endswith("weight"):
                    max_norm_(parameter, self.recipe.norm)
