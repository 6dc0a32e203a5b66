"""A classifier of MNIST's digits, trained where it is needed: what generated digits are judged by.

Shapes: N digits; images (N, 1, 28, 28), in [0, 1].
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dmbench.experiments._digits_training import Digits
from dmbench.models.lenet import LeNet5Caffe

BATCH = 100


def train_classifier(digits: Digits, updates: int) -> nn.Module:
    """Return Caffe's LeNet-5 after updates of 100 digits drawn by chance, with Adam, whose rate falls to zero."""
    net = LeNet5Caffe().to(digits.images.device)
    optimiser = torch.optim.Adam(net.parameters(), fused=True)
    for update in range(updates):
        for group in optimiser.param_groups:
            group["lr"] = 1e-3 * (1 - update / updates)
        chosen = torch.randint(len(digits.labels), (BATCH,)).to(digits.labels.device)
        optimiser.zero_grad()
        loss: Tensor = cross_entropy(net(digits.images[chosen]), digits.labels[chosen])
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return net.eval()


@torch.no_grad()
def probabilities(net: nn.Module, images: Tensor) -> Tensor:
    """Return the probabilities (N, 10) that a classifier gives to the digits of images."""
    return torch.cat([net(part).softmax(1) for part in torch.split(images, 1000)])
