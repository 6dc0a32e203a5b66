"""Convolution by torch (oneDNN or cuDNN behind it), and by torch.compile of ours."""

from torch.nn.functional import conv2d as torch_nn

from dmbench.layers.conv2d import conv2d
from dmbench.peers._compiled import compiled as _compiled

compiled = _compiled(conv2d)

PEERS = {"torch.nn": {"conv2d": torch_nn}, "torch.compile": {"conv2d": compiled}}
