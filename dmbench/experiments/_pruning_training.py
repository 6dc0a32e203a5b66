"""Training, pruning and retraining of LeNets on MNIST, and what is kept of a run for pictures."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from safetensors.torch import save
from torch import Tensor, nn

from dmbench.experiments._digits_training import Training, error, read_digits
from dmbench.harness.experiment import Context

BINS = 101  # of a histogram of weights, as wide as its largest weight


@dataclass(frozen=True)
class Recipe:
    """SGD with momentum 0.9, whose rate falls linearly to zero in each phase.

    densities: share of each layer's weights that is kept at last. epochs: of training all weights. rounds: epochs of
    retraining after each cut; the density goes down by the same factor in each. rate: at first; of retraining, a tenth.
    """

    densities: Mapping[str, float]
    epochs: int
    rounds: tuple[int, ...]
    rate: float
    batch: int = 100
    weight_decay: float = 5e-4
    rate_of_retraining: float = 0.1  # "1/10 of the original network's original learning rate", section 4.1


# Densities as in the tables of section 4.1.
LENET300 = Recipe({"fc1": 0.08, "fc2": 0.09, "fc3": 0.26}, epochs=15, rounds=(6, 8, 16), rate=0.1)
LENET5 = Recipe({"conv1": 0.66, "conv2": 0.12, "fc1": 0.08, "fc2": 0.19}, epochs=5, rounds=(4, 12), rate=0.05)


def trained(ctx: Context, net: nn.Module, recipe: Recipe, name: str) -> dict[str, float | list[float]]:
    """Train a network, cut and retrain it; return errors on the 10,000 test digits, %, and what weights are left.

    Keys: reference_error, pruned_error, loss, densities (of each layer, %), weights (thousands), compression.
    Of the curve's points, `cut_error` is the error right after the last cut, without retraining.
    """
    settings = {key: value for key, value in vars(recipe).items() if key not in ("densities", "rounds")}
    ctx.note(**settings, rounds=list(recipe.rounds), **{f"density_{k}": v for k, v in recipe.densities.items()})
    train, test = read_digits(ctx, "train"), read_digits(ctx, "test")
    net.to(ctx.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    per_epoch = len(train.labels) // recipe.batch
    training = Training(ctx, train, total=per_epoch * (recipe.epochs + sum(recipe.rounds)), save_every=per_epoch)
    weights = {layer: net.get_parameter(f"{layer}.weight") for layer in recipe.densities}
    pruner = ctx.subject("pruner")(weights)

    def measured(cut: float | None) -> dict[str, float]:
        found = error(net, test)
        return {"test_error": found, "cut_error": found if cut is None else cut, "density": 100 * kept(weights)}

    def phase(phase: str, epochs: int, rate: float, cut: float | None = None) -> None:
        updates = epochs * per_epoch
        optimiser = torch.optim.SGD(net.parameters(), rate, 0.9, weight_decay=recipe.weight_decay)
        pruner.hold(optimiser)
        training.phase(
            phase,
            net,
            optimiser,
            updates,
            batch=recipe.batch,
            rate=lambda update: rate * (1 - update / updates),
            evaluate=lambda: measured(cut),
            evaluate_every=per_epoch,
        )

    phase("dense", recipe.epochs, recipe.rate)
    reference = error(net, test)
    before = {layer: histogram(weight) for layer, weight in weights.items()}
    for number, epochs in enumerate(recipe.rounds, 1):
        part = number / len(recipe.rounds)
        pruner.prune({layer: 1 - density**part for layer, density in recipe.densities.items()})
        phase(f"round {number}", epochs, recipe.rate * recipe.rate_of_retraining, cut=error(net, test))
    pruned = error(net, test)
    ctx.keep(f"{name}_pruned_seed{ctx.seed}.safetensors", save(packed(weights, before)))
    nonzero = sum(int(weight.count_nonzero()) for weight in weights.values())
    return {
        "reference_error": reference,
        "pruned_error": pruned,
        "loss": pruned - reference,
        "densities": [100 * kept({layer: weight}) for layer, weight in weights.items()],
        "weights": nonzero / 1000,
        "compression": sum(weight.numel() for weight in weights.values()) / nonzero,
    }


def kept(weights: Mapping[str, Tensor]) -> float:
    """Return the share of weights that are not zero."""
    return sum(int(w.count_nonzero()) for w in weights.values()) / sum(w.numel() for w in weights.values())


def histogram(weight: Tensor) -> Tensor:
    """Return how many weights there are in each of BINS parts of [-m, m], m the largest; then m, (BINS + 1)."""
    values = weight.detach().float().cpu().flatten()
    largest = float(values.abs().max())
    return torch.cat([torch.histc(values, BINS, -largest, largest), torch.tensor([largest])])


def packed(weights: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what pictures need: places and values of the weights that are left, and the histograms before."""
    content: dict[str, Tensor] = {}
    for layer, weight in weights.items():
        flat = weight.detach().cpu().contiguous().flatten()
        places = flat.nonzero()[:, 0]
        content |= {f"{layer}.places": places.int(), f"{layer}.values": flat[places].half()}
        content |= {f"{layer}.shape": torch.tensor(weight.shape), f"{layer}.before": before[layer]}
    return content
