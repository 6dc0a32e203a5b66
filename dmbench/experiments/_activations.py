"""What the activations' stems share: what becomes of mean and variance through many layers, and expectations."""

import math
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from dmbench.datasets.mnist import read_mnist
from dmbench.harness.experiment import Context

Activation = Callable[[Tensor], Tensor]
SAMPLES, WIDTH, LAYERS = 256, 512, 32
KEPT = (8, 16, 24, 32)  # layers whose moments are numbers


def activations_by_depth(ctx: Context, activation: Activation, given: str) -> list[Tensor]:
    """Send 256 inputs through 32 layers of 512 units; return all layers' activations, the input first.

    Weights are normal with variance 1/n (LeCun's), biases 0. given: "normal" noise, or training digits of "mnist".
    """
    ctx.note(samples=SAMPLES, width=WIDTH, layers=LAYERS, weights="normal, variance 1/n")
    x = torch.randn(SAMPLES, 784) if given == "normal" else standardised_digits(ctx)
    found = [x]
    for _ in range(LAYERS):
        weight = torch.randn(x.shape[1], WIDTH) / math.sqrt(x.shape[1])
        x = activation(x @ weight)
        found.append(x)
    return found


def standardised_digits(ctx: Context) -> Tensor:
    """Return the first 256 training digits, each pixel of mean 0 and deviation 1 over the first 10,000.

    A pixel that never changes is left out: it has no deviation.
    """
    return _standardised(tuple(ctx.files("mnist").items()))


@lru_cache(maxsize=1)  # every seed sends the same digits
def _standardised(files: tuple[tuple[str, Path], ...]) -> Tensor:
    pixels = read_mnist(dict(files), "train")[0][:10_000].flatten(1).float()
    deviation, mean = torch.std_mean(pixels, 0)
    changes = deviation > 0
    return (pixels[:SAMPLES, changes] - mean[changes]) / deviation[changes]


def moments_by_depth(found: list[Tensor]) -> tuple[list[float], list[float]]:
    """Return mean and variance of all activations of each layer, inputs and units together."""
    both = [torch.var_mean(x.double(), correction=0) for x in found]
    return [float(mean) for _, mean in both], [float(variance) for variance, _ in both]


def expectation(function: Activation) -> float:
    """Return the mean of a function of a normal value, by the trapezoid rule: it errs by 1e-9 for a kink, at most.

    A jump at 0 is integrated so too, where the function gives the mean of both sides there.
    """
    z = torch.arange(-120_000, 120_001, dtype=torch.float64) / 10_000
    density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
    return float((function(z) * density).sum() * (z[1] - z[0]))
