"""A character model of torch.nn's layers (oneDNN or cuDNN behind them), which read one-hot rows."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, one_hot

from dmbench.models.char_rnn import REACH

LAYERS: dict[str, Any] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class TorchCharRNN(nn.Module):
    """As CharRNN; its GRU resets after the product, which is cuDNN's form and not the paper's."""

    def __init__(
        self, symbols: int, hidden: int = 128, layers: int = 1, unit: str = "lstm", dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.symbols, self.dropout = symbols, dropout
        self.layers = nn.ModuleList(LAYERS[unit](hidden if above else symbols, hidden) for above in range(layers))
        self.scores = nn.Linear(hidden, symbols)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-REACH, REACH)

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Read symbols (T, B); return scores (T, B, V) and the states after."""
        h = one_hot(x, self.symbols).to(self.scores.weight.dtype)
        after = []
        for layer, before in zip(self.layers, state or (None,) * len(self.layers), strict=True):
            h, last = layer(h, before)
            after.append(last)
            h = dropout(h, self.dropout, self.training)
        return self.scores(h), tuple(after)


PEERS = {"torch.nn": {"net": TorchCharRNN}}
