"""Pruning by torch."""

from torch import Tensor, nn
from torch.nn.utils.prune import l1_unstructured


def torch_nn(weight: Tensor, ratio: float) -> Tensor:
    """Cut by torch.nn.utils.prune.l1_unstructured."""
    layer = nn.Module()
    layer.register_parameter("weight", nn.Parameter(weight.detach()))
    l1_unstructured(layer, "weight", amount=float(ratio))  # type: ignore[no-untyped-call]
    return layer.get_buffer("weight_mask").bool()


PEERS = {"torch.nn": {"mask": torch_nn}}
