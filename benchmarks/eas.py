"""EAS: what it costs to judge ten networks' transformations, nine each, and the gradient of that."""

import torch

from dmbench.nas.eas import EAS
from dmbench.nas.network_morphism import Chain, Layer
from dmbench.nas.parts.growth import Growth

from ._common import _Measured, device_or_skip

FIRST = (Layer(4, pooled=True), Layer(4, pooled=True), Layer(4))
GROWTH = Growth(ladder=(4, 8, 16, 32), longest=4)


class Batch(_Measured):
    """Log-probabilities of a batch of transformations by the policy, and their gradient."""

    params = (["dmbench"], ["cpu"])
    param_names = ("implementation", "device")

    def setup(self, implementation, device):
        self.device = device_or_skip(device)
        torch.manual_seed(0)
        search = EAS(Chain(FIRST), GROWTH, torch.Generator().manual_seed(0))
        search.tell(search.ask(), 99.0)  # what follows is drawn for the same network
        episodes = []
        for _ in range(search.batch):
            search.ask()
            episodes.append(search.episode)
        weights = list(search.policy.parameters())

        def run():
            logs = torch.stack([search.judge(episode)[0] for episode in episodes])
            torch.autograd.grad(logs.sum(), weights, allow_unused=True)

        self.run = run
