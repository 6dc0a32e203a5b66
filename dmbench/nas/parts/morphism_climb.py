"""Hill climbing over trained networks: children by random morphisms, each trained a little; the best is the parent.

Source: Elsken, Metzen and Hutter (2018), Simple And Efficient Architecture Search for Convolutional Neural Networks,
arXiv:1711.04528, Algorithm 1: of a round's `children` networks the last is the parent itself, trained on like the
others; each other one is the parent after `morphisms` random morphisms. The best of them by validation accuracy is the
next parent, with its weights.

Differs from the paper: 1. Morphisms are those of `Growth`: no skip connections. 2. A child whose training diverged,
NaN, loses; where all do, the parent stays.
"""

import copy
import math
from collections.abc import Callable
from typing import Any

import torch

from dmbench.nas.network_morphism import Chain, Layer

Morph = Callable[[Chain, torch.Generator | None], Chain]


class MorphismClimb:
    """Propose networks to train on, which have their weights; be told what each reached.

    Args:
        first: the network to begin with, to be trained from scratch: it is proposed first.
        morph: returns a grown network, and leaves what it is given as it is.
        children, morphisms: of a round, and of a child.

    Raises: ValueError: no child, or no morphism.
    """

    def __init__(
        self,
        first: Chain,
        morph: Morph,
        generator: torch.Generator | None = None,
        *,
        children: int = 8,
        morphisms: int = 5,
    ) -> None:
        if children < 1 or morphisms < 1:
            raise ValueError(f"need a child and a morphism: {children}, {morphisms}")
        self.parent, self.morph, self.generator = first, morph, generator
        self.children, self.morphisms = children, morphisms
        self.best: Chain | None = None  # of this round
        self.highest = -math.inf
        self.told = -1  # of this round; -1: the first network is not known yet

    def ask(self) -> Chain:
        """Propose a network; it is a copy, and may be trained in place."""
        net = copy.deepcopy(self.parent)
        if 0 <= self.told < self.children - 1:
            for _ in range(self.morphisms):
                net = self.morph(net, self.generator)
        return net

    def tell(self, net: Chain, accuracy: float) -> None:
        """Learn what the network that was proposed last reached, once trained; NaN where it diverged."""
        if accuracy > self.highest:
            self.best, self.highest = net, accuracy
        self.told += 1
        if self.told == 0 or self.told == self.children:
            # A first network that diverged is kept untrained: its children may do better.
            self.parent = self.best or self.parent
            self.best, self.highest, self.told = None, -math.inf, 0

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to go on."""
        return {
            "parent": _packed(self.parent),
            "best": _packed(self.best) if self.best is not None else None,
            "highest": self.highest,
            "told": self.told,
            "random": self.generator.get_state() if self.generator else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.parent = self._unpacked(state["parent"])
        self.best = self._unpacked(state["best"]) if state["best"] is not None else None
        self.highest, self.told = state["highest"], state["told"]
        if self.generator:
            self.generator.set_state(state["random"])

    def _unpacked(self, packed: dict[str, Any]) -> Chain:
        net = Chain([Layer(*layer) for layer in packed["layers"]], self.parent.classes, self.parent.inputs)
        net.load_state_dict(packed["weights"])
        return net.to(self.parent.classifier.weight).train(self.parent.training)


def _packed(net: Chain) -> dict[str, Any]:
    layers = [(layer.filters, layer.window, layer.pooled) for layer in net.layers]
    return {"layers": layers, "weights": {name: value.clone() for name, value in net.state_dict().items()}}
