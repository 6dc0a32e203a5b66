"""LBFGS by torch."""

from torch.optim import LBFGS as torch_optim

PEERS = {"torch.optim": {"lbfgs": torch_optim}}
