"""One update's loss and gradients of the maxout network, plainly and adversarially.

Size: Goodfellow, Shlens and Szegedy (2015), section 6, on the network of Goodfellow et al. (2013): two layers of 240
units with 5 pieces, batch 100.
"""

import torch
from torch.nn.functional import cross_entropy

from dmbench.models.maxout_mlp import MaxoutMLP
from dmbench.regularizers.adversarial_training import adversarial_loss, fast_gradient_sign

from ._common import _Measured, device_or_skip


class AdversarialTraining(_Measured):
    """ "attack": the examples alone; "plain" and "adversarial": loss and gradients of all parameters."""

    params = (["attack", "plain", "adversarial"], ["dmbench"], ["cpu", "cuda"])
    param_names = ("what", "implementation", "device")

    def setup(self, what, implementation, device):
        self.device = device_or_skip(device)
        net = MaxoutMLP().to(self.device)
        images, labels = torch.rand(100, 784, device=self.device), torch.arange(100, device=self.device) % 10
        weights = list(net.parameters())

        def loss(x):
            return cross_entropy(net(x), labels)

        self.run = {
            "attack": lambda: fast_gradient_sign(loss, images),
            "plain": lambda: torch.autograd.grad(loss(images), weights),
            "adversarial": lambda: torch.autograd.grad(adversarial_loss(loss, images), weights),
        }[what]
