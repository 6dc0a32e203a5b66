"""GRU: one layer over a sequence, `Fused` and both forms as a loop, beside torch.nn.GRU (cuDNN on a GPU)."""

from functools import partial
from itertools import product

from dmbench.layers.gru import GRU
from dmbench.peers.gru import PEERS

from ._common import PASSES, with_peers
from ._recurrent import SIZES, _Sequence


class Layer(_Sequence):
    """Inference, and the gradients of the input and all weights."""

    layers = with_peers(GRU, PEERS, "gru") | {
        "dmbench, loop": partial(GRU, fused=False),
        "dmbench, reset before": partial(GRU, reset_after=False),
    }
    own = ("dmbench, loop", "dmbench, reset before")
    params = (list(SIZES), list(PASSES), list(layers), ["cpu", "cuda"])
    headline = tuple(product(SIZES, PASSES))
