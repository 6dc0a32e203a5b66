"""Real searches: what a network costs, what may be grown, what a search sees, and runs that go on or go wrong."""

import copy
import io
import math

import pytest
import torch

from dmbench.experiments import _nas_real_search as searching
from dmbench.experiments import eas
from dmbench.experiments._digits_training import Digits
from dmbench.experiments._nas_real import (
    NothingFoundError,
    Recipe,
    Search,
    Split,
    Trial,
    cost,
    divided,
    run,
    so_far,
    trained,
    winner,
)
from dmbench.experiments._nas_real_search import FromScratch, climb, compete, of_points
from dmbench.experiments._nas_real_space import (
    FIRST,
    GROWTH,
    layers_of,
    macs,
    point_of,
    read_layers,
    real_space,
    spelled,
)
from dmbench.layers.conv2d import Conv2d
from dmbench.nas.eas import TransformPolicy, reward
from dmbench.nas.network_morphism import Chain, Layer, deepen, widen
from dmbench.nas.parts.growth import Growth, segments
from dmbench.nas.parts.morphism_climb import MorphismClimb
from dmbench.nas.random_search import RandomSearch

SPACE = real_space()
TINY = Recipe(budget=8e6, scratch=3, more=2, final=3, batch=4, train=12, validation=8)
GENERATOR = torch.Generator


def pictures(count, seed):
    generator = torch.Generator().manual_seed(seed)
    return Digits(torch.rand(count, 1, 28, 28, generator=generator), torch.randint(10, (count,), generator=generator))


class Killed(Exception):
    """Stands for a kill."""


class Context:
    """As much of a context as a search needs; the run is killed at its checkpoint of this number."""

    device, seed = torch.device("cpu"), 3

    def __init__(self, state=None, killed_at=None):
        self.state, self.killed_at, self.saves, self.kept = state, killed_at, 0, None
        self.points, self.notes = [], {}

    def subject(self, name):
        return {"policy": TransformPolicy, "reward": reward}[name]

    def load(self):
        return copy.deepcopy(self.state)

    def save(self, state):
        written = io.BytesIO()
        torch.save(state, written)
        # As a checkpoint is read: tensors and plain values only.
        self.kept = torch.load(io.BytesIO(written.getvalue()), weights_only=True)
        self.saves += 1
        if self.saves == self.killed_at:
            raise Killed
        return True

    def point(self, **values):
        self.points.append(values)

    def note(self, **settings):
        self.notes |= settings

    def progress(self, done, total):
        assert 0 < done <= total


@pytest.fixture
def parts(monkeypatch):
    """Generated pictures in place of Fashion-MNIST's; returns the parts that were read, in order."""
    read, made = [], {"train": pictures(24, 0), "test": pictures(10, 1)}

    def reader(ctx, part, artifact):
        read.append(part)
        return made[part]

    monkeypatch.setattr(searching, "read_digits", reader)
    monkeypatch.setattr(
        searching, "split", lambda ctx, recipe: divided(searching.small(reader(ctx, "train", "")), recipe)
    )
    reader.read, reader.made = read, made
    return reader


def entrants(ctx, recipe=TINY, names=("hill_climbing", "random_search")):
    made = {
        "hill_climbing": lambda: climb(ctx, recipe),
        "random_search": lambda: of_points(ctx, recipe, "random_search", SPACE, RandomSearch),
        "eas": lambda: eas.entrant(ctx, recipe, batch=2),
    }
    return {name: made[name] for name in names}


def compared(ctx, recipe=TINY, **options):
    return compete(ctx, recipe, entrants(ctx, recipe, **options))


def counted(net, side):
    """Multiply-accumulates by what convolutions give out."""
    total = 0

    def add(module, inputs, output):
        nonlocal total
        total += output.shape[-2] * output.shape[-1] * module.weight.numel()

    hooks = [module.register_forward_hook(add) for module in net.modules() if isinstance(module, Conv2d)]
    net.eval()(torch.zeros(1, net.inputs, side, side))
    for hook in hooks:
        hook.remove()
    return total + net.classifier.weight.numel()


@pytest.mark.parametrize("seed", range(5))
def test_the_multiply_accumulates_of_a_point_are_those_of_its_network(seed):
    point = SPACE.sample(GENERATOR().manual_seed(seed))
    net = SPACE.build(point)
    assert macs(net.layers) == counted(net, 14)


def test_training_costs_three_times_the_pictures_and_judging_one():
    net = Chain(FIRST)
    # 14 x 14 x 4 x 9, then 7 x 7 and 3 x 3 positions of 16 x 9, and 40.
    assert macs(FIRST) == 7056 + 7056 + 1296 + 40
    assert cost(net, TINY, 5) == macs(FIRST) * (3 * 5 * 4 + 8)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_grows_out_of_the_first_network_is_in_the_space(seed):
    generator = GENERATOR().manual_seed(seed)
    net = Chain(FIRST)
    for _ in range(seed):
        net = GROWTH.morph(net, generator)
    point = point_of(SPACE, net.layers)
    assert tuple(layers_of(SPACE.values(point))) == net.layers
    assert read_layers(spelled(net.layers)) == list(net.layers)


def test_growth_ends_at_the_largest_network_and_reaches_it():
    net, generator = Chain(FIRST), GENERATOR().manual_seed(0)
    for _ in range(60):
        net = GROWTH.morph(net, generator)
    assert [layer.filters for layer in net.layers] == [16] * 7
    assert segments(net.layers) == [0, 1, 1, 1, 2, 2, 2]
    assert GROWTH.morph(net, generator) is net


def test_a_wider_layer_is_the_next_rung_and_room_is_counted_by_segment():
    layers = [Layer(4, pooled=True), Layer(8), Layer(16), Layer(5, pooled=True), Layer(4)]
    assert [GROWTH.wider(layers, index) for index in range(5)] == [8, 16, None, 8, 8]
    assert GROWTH.widenable(layers) == [0, 1, 3, 4]
    assert GROWTH.room(layers) == [3]  # the middle segment is full, and nothing comes after the last


def test_a_morphism_in_a_round_leaves_what_the_network_computes_but_for_noise():
    net = Chain(FIRST).eval()
    x = torch.rand(3, 1, 14, 14)
    grown = net
    for seed in range(6):
        grown = Growth(noise=0.0).morph(grown, GENERATOR().manual_seed(seed), widen=widen, deepen=deepen)
    with torch.no_grad():
        assert float((grown.eval()(x) - net(x)).abs().max()) < 1e-5


def test_copies_of_a_filter_learn_apart():
    data, generator = pictures(12, 0), GENERATOR().manual_seed(0)
    net = Growth(noise=0.1, ladder=(4, 8), longest=1).morph(Chain(FIRST), generator)
    trained(net, Digits(data.images[..., ::2, ::2], data.labels), TINY, 3, generator)
    wide = next(index for index, layer in enumerate(net.layers) if layer.filters == 8)
    rows = net.convolutions[wide].weight.detach().flatten(1)
    assert float(torch.cdist(rows, rows).add(torch.eye(8)).min()) > 1e-3


def test_the_last_child_is_the_parent_and_the_best_is_the_next_parent():
    made = []

    def morph(net, generator):
        made.append(deepen(net, 0))
        return made[-1]

    climber = MorphismClimb(Chain(FIRST), morph, children=3, morphisms=2)
    first = climber.ask()
    assert first.layers == FIRST
    climber.tell(first, 50.0)
    depths, nets = [], []
    for accuracy in (40.0, 60.0, 55.0):
        nets.append(climber.ask())
        depths.append(len(nets[-1].layers))
        climber.tell(nets[-1], accuracy)
    assert depths == [5, 5, 3]
    assert climber.parent is nets[1]


def test_a_child_that_diverged_loses_and_a_round_of_them_leaves_the_parent():
    climber = MorphismClimb(Chain(FIRST), lambda net, generator: deepen(net, 0), children=2, morphisms=1)
    climber.tell(climber.ask(), math.nan)
    nets = [climber.ask()]
    climber.tell(nets[0], math.nan)
    nets.append(climber.ask())
    climber.tell(nets[1], 10.0)
    assert climber.parent is nets[1]
    for _ in range(2):
        climber.tell(climber.ask(), math.nan)
    assert climber.parent is nets[1]


@pytest.mark.parametrize("name", ["hill_climbing", "random_search"])
def test_a_search_counts_what_it_spends_and_stops_before_its_budget(name, parts):
    ctx, recipe = Context(), Recipe(**{**vars(TINY), "budget": 3e7})
    data = divided(searching.small(parts.made["train"]), recipe)
    search = Search(ctx, name, recipe, data, {})
    entrant = entrants(ctx, recipe)[name]()
    run(search, entrant.strategy, entrant.updates)
    spent = 0.0
    for place, trial in enumerate(search.trials):
        updates = recipe.more if place and name == "hill_climbing" else recipe.scratch
        spent += cost(Chain(read_layers(trial.layers)), recipe, updates)
        assert trial.spent == spent <= recipe.budget
    assert len(search.trials) >= 3


@pytest.mark.parametrize(
    ("killed_at", "names"),
    [
        (1, ("hill_climbing", "random_search")),
        (4, ("hill_climbing", "random_search")),
        (8, ("hill_climbing", "random_search")),
        (4, ("eas",)),
    ],
)
def test_a_killed_comparison_ends_as_one_that_was_not(killed_at, names, parts):
    whole, first = Context(), Context(killed_at=killed_at)
    wanted = compared(whole, names=names)
    with pytest.raises(Killed):
        compared(first, names=names)
    assert compared(Context(first.kept), names=names) == wanted


def test_the_choice_does_not_see_the_test_part(parts):
    ctx = Context()
    _, tried = compared(ctx)
    assert parts.read == ["train", "test"]
    parts.made["test"] = pictures(10, 9)
    again = Context()
    _, tried_again = compared(again)
    assert tried == tried_again
    assert ctx.notes["winners"] == again.notes["winners"]
    for name, trials in tried.items():
        assert ctx.notes["winners_validation"][name] == max(trial.accuracy for trial in trials)
    assert [point["budget"] for point in ctx.points] == list(range(5, 101, 5))


def test_what_is_trained_on_and_what_is_judged_by_share_no_picture():
    numbered = Digits(torch.arange(24.0).view(24, 1, 1, 1), torch.arange(24))
    found = divided(numbered, TINY)
    assert isinstance(found, Split)
    assert found.train.labels.tolist() == list(range(12))
    assert found.validation.labels.tolist() == list(range(12, 20))
    with pytest.raises(ValueError, match="need 20 pictures to train and judge by: 19"):
        divided(numbered.first(19), TINY)


def test_diverged_networks_lose_are_recorded_and_the_search_goes_on(parts, monkeypatch):
    count = iter(range(1000))
    real = trained

    def sometimes(net, *rest):
        return real(net, *rest) and next(count) % 2 == 1

    monkeypatch.setattr("dmbench.experiments._nas_real.trained", sometimes)
    monkeypatch.setattr(searching, "test_error", lambda *rest: 50.0)
    ctx = Context()
    _, tried = compared(ctx, Recipe(**{**vars(TINY), "budget": 4e7}))
    for name, trials in tried.items():
        assert ctx.notes["diverged"][name] == sum(math.isnan(trial.accuracy) for trial in trials) >= 1
        assert not math.isnan(winner(trials).accuracy)


def test_a_training_that_diverges_ends_and_says_so():
    net = Chain(FIRST)
    with torch.no_grad():
        net.classifier.weight.fill_(math.nan)
    data = pictures(12, 0)
    assert trained(net, data, TINY, 25, GENERATOR().manual_seed(0)) is False


def test_the_winner_is_the_best_trained_to_its_end_within_what_is_spent():
    trials = [Trial("a", 30.0, 1.0), Trial("b", math.nan, 2.0), Trial("c", 50.0, 3.0), Trial("d", 50.0, 4.0)]
    assert winner(trials).layers == "c"
    assert winner(trials, 2.5).layers == "a"
    assert [so_far(trials, spent) for spent in (0.5, 1, 2, 3)] == [10.0, 30.0, 30.0, 50.0]
    with pytest.raises(NothingFoundError, match="1 networks, none trained to its end"):
        winner(trials[1:2])


@pytest.mark.parametrize("budget", [0, -1, math.nan])
def test_a_budget_of_nothing_is_refused(budget):
    with pytest.raises(ValueError, match="a search needs a budget above 0"):
        Recipe(budget=budget)
    with pytest.raises(ValueError, match="need updates, a batch, and pictures"):
        Recipe(more=0)


def test_a_budget_that_buys_no_network_is_told(parts):
    with pytest.raises(NothingFoundError, match="0 networks"):
        compared(Context(), Recipe(**{**vars(TINY), "budget": 10.0}))


def test_points_and_layers_outside_of_the_space_are_refused():
    class Outside:
        def ask(self):
            return (9,) * len(SPACE.decisions)

    with pytest.raises(ValueError, match=r"outside of small chains: 0.filters may be 0, 1, 2, not 9"):
        FromScratch(Context(), "outside", SPACE, Outside()).ask()
    for layers in ([Layer(4)], [*FIRST, Layer(4), Layer(4), Layer(4)], [Layer(4, 5, True), *FIRST[1:]]):
        with pytest.raises(ValueError, match="outside of small chains"):
            point_of(SPACE, layers)
    with pytest.raises(ValueError, match="0.filters may be 4 8 16, not 5"):
        point_of(SPACE, [Layer(5, pooled=True), *FIRST[1:]])
    with pytest.raises(ValueError, match="a layer is written as filters x window"):
        read_layers("4x3 pool")


def test_bad_limits_are_refused():
    with pytest.raises(ValueError, match="need filters that rise"):
        Growth(ladder=(8, 4))
    with pytest.raises(ValueError, match="need a child and a morphism: 0, 1"):
        MorphismClimb(Chain(FIRST), GROWTH.morph, children=0, morphisms=1)
