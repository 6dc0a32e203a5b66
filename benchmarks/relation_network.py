"""The relation module at the paper's sizes: pairs as sums of two products, by rows, and as a tensor of pairs.

Sizes: Santoro et al. (2017), arXiv:1706.01427, supplement: bAbI, 20 sentences and layers of 256, 64 questions; and
sort-of-CLEVR, 25 cells and layers of 2000, here with 2 questions on a CPU and the paper's 64 on a GPU. Pairs a second
are 64 x 400, or 625 times the questions, over the time.
"""

from functools import partial
from itertools import product

import torch

from dmbench.models.relation_network import RelationNetwork
from dmbench.peers.relation_network import PEERS

from ._common import PASSES, _Measured, device_or_skip, with_peers

SIZES = {
    "bAbI, 20 objects, g 4 x 256": (64, 20, 52, 32, (256,) * 4, (256, 512), 159),
    "sort-of-CLEVR, 25 objects, g 4 x 2000": (2, 25, 258, 11, (2000,) * 4, (2000, 1000, 500, 100), 10),
}
LARGE = 64  # questions on a GPU


class Pairs(_Measured):
    """Objects and questions to answers, and the gradients of all weights and the objects."""

    modules = with_peers(RelationNetwork, PEERS, "relation") | {
        "dmbench, a row at a time": partial(RelationNetwork, rows=1)
    }
    own = ("dmbench, a row at a time",)
    params = (list(SIZES), list(PASSES), list(modules), ["cpu", "cuda"])
    param_names = ("size", "pass", "implementation", "device")
    headline = tuple(product(SIZES, PASSES))

    def setup(self, size, passes, implementation, device):
        self.device = device_or_skip(device)
        count, objects, width, asked, g, f, outputs = SIZES[size]
        count = LARGE if self.device.type == "cuda" else count
        net = self.modules[implementation](width, asked, g=g, f=f, outputs=outputs).to(self.device)
        question = torch.randn(count, asked, device=self.device)
        given = torch.randn(count, objects, width, device=self.device, requires_grad=True)
        net_of_question = _Asked(net, question)
        self.run = PASSES[passes](net_of_question, given)


class _Asked(torch.nn.Module):
    """A network whose question is fixed, as a function of the objects."""

    def __init__(self, net, question):
        super().__init__()
        self.net, self.question = net, question

    def forward(self, objects):
        return self.net(objects, self.question)
