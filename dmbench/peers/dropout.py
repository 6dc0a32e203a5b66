"""Dropout by torch, and by torch.compile of ours."""

from torch.nn.functional import dropout as torch_nn

from dmbench.layers.dropout import dropout
from dmbench.peers._compiled import compiled as _compiled

compiled = _compiled(dropout)

PEERS = {"torch.nn": {"dropout": torch_nn}, "torch.compile": {"dropout": compiled}}
