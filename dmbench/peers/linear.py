"""The fully connected layer by torch (MKL or cuBLAS behind it), and by torch.compile of ours."""

from torch.nn.functional import linear as torch_nn

from dmbench.layers.linear import linear
from dmbench.peers._compiled import compiled as _compiled

compiled = _compiled(linear)

PEERS = {"torch.nn": {"linear": torch_nn}, "torch.compile": {"linear": compiled}}
