"""Local response normalisation by torch. torchvision's googlenet is another network: batch norm, no 5 x 5 filters."""

from torch import Tensor
from torch.nn.functional import local_response_norm

from dmbench.models.googlenet import ALPHA


def torch_nn(x: Tensor) -> Tensor:
    """Normalise as torch.nn.functional.local_response_norm does, with Caffe's constants."""
    return local_response_norm(x, 5, alpha=ALPHA, beta=0.75, k=1.0)


PEERS = {"torch.nn": {"normalisation": torch_nn}}
