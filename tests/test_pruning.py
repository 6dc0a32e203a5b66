"""Pruning: masks as loops, what is cut stays zero, training as the experiment does it, limits, errors."""

import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load
from torch import nn

from dmbench import check
from dmbench.experiments import _pruning_training as training
from dmbench.experiments._digits_training import Digits
from dmbench.experiments.pruning import MASK, PRUNER
from dmbench.harness.errors import ContractError
from dmbench.models.lenet import LeNet5Caffe, LeNet300
from dmbench.optim.adam import Adam
from dmbench.optim.sgd import SGD
from dmbench.regularizers.pruning import Pruner, by_quality, by_ratio, dropout_after, threshold, without_dead

few = settings(deadline=None, max_examples=25, derandomize=True)
sizes = st.integers(1, 6)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)), dtype=torch.float64)


@few
@given(sizes, sizes, st.floats(0, 0.99), st.floats(0, 0.99))
def test_by_ratio_the_smallest_go_one_after_another_and_none_comes_back(rows, columns, first, second):
    weight = noise(rows, columns).mul(3).round()  # with ties
    count, mask = rows * columns, None
    if round(max(first, second) * count) == count:
        return
    gone = set()
    for ratio in sorted((first, second)):
        places = sorted(range(count), key=lambda i: (i not in gone, abs(weight.flatten()[i].item()), i))
        gone = gone | set(places[: round(ratio * count)])
        mask = by_ratio(weight, ratio, mask)
        assert [i not in gone for i in range(count)] == mask.flatten().tolist()
        weight = weight * mask + ~mask * 9  # what was cut is not looked at again


@few
@given(sizes, sizes, st.floats(0, 0.8))
def test_by_quality_what_is_below_the_threshold_goes(rows, columns, quality):
    weight = noise(rows, columns)
    mean = sum(weight.flatten().tolist()) / weight.numel()
    deviation = math.sqrt(sum((w - mean) ** 2 for w in weight.flatten().tolist()) / weight.numel())
    assert threshold(weight, quality) == pytest.approx(quality * deviation, abs=1e-14)
    expected = [abs(w) >= quality * deviation for w in weight.flatten().tolist()]
    if any(expected):
        assert by_quality(weight, quality).flatten().tolist() == expected


def test_a_second_round_takes_the_deviation_of_what_is_left_and_brings_nothing_back():
    weight = torch.tensor([4.0, -2.0, 1.0, 0.5, 0.0])
    mask = torch.tensor([True, True, True, False, False])
    assert threshold(weight, 1.0, mask) == pytest.approx(math.sqrt((9 + 9 + 0) / 3), abs=1e-6)
    assert by_quality(weight, 1.0, mask).tolist() == [True, False, False, False, False]
    assert by_quality(weight, 0.0, mask).tolist() == mask.tolist()
    assert by_ratio(weight, 0.2, mask).tolist() == mask.tolist()


OPTIMISERS = {
    "momentum and decay": lambda w: SGD([w], 0.1, 0.9, weight_decay=0.1),
    "nesterov": lambda w: SGD([w], 0.1, 0.9, nesterov=True),
    "adam with decay": lambda w: Adam([w], 0.1, weight_decay=0.1),
    "decoupled decay": lambda w: Adam([w], 0.1, weight_decay=0.1, decoupled_weight_decay=True),
    "torch's sgd": lambda w: torch.optim.SGD([w], 0.1, 0.9, weight_decay=0.1),
    "torch's rmsprop": lambda w: torch.optim.RMSprop([w], 0.1, momentum=0.9),
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_what_is_cut_is_zero_after_every_update_against_momentum_and_decay(name):
    weight, aim = nn.Parameter(noise(8, 9)), noise(8, 9, seed=5)
    optimiser, pruner = OPTIMISERS[name](weight), Pruner({"w": weight})
    for update in range(30):
        if update == 5:  # momentum from before points off zero
            pruner.prune({"w": 0.75})
            pruner.hold(optimiser)
        optimiser.zero_grad()
        (weight - aim).square().sum().backward()
        optimiser.step()
        if update >= 5:
            assert int((weight == 0).sum()) == 54
            assert bool((weight[~pruner.masks["w"]] == 0).all())
            assert bool((weight.grad[~pruner.masks["w"]] == 0).all())


def test_what_is_kept_moves_as_if_the_rest_were_not_there():
    weight, aim = nn.Parameter(noise(40)), noise(40, seed=1)
    pruner, optimiser = Pruner({"w": weight}), SGD([weight], 0.05, 0.9, weight_decay=0.1)
    pruner.prune({"w": 0.5})
    kept = pruner.masks["w"].clone()
    alone = nn.Parameter(weight.detach()[kept].clone())
    other = SGD([alone], 0.05, 0.9, weight_decay=0.1)
    pruner.hold(optimiser)
    for made, w, target in ((optimiser, weight, aim), (other, alone, aim[kept])):
        for _ in range(20):
            made.zero_grad()
            (w - target).square().sum().backward()
            made.step()
    torch.testing.assert_close(weight[kept], alone, rtol=0, atol=1e-14)


def test_hold_can_be_taken_back():
    weight = nn.Parameter(torch.ones(4))
    pruner, optimiser = Pruner({"w": weight}), torch.optim.SGD([weight], 0.1)
    pruner.prune({"w": 0.5})
    handles = pruner.hold(optimiser)
    for handle in handles:
        handle.remove()
    weight.grad = torch.ones(4)
    optimiser.step()
    assert bool((weight != 0).all())


def test_densities_and_compression_are_counts():
    pruner = Pruner({"a": noise(10, 10), "b": noise(100)})
    assert pruner.prune(ratios={"a": 0.9}) == {"a": 0.1, "b": 1.0}
    assert pruner.compression() == pytest.approx(200 / 110)
    pruner.prune(qualities={"b": 0.5})
    assert pruner.density()["b"] == float((pruner.weights["b"] != 0).double().mean())


@few
@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5))
def test_connections_of_dead_neurons_go(inputs, hidden, outputs):
    incoming, outgoing = noise(hidden, inputs) > 0.3, noise(outputs, hidden, seed=1) > 0.3
    found = without_dead(incoming, outgoing)
    for h in range(hidden):
        alive = any(incoming[h].tolist()) and any(outgoing[:, h].tolist())
        assert found[0][h].tolist() == [alive and one for one in incoming[h].tolist()]
        assert found[1][:, h].tolist() == [alive and one for one in outgoing[:, h].tolist()]


def test_dropout_follows_the_root_of_what_is_left():
    assert dropout_after(0.5, 100, 9) == pytest.approx(0.15)
    assert dropout_after(0.5, 100, 100) == 0.5
    for bad, message in (((1.0, 2, 1), "below 1: 1.0"), ((0.5, 2, 0), "0, 2"), ((0.5, 2, 3), "at most those before")):
        with pytest.raises(ValueError, match=message):
            dropout_after(*bad)


class Context:
    """As much of a context as training needs."""

    device, seed = torch.device("cpu"), 0

    def __init__(self):
        self.points, self.kept = [], {}

    def load(self):
        return None

    def save(self, state):
        return True

    def point(self, **values):
        self.points.append(values)

    def progress(self, done, total):
        assert done <= total

    def note(self, **settings):
        pass

    def keep(self, name, content):
        self.kept[name] = content

    def subject(self, name):
        return Pruner


@pytest.mark.parametrize("name", ["lenet300", "lenet5"])
def test_training_cuts_to_the_densities_of_the_table_and_keeps_what_pictures_need(name, monkeypatch):
    def read(ctx, part):
        generator = torch.Generator().manual_seed(0)
        return Digits(torch.rand(60, 1, 28, 28, generator=generator), torch.randint(10, (60,), generator=generator))

    monkeypatch.setattr(training, "read_digits", read)
    net, recipe = (LeNet300(), training.LENET300) if name == "lenet300" else (LeNet5Caffe(), training.LENET5)
    ctx = Context()
    rounds = tuple(1 for _ in recipe.rounds)
    found = training.trained(ctx, net, dataclasses.replace(recipe, epochs=1, rounds=rounds, batch=30), name)
    assert found["densities"] == pytest.approx([100 * d for d in recipe.densities.values()], abs=0.3)
    assert found["compression"] == pytest.approx(12, abs=0.5)
    assert [set(point) for point in ctx.points] == [{"update", "train_loss", "test_error", "cut_error", "density"}] * (
        1 + len(rounds)
    )
    content = load(ctx.kept[f"{name}_pruned_seed0.safetensors"])
    for layer in recipe.densities:
        weight, places = net.get_parameter(f"{layer}.weight").detach(), content[f"{layer}.places"]
        torch.testing.assert_close(weight.flatten()[places.long()].half(), content[f"{layer}.values"], rtol=0, atol=0)
        assert len(places) == int(weight.count_nonzero())
        assert content[f"{layer}.before"][:-1].sum() == weight.numel()


@pytest.mark.parametrize("ratio", [1, 1.0, 1.5, -0.1, math.nan])
def test_a_ratio_that_leaves_nothing_or_means_nothing_is_refused(ratio):
    with pytest.raises(ValueError, match="pruning ratio must be at least 0 and below 1, at which nothing is left"):
        by_ratio(torch.ones(4), ratio)
    pruner = Pruner({"a": torch.ones(4), "b": torch.ones(4)})
    with pytest.raises(ValueError, match="at least 0 and below 1"):
        pruner.prune({"a": 0.5, "b": ratio})
    assert pruner.compression() == 1  # nothing was cut


def test_what_does_not_fit_is_refused_in_one_line():
    with pytest.raises(ValueError, match="a pruning ratio of 0.9 leaves none of 4 weights"):
        by_ratio(torch.ones(4), 0.9)
    with pytest.raises(ValueError, match="a quality of 2.0, a threshold of 2, leaves no weight: lower it"):
        by_quality(torch.tensor([1.0, -1.0]), 2.0)
    with pytest.raises(ValueError, match="must be 0 or more, and finite: -1"):
        threshold(torch.ones(2), -1)
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match=r"a weight of shape \(2,\) is not finite"):
            by_ratio(torch.tensor([1.0, bad]), 0.5)
    with pytest.raises(ValueError, match=r"need a mask of bool \(2,\): torch.bool \(3,\)"):
        by_ratio(torch.ones(2), 0.5, torch.ones(3, dtype=torch.bool))
    with pytest.raises(ValueError, match="name one of a, by ratio or by quality: c"):
        Pruner({"a": torch.ones(2)}).prune({"c": 0.5})
    with pytest.raises(ValueError, match="name one of a, by ratio or by quality: a"):
        Pruner({"a": torch.ones(2)}).prune({"a": 0.5}, {"a": 0.5})
    with pytest.raises(ValueError, match="at least one weight"):
        Pruner({})
    with pytest.raises(ValueError, match=r"need masks \(H, I\) and \(O, H\): \(2, 3\), \(4, 3\)"):
        without_dead(torch.ones(2, 3).bool(), torch.ones(4, 3).bool())


def test_peers_and_only_what_keeps_the_contract_are_measured():
    assert check("pruning", numbers="difference_torch", mask="dmbench.peers.pruning:torch_nn")
    with pytest.raises(ContractError, match="cut other weights"):
        MASK.check(lambda weight, ratio: weight.abs() < 2)

    class Forgets(Pruner):
        def hold(self, optimiser):
            return ()

    with pytest.raises(ContractError, match="a weight that was cut is -0.1"):
        PRUNER.check(Forgets)
