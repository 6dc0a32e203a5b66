"""Maxout by torch's pooling over neighbouring features, and by torch.compile of ours."""

from torch import Tensor
from torch.nn.functional import max_pool1d

from dmbench.layers.maxout import maxout
from dmbench.peers._compiled import compiled as _compiled

compiled = _compiled(maxout)


def torch_nn(z: Tensor, pieces: int) -> Tensor:
    """Pool the last dimension of z by windows of `pieces`."""
    return max_pool1d(z.unsqueeze(-2), pieces).squeeze(-2)


PEERS = {"torch.nn": {"maxout": torch_nn}, "torch.compile": {"maxout": compiled}}
