"""EAS: what its policy costs for a batch of ten networks, each grown by five insertions and four widenings."""

import torch

from dmbench.nas.eas import EAS
from dmbench.nas.network_morphism import Chain, Layer
from dmbench.nas.parts.growth import Growth

from ._common import _Measured, device_or_skip

FIRST = (Layer(4, pooled=True), Layer(4, pooled=True), Layer(4))
GROWTH = Growth(ladder=(4, 8, 16, 32), longest=4)


class Batch(_Measured):
    """Ten networks drawn and grown, told a made-up accuracy, and the policy's step."""

    params = (["dmbench"], ["cpu"])
    param_names = ("implementation", "device")

    def setup(self, implementation, device):
        self.device = device_or_skip(device)
        torch.manual_seed(0)
        search = EAS(Chain(FIRST), GROWTH, torch.Generator().manual_seed(0))
        search.tell(search.ask(), 99.0)  # none is better, so that the same network is grown again

        def run():
            for place in range(search.batch):
                search.tell(search.ask(), 40.0 + place)

        self.run = run
