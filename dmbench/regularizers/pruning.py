"""Magnitude pruning: train, cut the smallest weights, train what is left, and again.

Source: Han, Pool, Tran and Dally (2015), Learning both Weights and Connections for Efficient Neural Networks,
arXiv:1506.02626, sections 3 and 4. A weight that is cut stays zero for good: its mask works after every update, against
momentum and weight decay too. Symbols: D dropout rate, C connections of a layer; o before pruning, r in retraining.

Shapes: a mask has its weight's, bool, True where the weight is kept.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle


def by_ratio(weight: Tensor, ratio: float, mask: Tensor | None = None) -> Tensor:
    """Return a mask without the smallest of a layer's weights.

    Args:
        weight: any shape, floating point.
        ratio: of all its weights to cut, those that `mask` cut before included, 0 or more and below 1; rounded to a
            whole number of weights.
        mask: of an earlier round; what it cut stays cut. Of equal weights the first are cut first.

    Raises: ValueError: the ratio is out of range or leaves no weight, or a weight is not finite.
    """
    if not 0 <= ratio < 1:
        raise ValueError(f"the pruning ratio must be at least 0 and below 1, at which nothing is left: {ratio}")
    cut = round(ratio * weight.numel())
    if cut == weight.numel():
        raise ValueError(f"a pruning ratio of {ratio} leaves none of {cut} weights: cut less")
    order = _magnitudes(weight, mask).flatten().argsort(stable=True)
    kept = torch.ones(weight.numel(), dtype=torch.bool, device=weight.device)
    kept[order[:cut]] = False
    return kept.view(weight.shape) if mask is None else kept.view(weight.shape) & mask


def by_quality(weight: Tensor, quality: float, mask: Tensor | None = None) -> Tensor:
    """Return a mask without the weights below `threshold(weight, quality, mask)`; arguments and errors as there."""
    limit = threshold(weight, quality, mask)
    kept = _magnitudes(weight, mask) >= limit
    if mask is not None:
        kept &= mask  # a limit of 0 would bring back all that is cut
    if not bool(kept.any()):
        raise ValueError(f"a quality of {quality}, a threshold of {limit:g}, leaves no weight: lower it")
    return kept


def threshold(weight: Tensor, quality: float, mask: Tensor | None = None) -> float:
    """Return the quality parameter times the standard deviation of a layer's weights (section 4).

    quality: 0 or more. mask: of an earlier round; the deviation is of the weights that are left.
    Raises: ValueError: quality is negative or not finite, or a weight is not finite.
    """
    if not 0 <= quality < math.inf:
        raise ValueError(f"quality, in standard deviations, must be 0 or more, and finite: {quality}")
    _magnitudes(weight, mask)
    left = weight.detach() if mask is None else weight.detach()[mask]
    return quality * float(left.std(correction=0))


class Pruner:
    """Cuts weights of a network, and holds them at zero while it is trained on.

        pruner = Pruner({"fc1": net.fc1.weight, "fc2": net.fc2.weight})
        pruner.prune(ratios={"fc1": 0.92, "fc2": 0.91})
        pruner.hold(optimiser)      # once for each optimiser

    weights: by name. They are changed in place.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        if not weights:
            raise ValueError("need at least one weight to prune: none given")
        self.weights = dict(weights)
        self.masks = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights.items()}

    def prune(
        self, ratios: Mapping[str, float] | None = None, qualities: Mapping[str, float] | None = None
    ) -> dict[str, float]:
        """Cut by `by_ratio` or `by_quality`, weights that are not named not at all; return the density by name.

        Nothing is cut unless everything can be. Raises: ValueError: an unknown name, one in both, or as these two.
        """
        ratios, qualities = ratios or {}, qualities or {}
        for name in (*ratios, *qualities):
            if name not in self.weights or (name in ratios and name in qualities):
                raise ValueError(f"name one of {', '.join(self.weights)}, by ratio or by quality: {name}")
        masks = {name: by_ratio(self.weights[name], one, self.masks[name]) for name, one in ratios.items()}
        masks |= {name: by_quality(self.weights[name], one, self.masks[name]) for name, one in qualities.items()}
        self.masks |= masks
        self.apply()
        return self.density()

    @torch.no_grad()
    def apply(self) -> None:
        """Set to zero what is cut."""
        for name, weight in self.weights.items():
            weight.mul_(self.masks[name])

    def hold(self, optimiser: torch.optim.Optimizer) -> tuple[RemovableHandle, RemovableHandle]:
        """Keep what is cut at zero whenever this optimiser updates; return what takes that back by `remove()`.

        Before an update its gradients are cut as well, so that they add to no norm and no running mean; after it the
        weights are, since momentum from before, or weight decay, may have moved them.
        """

        def before(*_: object) -> None:
            for name, weight in self.weights.items():
                if weight.grad is not None:
                    weight.grad.mul_(self.masks[name])

        def after(*_: object) -> None:
            self.apply()

        return optimiser.register_step_pre_hook(before), optimiser.register_step_post_hook(after)

    def density(self) -> dict[str, float]:
        """Return the share of weights that are kept, by name."""
        return {name: float(mask.double().mean()) for name, mask in self.masks.items()}

    def compression(self) -> float:
        """Return how many times fewer weights there are than at first, biases left out."""
        kept = sum(int(mask.sum()) for mask in self.masks.values())
        return sum(mask.numel() for mask in self.masks.values()) / kept


def dropout_after(rate: float, before: float, after: float) -> float:
    """Return the dropout rate for retraining, D_r = D_o sqrt(C_r / C_o) (Eq. 2).

    rate: D_o, 0 or more and below 1. before, after: C_o and C_r, above 0, C_r at most C_o.
    """
    if not 0 <= rate < 1:
        raise ValueError(f"a dropout rate must be at least 0 and below 1: {rate}")
    if not 0 < after <= before:
        raise ValueError(f"need connections after pruning, above 0 and at most those before: {after}, {before}")
    return rate * math.sqrt(after / before)


def without_dead(incoming: Tensor, outgoing: Tensor) -> tuple[Tensor, Tensor]:
    """Cut all connections of neurons that have none on one side (section 3.5).

    incoming: (H, I), the mask of the layer that the H neurons are the outputs of. outgoing: (O, H), of the next one.
    """
    if incoming.ndim != 2 or outgoing.ndim != 2 or len(incoming) != outgoing.shape[1]:
        raise ValueError(f"need masks (H, I) and (O, H): {tuple(incoming.shape)}, {tuple(outgoing.shape)}")
    alive = incoming.any(1) & outgoing.any(0)
    return incoming & alive[:, None], outgoing & alive


def _magnitudes(weight: Tensor, mask: Tensor | None) -> Tensor:
    """Return absolute values, -1 where a weight is cut already, so that it goes first."""
    if mask is not None and (mask.shape != weight.shape or mask.dtype != torch.bool):
        raise ValueError(f"need a mask of bool {tuple(weight.shape)}: {mask.dtype} {tuple(mask.shape)}")
    sizes = weight.detach().abs()
    if not bool(torch.isfinite(sizes).all()):
        raise ValueError(f"a weight of shape {tuple(weight.shape)} is not finite: there is nothing to order")
    return sizes if mask is None else torch.where(mask, sizes, -1)
