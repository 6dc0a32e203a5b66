"""Show and Tell at the authors' sizes: one step's gradients of captions, and captioning by beam search.

Sizes: im2txt (Shallue and Vinyals), 2,048 features, 12,000 words, 512 units, batch 32, captions of 12 symbols, about
COCO's mean; beam search with the paper's 20 beams and greedily. The CNN is left out. Beside ours the same network with
torch's LSTM.
"""

import torch
from torch import Tensor, nn

from dmbench.models.captioner import Captioner, describe, nats
from dmbench.peers.captioner import PEERS

from ._common import PASSES, _Measured, device_or_skip, with_peers

FEATURES, WORDS, UNITS = 2048, 12_000, 512
BATCH, LENGTH = 32, 12
START, END = 1, 2


def _ours(features, words):
    return Captioner(nn.Identity(), features, words, embedding=UNITS, hidden=UNITS)


NETS = with_peers(_ours, PEERS, "captioner")


class _Loss(nn.Module):
    """The mean negative log-likelihood of one batch's captions, as a function of the features."""

    def __init__(self, net: nn.Module, words: Tensor) -> None:
        super().__init__()
        self.net, self.words = net, words
        self.lengths = torch.full((len(words),), words.shape[1], device=words.device)

    def forward(self, features: Tensor) -> Tensor:
        return nats(self.net(features, self.words[:, :-1]), self.words, self.lengths).mean()


class Captioning(_Measured):
    """Log-likelihood of a batch of captions, also with its gradients: captions per second are 32 over the seconds."""

    params = (list(PASSES), list(NETS), ["cpu", "cuda"])
    param_names = ("pass", "implementation", "device")
    headline = (("forward+backward",),)

    def setup(self, passes, implementation, device):
        self.device = device_or_skip(device)
        net = NETS[implementation](FEATURES, WORDS).to(self.device)
        words = torch.randint(3, WORDS, (BATCH, LENGTH), device=self.device)
        self.run = PASSES[passes](_Loss(net, words), torch.rand(BATCH, FEATURES, device=self.device))


class Searching(_Measured):
    """Captions of two pictures, of 12 words each: none may end earlier."""

    params = ([1, 20], list(NETS), ["cpu", "cuda"])
    param_names = ("beams", "implementation", "device")
    headline = ((20,),)

    def setup(self, beams, implementation, device):
        self.device = device_or_skip(device)
        net = NETS[implementation](FEATURES, WORDS).to(self.device).eval()
        with torch.no_grad():
            net.scores.bias[END] = -torch.inf
        features = torch.rand(2, FEATURES, device=self.device)
        self.run = lambda: describe(net, features, START, END, beams=beams, limit=12)
