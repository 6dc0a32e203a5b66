"""Search spaces: what draws, mutations and lists of neighbours cost; what networks of printed points do."""

import torch

from dmbench.nas.space import chain, darts, figure_7, layer_chain, nas_bench_201, recurrent_tree

from ._common import PASSES, _Measured, device_or_skip

SPACES = {
    "nas-bench-201": nas_bench_201,
    "chain of 15": chain,
    "tree of base 8": recurrent_tree,
    "darts": darts,
    "layer chain": lambda: layer_chain(4, 16),
}
CALLS = {
    "sample": lambda space, point, random: space.sample(random),
    "mutate": lambda space, point, random: space.mutate(point, random),
    "neighbours": lambda space, point, random: space.neighbours(point),
    "encode": lambda space, point, random: space.encode(point),
}


class Points(_Measured):
    """20 calls each."""

    headline = (("nas-bench-201", "sample"), ("nas-bench-201", "mutate"))
    params = (list(SPACES), list(CALLS), ["dmbench"], ["cpu"])
    param_names = ("space", "call", "implementation", "device")

    def setup(self, space, call, implementation, device):
        self.device = device_or_skip(device)
        made, random = SPACES[space](), torch.Generator().manual_seed(0)
        point, run = made.sample(random), CALLS[call]
        self.run = lambda: [run(made, point, random) for _ in range(20)]


class Networks(_Measured):
    """A batch of two 32 x 32 pictures."""

    headline = (("nas-bench-201", "forward"),)
    params = (["nas-bench-201", "figure 7"], list(PASSES), ["dmbench"], ["cpu", "cuda"])
    param_names = ("network", "pass", "implementation", "device")

    def setup(self, network, direction, implementation, device):
        self.device = device_or_skip(device)
        net = nas_bench_201().build((3,) * 6) if network == "nas-bench-201" else chain().build(figure_7())
        self.run = PASSES[direction](net.to(self.device), torch.randn(2, 3, 32, 32, device=self.device))
