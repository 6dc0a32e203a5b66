"""Character-level language models: a vanilla RNN, an LSTM or a GRU that reads symbols and predicts the next one.

Sources: Karpathy, Johnson and Li (2015), Visualizing and understanding recurrent networks, arXiv:1506.02078, section 3;
temperature and the elementwise bound on gradients as in Karpathy's char-rnn. Per layer l, x the layer below (one-hot
symbols at the bottom), the equations of `layers.rnn`, `layers.lstm` and `layers.gru`, there with the reset before the
product, as the paper has it. The top layer's h_t becomes scores of the symbol at t + 1.

Shapes: T time steps, B streams side by side, V symbols, H units a layer; symbols (T, B), int64; scores (T, B, V).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from dmbench.datasets.text import chunks
from dmbench.layers.dropout import dropout
from dmbench.layers.gru import GRU
from dmbench.layers.lstm import LSTM
from dmbench.layers.rnn import RNN, detached

UNITS: dict[str, Callable[[int, int], nn.Module]] = {"rnn": RNN, "lstm": LSTM, "gru": partial(GRU, reset_after=False)}
REACH = 0.08  # of the uniform initial weights, section 4.2


class CharRNN(nn.Module):
    """Recurrent layers on one-hot symbols, and a linear layer to the scores of the next symbol.

    Args:
        symbols, hidden, layers: V, H and how many layers, at least 1 each.
        unit: "rnn" (tanh), "lstm" or "gru".
        dropout: the probability of dropping what goes from a layer to the one above or to the scores, in [0, 1).
        reach: all weights and biases begin uniform within it.

    Raises:
        ValueError: a size is below 1, dropout is out of range, or there is no such unit.
    """

    def __init__(
        self,
        symbols: int,
        hidden: int = 128,
        layers: int = 1,
        unit: str = "lstm",
        dropout: float = 0.0,
        reach: float = REACH,
    ) -> None:
        super().__init__()
        if min(symbols, hidden, layers) < 1:
            raise ValueError(f"need symbols, hidden and layers of at least 1: {symbols}, {hidden}, {layers}")
        if unit not in UNITS:
            raise ValueError(f"unit must be one of {', '.join(UNITS)}: {unit}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1: {dropout}")
        self.symbols, self.dropout = symbols, dropout
        self.layers = nn.ModuleList(UNITS[unit](hidden if above else symbols, hidden) for above in range(layers))
        self.scores = nn.Linear(hidden, symbols)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-reach, reach)

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Read symbols and score the next ones.

        Args:
            x: (T, B), int64. state: what an earlier call returned for the symbols before; None: zeros.

        Returns:
            scores (T, B, V) and the state after the last symbol: one a layer.

        Raises:
            ValueError: x is empty or of another shape, or the state fits neither the layers nor B.
            IndexError: there is no such symbol. TypeError: x is not int64.
        """
        states = self._checked(x, state)
        after = []
        h = x
        for layer, before in zip(self.layers, states, strict=True):
            h, last = layer(h, before)
            after.append(last)
            if self.training and self.dropout:
                h = dropout(h, self.dropout)
        return self.scores(h), tuple(after)

    def _checked(self, x: Tensor, state: Any) -> Any:
        if x.dtype != torch.int64:
            raise TypeError(f"symbols must be int64: {x.dtype}")
        if x.ndim != 2 or x.numel() == 0:
            raise ValueError(f"need symbols of shape (T, B), at least one: {tuple(x.shape)}")
        if state is None:
            return (None,) * len(self.layers)
        if len(state) != len(self.layers):
            raise ValueError(f"the state is of {len(state)} layers, the network has {len(self.layers)}")
        return state


def cut(state: Any) -> Any:
    """Return a network's state cut off from the graph, so that gradients end there (truncated backpropagation)."""
    return tuple(detached(one) for one in state)


def loss_of(net: nn.Module, x: Tensor, targets: Tensor, state: Any = None) -> tuple[Tensor, Any]:
    """Return the mean cross-entropy of the targets, nats a symbol, and the state after, cut off from the graph.

    Args:
        net: a CharRNN, or what is called as one. x, targets: (T, B). state: carried from the symbols before, or None.

    Raises:
        ValueError: the shapes differ.
    """
    if x.shape != targets.shape:
        raise ValueError(f"need as many targets as symbols: {tuple(targets.shape)}, {tuple(x.shape)}")
    scores, state = net(x, state)
    return cross_entropy(scores.flatten(0, 1), targets.flatten()), cut(state)


@torch.no_grad()
def nats(net: nn.Module, part: Tensor, steps: int = 100) -> float:
    """Return the mean cross-entropy of a part, nats a symbol; e to it is the perplexity.

    The state is zero at the first row, and carried over all the others.

    Args:
        part: (T + 1, B); row t + 1 is the target of row t. steps: so many at a time, which changes no value.

    Raises:
        ValueError: the part has no target, or steps is not positive.
    """
    training = net.training
    net.eval()
    total, state = torch.zeros((), dtype=torch.float64, device=part.device), None
    for x, targets in chunks(part, steps):
        loss, state = loss_of(net, x, targets, state)
        total += loss.double() * targets.numel()
    net.train(training)
    return float(total) / part[1:].numel()


@torch.no_grad()
def sample(
    net: nn.Module, prime: Tensor, length: int, temperature: float = 1.0, generator: torch.Generator | None = None
) -> Tensor:
    """Let the network write: each symbol is drawn from softmax(scores / temperature) and read as the next.

    Args:
        prime: (T, B), what is read before. length: symbols to write, at least 1.
        temperature: at least 0. 0 takes the likeliest symbol; 1 the network's own distribution; inf all symbols alike.
        generator: on the device of the network; None: torch's own.

    Returns:
        (length, B), without the prime.

    Raises:
        ValueError: a length below 1, a temperature below 0 or NaN, or an empty prime.
        FloatingPointError: scores are not finite, as after a training that diverged.
    """
    if length < 1:
        raise ValueError(f"need a length of at least 1: {length}")
    training = net.training
    net.eval()
    x, state, written = prime, None, []
    for _ in range(length):
        scores, state = net(x, state)
        if not torch.isfinite(scores[-1]).all():
            raise FloatingPointError("scores are not finite: the network's weights are spoilt, nothing can be drawn")
        x = torch.multinomial(tempered(scores[-1], temperature), 1, generator=generator).T
        written.append(x)
    net.train(training)
    return torch.cat(written)


def tempered(scores: Tensor, temperature: float) -> Tensor:
    """Return softmax(scores / temperature), (..., V); at 0 all of it is the best score's, at inf all symbols are alike.

    Raises: ValueError: the temperature is below 0 or NaN.
    """
    if not temperature >= 0:
        raise ValueError(f"need a temperature of at least 0: {temperature}")
    if temperature == 0:
        return one_hot(scores.argmax(-1), scores.shape[-1]).to(scores.dtype)
    # The best score becomes 0, so that dividing by a small temperature overflows nowhere but to -inf.
    return ((scores - scores.amax(-1, keepdim=True)) / temperature).softmax(-1)
