"""SELU by torch, and by torch.compile of ours."""

from torch.nn.functional import alpha_dropout as torch_nn_alpha_dropout
from torch.nn.functional import selu as torch_nn

from dmbench.layers.selu import selu
from dmbench.peers._compiled import compiled as _compiled

compiled = _compiled(selu)

PEERS = {"torch.nn": {"selu": torch_nn, "alpha_dropout": torch_nn_alpha_dropout}, "torch.compile": {"selu": compiled}}
