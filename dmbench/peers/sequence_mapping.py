"""Many to many by torch.nn's layers on packed sequences."""

from typing import Any

from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

LAYERS: dict[str, Any] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class TorchManyToMany(nn.Module):
    """As ManyToMany."""

    def __init__(self, unit: str, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.layer = LAYERS[unit](inputs, hidden)
        self.scores = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Map x (T, B, I) to (T, B, O), 0 beyond a sequence's end."""
        packed, _ = self.layer(pack_padded_sequence(x, lengths.cpu(), enforce_sorted=False))
        packed = packed._replace(data=self.scores(packed.data))
        padded: Tensor = pad_packed_sequence(packed, total_length=len(x))[0]
        return padded


PEERS = {"torch.nn": {"many_to_many": TorchManyToMany}}
