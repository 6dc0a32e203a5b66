"""He's initialisation by torch, where it is called Kaiming's."""

from torch.nn.init import kaiming_normal_

PEERS = {"torch.nn.init": {"he_normal": kaiming_normal_}}
