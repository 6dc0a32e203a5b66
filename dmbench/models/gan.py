"""Generative adversarial nets: a generator, a maxout discriminator with dropout, their losses, and the game's theory.

Source: Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville and Bengio (2014), Generative Adversarial
Networks, arXiv:1406.2661; sizes, weights and dropout as in the authors' own file, goodfeli/adversarial, mnist.yaml:
    V(D, G) = E log D(x) + E log(1 - D(G(z)))      D maximises it, G minimises it (Eq. 1)
    D* = p / (p + g)      max V = -log 4 + 2 JSD(p, g), at least -log 4, where g = p (Proposition 1, Theorem 1)
G either descends the second term ("minimax"), or ascends E log D(G(z)) ("non_saturating", section 3), whose gradient
lives where D is sure: by the score s, D = 1 / (1 + e^-s), they are -D and -(1 - D).

Losses take scores s, never D itself: they and their gradients stay finite where D rounds to exactly 0 or 1. For a
discriminator that returns probabilities there is `scores_of`.

Shapes: N samples, Z noise values, D values of a sample, K outcomes of a discrete distribution.
"""

from itertools import pairwise
from math import log

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from dmbench.layers.dropout import dropout
from dmbench.layers.linear import Linear
from dmbench.layers.maxout import MaxoutLinear

KINDS = ("non_saturating", "minimax")
OPTIMUM = -log(4)  # of the value function, where the generator's distribution is the data's


def value(real: Tensor, fake: Tensor) -> Tensor:
    """Return V(D, G), nats, from the discriminator's scores of data and of samples, each of any shape.

    Raises: ValueError: there are no scores.
    """
    _check_scores(real, fake)
    return logsigmoid(real).mean() + logsigmoid(-fake).mean()


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Return -V(D, G), nats, which the discriminator descends.

    Args: real, fake: scores of data and of samples, any shape; an infinite one makes the loss infinite or 0.

    Raises: ValueError: there are no scores.
    """
    return -value(real, fake)


def generator_loss(fake: Tensor, kind: str = "non_saturating") -> Tensor:
    """Return what the generator descends, nats: -E log D(G(z)), or E log(1 - D(G(z))) for "minimax".

    Raises: ValueError: another kind, or there are no scores.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}: {kind}")
    _check_scores(fake)
    return -logsigmoid(fake).mean() if kind == "non_saturating" else logsigmoid(-fake).mean()


def scores_of(probabilities: Tensor) -> Tensor:
    """Return the scores of probabilities, finite also for exactly 0 and 1.

    Those are moved to the nearest number inside (0, 1): a score of -87 and 16 in float32. No gradient passes there, as
    none passes through a sigmoid that has rounded to 0 or 1; a discriminator that returns scores keeps it.

    Args: probabilities: any shape, floating point.

    Raises: ValueError: one is outside [0, 1] or NaN.
    """
    if not bool(((probabilities >= 0) & (probabilities <= 1)).all()):
        worst = probabilities.detach().flatten()
        worst = worst[~((worst >= 0) & (worst <= 1))][0]
        raise ValueError(f"need probabilities in [0, 1], or pass scores as they are: {float(worst):g}")
    limits = torch.finfo(probabilities.dtype)
    return torch.logit(probabilities.clamp(limits.tiny, 1 - limits.eps / 2))


def optimal_discriminator(p: Tensor, g: Tensor) -> Tensor:
    """Return D* = p / (p + g), (K), of the data's and the generator's probabilities; 1/2 where neither has any.

    Raises: ValueError: they are no two distributions over the same outcomes.
    """
    _check_distributions(p, g)
    both = p + g
    return torch.where(both > 0, p / torch.where(both > 0, both, 1), 0.5)


def jensen_shannon(p: Tensor, g: Tensor) -> Tensor:
    """Return the Jensen-Shannon divergence of two distributions, (K) each, nats: 0 to log 2.

    Raises: ValueError: they are no two distributions over the same outcomes.
    """
    _check_distributions(p, g)
    m = (p + g) / 2
    return (torch.xlogy(p, p) + torch.xlogy(g, g)).sum() / 2 - torch.xlogy(m, m).sum()


class Generator(nn.Module):
    """Rectified linear layers from noise to a sample: 100 - 1,200 - 1,200 - 784 with sigmoid outputs for MNIST.

    Args:
        noise, hidden, layers, outputs: Z, units of each hidden layer, how many of these, D; at least 1.
        squash: sigmoid outputs, for data in [0, 1]; else linear ones.
        reach: weights begin uniform within it, biases at 0.
        mean: of the data (D): output biases begin where zero weights would give it, as the authors' do.

    Raises: ValueError: a size is below 1.
    """

    def __init__(
        self,
        noise: int = 100,
        hidden: int = 1200,
        layers: int = 2,
        outputs: int = 784,
        *,
        squash: bool = True,
        reach: float = 0.05,
        mean: Tensor | None = None,
    ) -> None:
        super().__init__()
        if layers < 1:
            raise ValueError(f"need at least one hidden layer: {layers}")
        self.noise, self.squash = noise, squash
        sizes = (noise, *[hidden] * layers)
        self.hidden = nn.ModuleList(Linear(a, b) for a, b in pairwise(sizes))
        self.output = Linear(hidden, outputs)
        _begin(self, reach)
        if mean is not None and self.output.bias is not None:
            self.output.bias.data.copy_(torch.logit(mean.clamp(1e-3, 1 - 1e-3)) if squash else mean)

    def forward(self, z: Tensor) -> Tensor:
        """Map noise (N, Z) to samples (N, D)."""
        for layer in self.hidden:
            z = layer(z).relu()
        y: Tensor = self.output(z)
        return y.sigmoid() if self.squash else y


class MaxoutDiscriminator(nn.Module):
    """Maxout layers with dropout before each, and a linear layer to one score: 784 - 240 - 240 - 1 for MNIST.

    Args:
        inputs, units, pieces, layers: D and sizes of the maxout layers; at least 1.
        p_input, p_hidden: probabilities of dropping, in [0, 1); what is kept is scaled up.
        reach: weights begin uniform within it, biases at 0.

    Raises: ValueError: a size is below 1; on call, p is out of range, or samples have another number of values.
    """

    def __init__(
        self,
        inputs: int = 784,
        units: int = 240,
        pieces: int = 5,
        layers: int = 2,
        *,
        p_input: float = 0.2,
        p_hidden: float = 0.5,
        reach: float = 0.005,
    ) -> None:
        super().__init__()
        if layers < 1:
            raise ValueError(f"need at least one hidden layer: {layers}")
        self.p_input, self.p_hidden = p_input, p_hidden
        sizes = (inputs, *[units] * layers)
        self.hidden = nn.ModuleList(MaxoutLinear(a, b, pieces) for a, b in pairwise(sizes))
        self.score = Linear(units, 1)
        _begin(self, reach)

    def forward(self, x: Tensor) -> Tensor:
        """Map samples (N, ...) to scores (N): log-odds of being data."""
        x = dropout(x.flatten(1), self.p_input, self.training)
        for layer in self.hidden:
            x = dropout(layer(x), self.p_hidden, self.training)
        scores: Tensor = self.score(x)[:, 0]
        return scores


def _begin(net: nn.Module, reach: float) -> None:
    for name, parameter in net.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        else:
            nn.init.uniform_(parameter, -reach, reach)


def _check_scores(*scores: Tensor) -> None:
    if any(s.numel() == 0 for s in scores):
        raise ValueError(f"need at least one score of each: {', '.join(str(tuple(s.shape)) for s in scores)}")


def _check_distributions(p: Tensor, g: Tensor) -> None:
    if p.shape != g.shape or p.ndim != 1 or not len(p):
        raise ValueError(f"need two distributions over the same outcomes: {tuple(p.shape)} and {tuple(g.shape)}")
    for found in (p, g):
        total = float(found.sum())
        if not bool((found >= 0).all()) or abs(total - 1) > 1e-4:
            raise ValueError(f"need probabilities of at least 0 that sum to 1: they sum to {total:g}")
