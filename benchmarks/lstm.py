"""LSTM: one layer over a sequence, `Fused` and the equations as a loop, beside torch.nn.LSTM (oneDNN or cuDNN)."""

from functools import partial
from itertools import product

from dmbench.layers.lstm import LSTM
from dmbench.peers.lstm import PEERS

from ._common import PASSES, with_peers
from ._recurrent import SIZES, _Sequence


class Layer(_Sequence):
    """Inference, and the gradients of the input and all weights."""

    layers = with_peers(LSTM, PEERS, "lstm") | {"dmbench, loop": partial(LSTM, fused=False)}
    own = ("dmbench, loop",)
    params = (list(SIZES), list(PASSES), list(layers), ["cpu", "cuda"])
    headline = tuple(product(SIZES, PASSES))
