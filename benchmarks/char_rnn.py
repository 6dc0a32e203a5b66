"""Character models of 87 symbols: a training chunk as the paper's (100 streams by 100 time steps), and writing.

A chunk is 10,000 characters, and 200 are written of each text: over the seconds, that is characters a second.
"""

import torch

from dmbench.models.char_rnn import CharRNN, loss_of, sample
from dmbench.peers.char_rnn import PEERS

from ._common import _Measured, device_or_skip, with_peers

SYMBOLS = 87
NETS = with_peers(CharRNN, PEERS, "net")
UNITS = ["rnn 1x128", "lstm 1x128", "gru 1x128", "lstm 2x512"]


def _net(name, implementation, device):
    unit, size = name.split()
    layers, hidden = size.split("x")
    return NETS[implementation](SYMBOLS, int(hidden), int(layers), unit).to(device)


class Train(_Measured):
    """Loss and gradients of one chunk after a carried state; the optimiser is a suite of its own."""

    params = (UNITS, list(NETS), ["cpu", "cuda"])
    param_names = ("network", "implementation", "device")
    headline = (("lstm 1x128",),)

    def setup(self, network, implementation, device):
        self.device = device_or_skip(device)
        net = _net(network, implementation, self.device)
        rows = torch.randint(0, SYMBOLS, (101, 100), device=self.device)
        weights = list(net.parameters())
        with torch.no_grad():
            _, state = loss_of(net, rows[:-1], rows[1:])
        self.run = lambda: torch.autograd.grad(loss_of(net, rows[:-1], rows[1:], state)[0], weights)


class Sample(_Measured):
    """200 characters, of one text and of 64 at once."""

    params = (["lstm 1x128", "gru 1x128"], [1, 64], list(NETS), ["cpu", "cuda"])
    param_names = ("network", "texts", "implementation", "device")
    headline = (("lstm 1x128", 1),)

    def setup(self, network, texts, implementation, device):
        self.device = device_or_skip(device)
        net = _net(network, implementation, self.device)
        prime = torch.randint(0, SYMBOLS, (10, texts), device=self.device)
        self.run = lambda: sample(net, prime, 200)
