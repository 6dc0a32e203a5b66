"""Vanilla RNN: one layer over a sequence, beside torch.nn.RNN (cuDNN on a GPU)."""

from torch import nn

from dmbench.layers.rnn import RNN

from ._common import PASSES
from ._recurrent import SIZES, _Sequence


class Layer(_Sequence):
    """Inference, and the gradients of the input and all weights."""

    layers = {"dmbench": RNN, "torch.nn": nn.RNN}  # noqa: RUF012
    params = (list(SIZES), list(PASSES), list(layers), ["cpu", "cuda"])
