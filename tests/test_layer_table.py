"""The table of a network's layers: counted by hand, and the longest way where branches differ."""

import torch
from torch import nn

from dmbench.experiments._layer_table import depth, layers, multiply_adds, outputs, parameters, weighted_layers


class Branches(nn.Module):
    """A way of one layer beside a way of three, then a linear one."""

    def __init__(self):
        super().__init__()
        self.short = nn.Conv2d(2, 3, 1)
        self.long = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.ReLU(), nn.Conv2d(4, 3, 1, groups=1))
        self.last = nn.Conv2d(3, 3, 3, stride=2)
        self.head = nn.Linear(6, 5)

    def forward(self, x):
        both = torch.cat([self.short(x), self.last_of(x)], 1)
        return self.head(both.mean((2, 3)))

    def last_of(self, x):
        return nn.functional.interpolate(self.last(self.long(x)), x.shape[2:])


def test_layers_are_counted_as_by_hand_and_groups_sum_theirs():
    found = layers(Branches, (2, 7, 9))
    assert (found["short"].weights, found["short"].biases, found["short"].multiply_adds) == (6, 3, 6 * 63)
    assert (found["long"].weights, found["long"].biases) == (72 + 12, 3)
    assert found["long"].multiply_adds == 84 * 63
    assert (found["last"].given, found["last"].result) == ((3, 7, 9), (3, 3, 4))
    assert found["last"].multiply_adds == 81 * 12
    assert (found["head"].result, found["head"].multiply_adds) == ((5,), 30)
    whole = found[""]
    assert whole.weights + whole.biases == sum(p.numel() for p in Branches().parameters())
    assert whole.multiply_adds == multiply_adds(Branches(), (2, 7, 9)) == 6 * 63 + 84 * 63 + 81 * 12 + 30


def test_the_depth_is_that_of_the_longest_way():
    assert depth(Branches, (2, 7, 9)) == 4
    assert depth(lambda: nn.Sequential(nn.Flatten(), nn.Linear(8, 8), nn.ReLU()), (2, 2, 2)) == 1


def test_a_network_that_has_values_is_counted_where_it_is():
    net = Branches()
    assert outputs(net, (net.last, net.head, net), (2, 7, 9)) == [(3, 3, 4), (5,), (5,)]
    assert parameters(net) == 6 + 3 + 72 + 12 + 3 + 81 + 3 + 30 + 5
    assert weighted_layers(net) == 5
    assert not any(module._forward_hooks for module in net.modules())
