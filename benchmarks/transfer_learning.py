"""One update of Caffe's LeNet-5 with its features frozen, so that no gradient goes below the head, or fine-tuned."""

import torch
from torch.nn.functional import cross_entropy

from dmbench.models.lenet import LeNet5Caffe
from dmbench.regularizers.transfer_learning import Frozen, layered_rates

from ._common import _Measured, device_or_skip


class Update(_Measured):
    """Batch of 64; "fine-tuned" trains all layers at falling rates."""

    stateful = True
    own = ("fine-tuned",)
    params = (["dmbench", "fine-tuned"], ["cpu", "cuda"])
    param_names = ("implementation", "device")

    def setup(self, implementation, device):
        self.device = device_or_skip(device)
        layers = list(LeNet5Caffe().to(self.device))
        if implementation == "dmbench":
            layers = [Frozen(torch.nn.Sequential(*layers[:-1])), layers[-1]]
        net = torch.nn.Sequential(*layers)
        optimiser = torch.optim.SGD(layered_rates(layers, 0.01), 0.01, 0.9)
        images = torch.rand(64, 1, 28, 28, device=self.device)
        labels = torch.randint(10, (64,), device=self.device)

        def run():
            optimiser.zero_grad()
            cross_entropy(net(images), labels).backward()
            optimiser.step()

        self.run = run
