"""Transfer learning: features of one task for another, frozen or fine-tuned, under a new head.

Sources: Yosinski, Clune, Bengio and Lipson (2014), How transferable are features in deep neural networks?,
arXiv:1411.1792 (AnB: n layers of A's network frozen, the rest trained on B; AnB+: all fine-tuned); rates that fall from
layer to layer: Howard and Ruder (2018), arXiv:1801.06146, section 3.2.
"""

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

STEP = 1 / 2.6  # Howard and Ruder's, from one layer to the one below it


class Frozen(nn.Module):
    """Features that no training changes: no gradients, and evaluation mode even where the network around it trains.

    Without the mode, batch normalisation would go on with its running statistics, and dropout would go on dropping.
    Gradients of the input pass through. body: taken as it is, changed in place.
    """

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body.requires_grad_(False).eval()

    def forward(self, x: Tensor) -> Tensor:
        """Return the body's features."""
        return self.body(x)  # type: ignore[no-any-return]

    def train(self, mode: bool = True) -> "Frozen":
        """Set the mode of this module alone."""
        self.training = mode
        return self

    def thaw(self) -> nn.Module:
        """Return the body with gradients, in training mode, to be fine-tuned."""
        return self.body.requires_grad_(True).train()


def replace_head(net: nn.Module, name: str, outputs: int) -> nn.Linear:
    """Put a new nn.Linear, as torch draws it, in the place of one of another number of outputs, and return it.

    name: of the layer, as in named_modules(). outputs: at least 1.
    Raises: ValueError: there is no nn.Linear of this name, or outputs is not positive.
    """
    if outputs < 1:
        raise ValueError(f"a head needs at least one output: {outputs}")
    old = dict(net.named_modules()).get(name) if name else None
    if not isinstance(old, nn.Linear):
        found = [key for key, layer in net.named_modules() if isinstance(layer, nn.Linear) and key]
        raise ValueError(f"no nn.Linear is called {name}; there are: {', '.join(found) or 'none'}")
    where = {"device": old.weight.device, "dtype": old.weight.dtype}
    head = nn.Linear(old.in_features, outputs, bias=old.bias is not None, **where)
    parent, _, last = name.rpartition(".")
    setattr(net.get_submodule(parent), last, head)
    return head


def layered_rates(layers: Sequence[nn.Module], rate: float, step: float = STEP) -> list[dict[str, Any]]:
    """Return parameter groups for an optimiser: the last layer at `rate`, each below it at `step` times the one above.

    Args:
        layers: from the input on. Those without trainable parameters do not count, and a parameter that two of them
            share has the rate of the upper one.
        rate: 0 or more. step: above 0, at most 1.

    Raises: ValueError: a number is out of range, or nothing is trainable.
    """
    if not 0 <= rate < math.inf or not 0 < step <= 1:
        raise ValueError(f"need a rate of 0 or more, and a step above 0 and at most 1: {rate}, {step}")
    groups: list[dict[str, Any]] = []
    seen: set[int] = set()
    for layer in reversed(layers):
        params = [p for p in layer.parameters() if p.requires_grad and id(p) not in seen]
        if params:
            seen |= {id(p) for p in params}
            groups.append({"params": params, "lr": rate * step ** len(groups)})
    if not groups:
        raise ValueError(f"none of {len(layers)} layers has trainable parameters: thaw some")
    return groups[::-1]
