"""Adagrad by torch."""

from torch.optim import Adagrad as torch_optim

PEERS = {"torch.optim": {"adagrad": torch_optim}}
