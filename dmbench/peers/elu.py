"""ELU by torch."""

from torch.nn.functional import elu as torch_nn

PEERS = {"torch.nn": {"elu": torch_nn}}
