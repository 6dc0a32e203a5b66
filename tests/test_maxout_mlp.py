"""The maxout network: its forward pass by hand, counts, dropout as in the authors' file, norms, attacks, errors."""

import pytest
import torch

from dmbench import check
from dmbench.experiments._digits_training import Digits
from dmbench.experiments._maxout_training import attack, attacked
from dmbench.experiments.maxout_mlp import check_net
from dmbench.harness.errors import ContractError
from dmbench.models.maxout_mlp import NORM, REACH, MaxoutMLP


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def small(**options):
    torch.manual_seed(0)
    sizes = {"inputs": 6, "units": 4, "pieces": 3, "classes": 5} | options
    return MaxoutMLP(**sizes, reach=1).double()


def test_at_test_time_it_is_two_maxima_and_a_linear_map_value_by_value():
    net, x = small().eval(), torch.randn(2, 1, 2, 3, generator=seeded(), dtype=torch.float64)
    for n in range(2):
        h = x[n].flatten().tolist()
        for layer in net.hidden:
            weight, bias = layer.linear.weight.tolist(), layer.linear.bias.tolist()
            z = [sum(w * v for w, v in zip(row, h, strict=True)) + b for row, b in zip(weight, bias, strict=True)]
            h = [max(z[3 * i : 3 * i + 3]) for i in range(4)]
        rows = zip(net.scores.weight.tolist(), net.scores.bias.tolist(), strict=True)
        expected = [sum(w * v for w, v in zip(row, h, strict=True)) + b for row, b in rows]
        assert net(x)[n].tolist() == pytest.approx(expected, abs=1e-13)


def test_the_papers_network_has_its_parameters():
    net = MaxoutMLP()
    assert [tuple(p.shape) for p in net.parameters()] == [(1200, 784), (1200,), (1200, 240), (1200,), (10, 240), (10,)]
    weights = torch.cat([p.detach().flatten() for name, p in net.named_parameters() if name.endswith("weight")])
    assert 0.99 * REACH < float(weights.abs().max()) <= REACH
    assert all(not p.any() for name, p in net.named_parameters() if name.endswith("bias"))


def test_kept_pixels_are_not_scaled_up_and_kept_units_are():
    net = MaxoutMLP(inputs=1000, units=1000, pieces=1, layers=1, classes=1000, p_input=0.5, p_hidden=0.5).double()
    with torch.no_grad():
        for layer in (net.hidden[0].linear, net.scores):
            layer.weight.copy_(torch.eye(1000))
    torch.manual_seed(0)
    values = net(torch.ones(1, 1000, dtype=torch.float64)).unique().tolist()
    assert values == [0, 2]  # 1 where both are kept, doubled once
    assert net.eval()(torch.ones(1, 1000, dtype=torch.float64)).unique().tolist() == [1]


def test_without_dropout_training_is_test_time():
    net, x = small(p_input=0, p_hidden=0), torch.rand(3, 6, generator=seeded(), dtype=torch.float64)
    torch.testing.assert_close(net.train()(x), net.eval()(x), rtol=0, atol=0)


def test_hold_shortens_the_weights_of_each_piece_and_score():
    net = small()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter *= 100
    biases = [p.clone() for name, p in net.named_parameters() if name.endswith("bias")]
    net.hold()
    for name, parameter in net.named_parameters():
        if name.endswith("weight"):
            lengths = torch.linalg.vector_norm(parameter.detach(), dim=1)
            torch.testing.assert_close(lengths, torch.full_like(lengths, NORM), rtol=1e-12, atol=0)
    now = [p for name, p in net.named_parameters() if name.endswith("bias")]
    torch.testing.assert_close(now, biases, rtol=0, atol=0)


def test_gradients():
    net, x = small().eval(), torch.randn(2, 6, generator=seeded(), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(net, x)


def test_an_attack_counts_what_is_wrong_and_how_sure_the_network_is_of_it():
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(2, 2)).double()
    with torch.no_grad():
        net[1].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        net[1].bias.zero_()
    images = torch.tensor([[[1.0, 0.9]], [[1.0, 0.2]], [[0.0, 0.6]]], dtype=torch.float64)
    digits = Digits(images, torch.tensor([0, 0, 1]))
    # Moved by 0.25 each way the first scores are 0.75 and 1.15; the others stay right by 0.3 and 0.1.
    found = attack(net, digits, batch=2)
    assert found.error == pytest.approx(100 / 3)
    assert found.confidence == pytest.approx(100 / (1 + torch.tensor(0.75 - 1.15).exp().item()))
    moved = attacked(net, images, digits.labels) - images
    expected = torch.tensor([[-0.25, 0.25], [-0.25, 0.25], [0.25, -0.25]], dtype=torch.float64)
    torch.testing.assert_close(moved[:, 0], expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("sizes", [{"layers": 0}, {"units": 0}, {"pieces": 0}, {"inputs": 0}, {"classes": 0}])
def test_a_size_below_one_is_refused(sizes):
    with pytest.raises(ValueError, match="at least one"):
        MaxoutMLP(**sizes)


def test_images_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"need x \(\.\.\., I\) and weight \(O, I\)"):
        MaxoutMLP()(torch.zeros(2, 1, 27, 28))


def test_other_networks_must_give_scores_and_hold_their_weights():
    assert check("maxout_mlp", numbers="parameters", net=MaxoutMLP)
    with pytest.raises(ContractError, match=r"scores of shape \(2, 9\), not \(2, 10\)"):
        check_net(lambda reach: MaxoutMLP(classes=9))
    with pytest.raises(ContractError, match=r"has no method hold\(\)"):
        check_net(lambda reach: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10)))
