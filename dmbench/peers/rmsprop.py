"""RMSprop by torch."""

from torch.optim import RMSprop as torch_optim

PEERS = {"torch.optim": {"rmsprop": torch_optim}}
