"""GRU: one layer over a sequence, `Fused` and both forms as a loop, beside torch.nn.GRU (cuDNN on a GPU)."""

from functools import partial

from torch import nn

from dmbench.layers.gru import GRU

from ._common import PASSES
from ._recurrent import SIZES, _Sequence


class Layer(_Sequence):
    """Inference, and the gradients of the input and all weights."""

    layers = {  # noqa: RUF012
        "dmbench": GRU,
        "dmbench, loop": partial(GRU, fused=False),
        "dmbench, reset before": partial(GRU, reset_after=False),
        "torch.nn": nn.GRU,
    }
    params = (list(SIZES), list(PASSES), list(layers), ["cpu", "cuda"])
