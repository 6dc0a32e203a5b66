"""Small random numbers by torch."""

from torch import Tensor
from torch.nn.init import normal_


def torch_nn_init(weight: Tensor, std: float = 0.01) -> Tensor:
    """Fill by torch.nn.init.normal_."""
    return normal_(weight, std=std)


PEERS = {"torch.nn.init": {"small_random": torch_nn_init}}
