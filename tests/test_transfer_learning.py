"""Transfer learning: what freezing leaves alone, rates by layer, new heads, the experiment's parts, errors."""

import copy
import math

import pytest
import torch
from torch import nn

from dmbench import check
from dmbench.experiments import transfer_learning as experiment
from dmbench.experiments._digits_training import Digits
from dmbench.harness.errors import ContractError
from dmbench.regularizers.transfer_learning import Frozen, layered_rates, replace_head


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)), dtype=torch.float64)


def body():
    return nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.5)).double()


def test_training_changes_nothing_of_frozen_features_not_even_their_statistics():
    features = body()
    net = nn.Sequential(Frozen(features), nn.Linear(5, 2).double())
    before = copy.deepcopy(features.state_dict())
    optimiser = torch.optim.SGD(net.parameters(), 0.1, 0.9, weight_decay=0.1)
    for mode in (True, False, True):
        net.train(mode)
        optimiser.zero_grad()
        net(5 + noise(8, 6)).square().sum().backward()
        optimiser.step()
    assert net.training
    for key, value in features.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert all(p.grad is None for p in features.parameters())
    assert net[1].weight.grad.abs().sum() > 0


def test_frozen_features_are_those_of_evaluation_and_pass_gradients_on():
    features = body()
    expected = copy.deepcopy(features).eval()
    x = noise(4, 6).requires_grad_()
    frozen = Frozen(features).train()
    torch.testing.assert_close(frozen(x), expected(x), rtol=0, atol=0)
    assert torch.autograd.gradcheck(frozen, x)


def test_thawed_features_learn_again():
    net = nn.Sequential(Frozen(body()), nn.Linear(5, 2).double()).train()
    features = net[0].thaw()
    assert all(p.requires_grad for p in features.parameters())
    assert all(module.training for module in features.modules())


def test_rates_fall_by_the_step_from_layer_to_layer_above_those_that_learn():
    layers = [nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2), Frozen(nn.Linear(2, 2)), nn.Linear(2, 2)]
    groups = layered_rates(layers, 0.1, 0.5)
    assert [group["lr"] for group in groups] == pytest.approx([0.025, 0.05, 0.1])
    assert [group["params"][0] is layers[i].weight for group, i in zip(groups, (0, 2, 4), strict=True)] == [True] * 3
    torch.optim.SGD(groups, 1.0)
    shared = nn.Linear(2, 2)
    (group,) = layered_rates([shared, shared], 0.1)
    assert group["lr"] == 0.1


def test_a_new_head_has_other_outputs_and_the_rest_is_left():
    net = nn.Sequential()
    net.add_module("body", nn.Sequential(nn.Linear(3, 4)))
    net.add_module("head", nn.Sequential(nn.Linear(4, 9, bias=False).double()))
    features = net.body[0].weight
    head = replace_head(net, "head.0", 2)
    assert net.head[0] is head
    assert (head.weight.shape, head.weight.dtype, head.bias) == ((2, 4), torch.float64, None)
    assert net.body[0].weight is features


def test_the_task_holds_its_own_digits_and_as_many_labels_of_each_as_asked():
    class Context:
        device, seed = torch.device("cpu"), 1

    labels = torch.arange(10).repeat(30)
    digits = Digits(labels.view(-1, 1, 1, 1).float(), labels)
    upper = experiment.task(digits, True)
    assert torch.equal(upper.images.flatten().long() - 5, upper.labels)
    assert experiment.task(digits, False).labels.unique().tolist() == [0, 1, 2, 3, 4]
    few = experiment.some(Context(), upper, 7)
    assert few.labels.bincount().tolist() == [7] * 5
    assert torch.equal(few.images.flatten().long() - 5, few.labels)


def test_what_does_not_fit_is_refused_in_one_line():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    for name in ("1", "9", ""):
        with pytest.raises(ValueError, match=f"no nn.Linear is called {name}; there are: 0"):
            replace_head(net, name, 2)
    with pytest.raises(ValueError, match="a head needs at least one output: 0"):
        replace_head(net, "0", 0)
    for rate, step in ((-1, 0.5), (math.nan, 0.5), (0.1, 0), (0.1, 1.5)):
        with pytest.raises(ValueError, match="need a rate of 0 or more, and a step above 0 and at most 1"):
            layered_rates([nn.Linear(1, 1)], rate, step)
    with pytest.raises(ValueError, match="none of 1 layers has trainable parameters: thaw some"):
        layered_rates([Frozen(nn.Linear(1, 1))], 0.1)


def test_only_what_keeps_the_contract_is_measured():
    place = "dmbench.regularizers.transfer_learning:Frozen"
    assert check("transfer_learning", numbers="frozen_*", frozen=place)
    with pytest.raises(ContractError, match="a frozen weight has a gradient"):
        experiment.FROZEN.check(lambda body: body)
    with pytest.raises(ContractError, match="running statistics moved"):
        experiment.FROZEN.check(lambda body: body.requires_grad_(False))
