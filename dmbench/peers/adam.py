"""Adam by torch."""

from torch.optim import Adam as torch_optim

PEERS = {"torch.optim": {"adam": torch_optim}}
