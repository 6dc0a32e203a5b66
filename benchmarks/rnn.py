"""Vanilla RNN: one layer over a sequence, beside torch.nn.RNN (cuDNN on a GPU)."""

from dmbench.layers.rnn import RNN
from dmbench.peers.rnn import PEERS

from ._common import PASSES, with_peers
from ._recurrent import SIZES, _Sequence


class Layer(_Sequence):
    """Inference, and the gradients of the input and all weights."""

    layers = with_peers(RNN, PEERS, "rnn")
    params = (list(SIZES), list(PASSES), list(layers), ["cpu", "cuda"])
