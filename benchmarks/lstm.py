"""LSTM: one layer over a sequence, `Fused` and the equations as a loop, beside torch.nn.LSTM (oneDNN or cuDNN)."""

from functools import partial

from torch import nn

from dmbench.layers.lstm import LSTM

from ._common import PASSES
from ._recurrent import SIZES, _Sequence


class Layer(_Sequence):
    """Inference, and the gradients of the input and all weights."""

    layers = {"dmbench": LSTM, "dmbench, loop": partial(LSTM, fused=False), "torch.nn": nn.LSTM}  # noqa: RUF012
    params = (list(SIZES), list(PASSES), list(layers), ["cpu", "cuda"])
