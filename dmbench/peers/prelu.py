"""PReLU by torch, and by torch.compile of ours."""

from torch.nn.functional import prelu as torch_nn

from dmbench.layers.prelu import prelu
from dmbench.peers._compiled import compiled as _compiled

compiled = _compiled(prelu)

PEERS = {"torch.nn": {"prelu": torch_nn}, "torch.compile": {"prelu": compiled}}
