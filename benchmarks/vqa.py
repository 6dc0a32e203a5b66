"""Visual question answering at the paper's sizes: inference and one step's gradients, and the metric.

Sizes: Antol et al. (2015), section 4.2: two layers of 512 units, 4,096 features, 1,000 answers; questions of 4 to 10
words, as most of VQA's; batch 64 instead of the authors' script's 500, so that a run stays short. Beside ours the same
network with torch's LSTM. The metric scores 10,000 answers, against ten people's each.
"""

import torch
from torch import nn

from dmbench.metrics.vqa_accuracy import accuracies
from dmbench.models.vqa import VQA
from dmbench.peers.vqa import PEERS

from ._common import PASSES, _Measured, device_or_skip, with_peers

WORDS, ANSWERS, FEATURES = 10_000, 1_000, 4_096
BATCH, LENGTHS = 64, (4, 10)
NETS = with_peers(VQA, PEERS, "vqa")


class _Answers(nn.Module):
    """The scores of one batch's questions, as a function of the pictures."""

    def __init__(self, net: nn.Module, device: torch.device) -> None:
        super().__init__()
        self.net = net
        self.words = torch.randint(WORDS, (BATCH, LENGTHS[1]), device=device)
        self.lengths = torch.randint(LENGTHS[0], LENGTHS[1] + 1, (BATCH,), device=device)

    def forward(self, features):
        return self.net(self.words, self.lengths, features)


class Answering(_Measured):
    """In training mode, with dropout."""

    params = (list(PASSES), list(NETS), ["cpu", "cuda"])
    param_names = ("pass", "implementation", "device")
    headline = (("forward+backward",),)

    def setup(self, passes, implementation, device):
        self.device = device_or_skip(device)
        net = _Answers(NETS[implementation](WORDS, ANSWERS, features=FEATURES).to(self.device), self.device)
        self.run = PASSES[passes](net, torch.rand(BATCH, FEATURES, device=self.device))


class Scoring(_Measured):
    """The accuracy of answers, text by text."""

    params = (["dmbench"], ["cpu"])
    param_names = ("implementation", "device")

    def setup(self, implementation, device):
        self.device = device_or_skip(device)
        people = [
            ["yes", "Yes.", "a dog", "2", "two", "no", "no", "dont know", "t-shirt", f"{i}"] for i in range(10_000)
        ]
        answers = [f"the {i % 7}" for i in range(10_000)]
        self.run = lambda: accuracies(answers, people, ["other"] * 10_000)
