"""Softmax and cross-entropy beside torch's, of classifiers' scores; backward gives the gradient of the scores.

Sizes: ImageNet's 1,000 classes in batches of 128 (Krizhevsky et al. 2012, section 5), PASCAL VOC's 21 at every pixel of
two pictures of 256 x 256, MNIST's 10 in batches of 60 (Ioffe and Szegedy 2015, section 4.1).
"""

from functools import partial

import torch
from torch import nn

from dmbench.layers.softmax import cross_entropy, softmax
from dmbench.peers.softmax import PEERS

from ._common import PASSES, _Measured, device_or_skip, with_peers
from ._functions import _Function

SCORES = {"imagenet 128x1000": (128, 1000), "voc 2x21x256x256": (2, 21, 256, 256), "mnist 60x10": (60, 10)}
CROSS_ENTROPY = with_peers(cross_entropy, PEERS, "cross_entropy")
SOFTMAX = with_peers(softmax, PEERS, "softmax")


class CrossEntropy(_Measured):
    """The mean loss of classes drawn at random."""

    params = (list(SCORES), list(PASSES), list(CROSS_ENTROPY), ["cpu", "cuda"])
    param_names = ("scores", "pass", "implementation", "device")

    def setup(self, scores, passes, implementation, device):
        self.device = device_or_skip(device)
        shape = SCORES[scores]
        x = torch.randn(shape, device=self.device, requires_grad=passes != "forward")
        target = torch.randint(shape[1], (shape[0], *shape[2:]), device=self.device)
        net: nn.Module = _Function(partial(CROSS_ENTROPY[implementation], target=target))
        self.run = PASSES[passes](net, x)


class Softmax(_Measured):
    """Probabilities of all classes."""

    params = (list(SCORES), list(PASSES), list(SOFTMAX), ["cpu", "cuda"])
    param_names = ("scores", "pass", "implementation", "device")
    headline = (("imagenet 128x1000", "forward+backward"),)

    def setup(self, scores, passes, implementation, device):
        self.device = device_or_skip(device)
        x = torch.randn(SCORES[scores], device=self.device, requires_grad=passes != "forward")
        self.run = PASSES[passes](_Function(SOFTMAX[implementation], dim=1), x)
