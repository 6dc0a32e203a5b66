"""Pooling by torch, and by torch.compile of ours."""

from torch.nn.functional import avg_pool2d, max_pool2d

from dmbench.layers import pooling
from dmbench.peers._compiled import compiled

compiled_max_pool2d = compiled(pooling.max_pool2d)
compiled_avg_pool2d = compiled(pooling.avg_pool2d)

PEERS = {
    "torch.nn": {"max_pool2d": max_pool2d, "avg_pool2d": avg_pool2d},
    "torch.compile": {"max_pool2d": compiled_max_pool2d, "avg_pool2d": compiled_avg_pool2d},
}
