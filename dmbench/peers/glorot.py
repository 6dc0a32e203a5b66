"""Glorot's initialisation by torch, where it is called Xavier's."""

from torch.nn.init import xavier_normal_, xavier_uniform_

PEERS = {"torch.nn.init": {"glorot_uniform": xavier_uniform_, "glorot_normal": xavier_normal_}}
