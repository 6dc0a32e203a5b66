"""SGD by torch."""

from torch.optim import SGD as torch_optim

PEERS = {"torch.optim": {"sgd": torch_optim}}
