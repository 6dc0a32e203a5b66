"""The small search by DARTS: a faster mixed cell, which half moves what, kills, and its figures."""

import copy
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save_file
from torch import nn

from dmbench.datasets import nas_bench_201
from dmbench.experiments import _darts_pictures, _darts_search, darts
from dmbench.experiments._darts_search import Recipe, accuracy, of_skips, read_halves, searched
from dmbench.experiments._darts_subjects import CELL, GRADIENT
from dmbench.experiments._digits_training import Digits
from dmbench.experiments._training import Loop
from dmbench.harness.errors import ContractError
from dmbench.layers.pooling import avg_pool2d
from dmbench.nas.darts import MixedCell, SuperNet, architecture_gradient
from dmbench.nas.parts.cell_201 import EDGES, OPERATIONS, unspell
from dmbench.nas.parts.mixed_cell import averaged

SKIP = OPERATIONS.index("skip_connect")
TINY = Recipe(updates=4, channels=2, cells=1, side=4, batch=8, evaluate_every=2, watched=10, judged=20)


class Killed(Exception):
    """Stands for a kill."""


class Context:
    """As much of a context as a search needs; the run is killed at its checkpoint of this number."""

    device, seed = torch.device("cpu"), 3

    def __init__(self, killed_at=None):
        self.state, self.points, self.saves, self.killed_at = None, [], 0, killed_at
        self.kept, self.notes = {}, {}

    def load(self):
        return copy.deepcopy(self.state)

    def save(self, state):
        self.state, self.saves = copy.deepcopy(state), self.saves + 1
        if self.saves == self.killed_at:
            raise Killed
        return True

    def keep(self, name, content):
        self.kept[name] = content

    def point(self, **values):
        self.points.append(values)

    def progress(self, done, total):
        pass

    def note(self, **settings):
        self.notes.update(settings)


@pytest.fixture(autouse=True)
def pictures(monkeypatch):
    """Forty pictures of two classes, by which half is bright; each has its number in a corner."""
    images = 0.1 * torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(40) % 2
    images[labels == 1, :, 4:] += 0.8
    images[:, 0, 0, 0] = torch.arange(40) / 100
    whole = Digits(images, labels)
    monkeypatch.setattr(_darts_search, "read_digits", lambda ctx, part, name: whole)
    return whole


def run(ctx, recipe=TINY, gradient=architecture_gradient, cell=MixedCell):
    torch.manual_seed(1)
    return searched(ctx, "tiny", recipe, gradient, cell)


@settings(max_examples=10, deadline=None)
@given(channels=st.integers(1, 3), rows=st.integers(1, 5), columns=st.integers(2, 5), seed=st.integers(0, 99))
def test_the_cell_computes_the_equation_as_printed(channels, rows, columns, seed):
    torch.manual_seed(seed)
    cell = MixedCell(channels).double()
    x = torch.randn(3, channels, rows, columns, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(len(EDGES), len(OPERATIONS), dtype=torch.float64, requires_grad=True)
    found, wanted = cell(x, weights), cell.canonical(x, weights)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-11)
    of = [x, weights, *cell.parameters()]
    ours, theirs = (torch.autograd.grad(y.sin().sum(), of) for y in (found, wanted))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-9)  # what is divided by small deviations grows


@settings(max_examples=10, deadline=None)
@given(rows=st.integers(1, 6), columns=st.integers(1, 6))
def test_averages_are_those_of_the_layer(rows, columns):
    x = torch.randn(2, 3, rows, columns, dtype=torch.float64, generator=torch.Generator().manual_seed(rows))
    wanted = avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    torch.testing.assert_close(averaged(x), wanted, rtol=0, atol=1e-14)


def test_each_batch_is_normalised_by_itself_in_evaluation_too():
    torch.manual_seed(0)
    net = SuperNet(channels=2, cells=1, inputs=1).double()
    x = torch.randn(4, 1, 8, 8, dtype=torch.float64)
    wanted = net(x)
    net(5 * x + 1)
    net.eval()
    assert torch.equal(net(x), wanted)
    weights = torch.full((6, 5), 0.2, dtype=torch.float64)
    cell = net.layers[0]
    torch.testing.assert_close(cell(net.stem(x), weights), cell.canonical(net.stem(x), weights), rtol=0, atol=1e-12)


def test_halves_share_no_picture_and_leave_none_out(pictures):
    halves = read_halves(Context(), 8)
    numbers = [set((100 * half.images[:, 0, 0, 0]).round().int().tolist()) for half in halves.values()]
    assert list(map(len, numbers)) == [20, 20]
    assert numbers[0] | numbers[1] == set(range(40))
    for half in halves.values():
        assert torch.equal(half.labels, (100 * half.images[:, 0, 0, 0]).round().long() % 2)


def test_pictures_are_averaged_to_the_side_asked_for(pictures):
    halves = read_halves(Context(), 4)
    assert halves["alpha"].images.mean() == pytest.approx(
        float(pictures.images.mean()) * 2 - float(halves["weights"].images.mean()), abs=1e-6
    )
    assert halves["alpha"].images.shape == (20, 1, 4, 4)


@pytest.mark.parametrize(("second", "rates"), [(False, [0.0] * 4), (True, [0.025, 0.0213, 0.0125, 0.00366])])
def test_alpha_goes_by_its_own_half_and_looks_ahead_by_the_weights_rate(monkeypatch, second, rates):
    seen, given_rates = [], []
    spied = _darts_search._loss
    monkeypatch.setattr(_darts_search, "_loss", lambda net, batch: seen.append(batch) or spied(net, batch))
    halves = read_halves(Context(), 4)

    def gradient(train, validation, weights, alpha, rate):
        seen.clear()
        train()
        validation()
        for batch, half in zip(seen, ("weights", "alpha"), strict=True):
            assert all((halves[half].images == one).flatten(1).all(1).any() for one in batch.images)
        given_rates.append(rate)
        return torch.zeros_like(alpha)

    run(Context(), replace(TINY, updates=4, second=second), gradient)
    assert given_rates == pytest.approx(rates, rel=1e-2)


def test_alpha_goes_down_its_gradient_and_the_cell_is_what_it_prefers():
    def towards_skips(train, validation, weights, alpha, rate):
        gradient = torch.zeros_like(alpha)
        gradient[:, SKIP] = -1
        return gradient

    ctx = Context()
    found = run(ctx, gradient=towards_skips)
    assert of_skips(found.alpha)["skips"] == 6
    assert ctx.points[-1]["skip_weight"] == of_skips(found.alpha)["skip_weight"] > 0.5
    assert unspell(ctx.notes["cell"]) == ["skip_connect"] * 6
    alphas = load(ctx.kept["alphas_tiny_seed3.safetensors"])["alphas"]
    assert alphas.shape == (2, 6, 5)
    assert torch.equal(alphas[-1], found.alpha)


def test_a_search_learns_to_tell_the_classes():
    ctx = Context()
    found = run(ctx, replace(TINY, updates=24, evaluate_every=8))
    assert ctx.points[-1]["train_loss"] < ctx.points[0]["train_loss"] - 0.8
    assert found.accuracy >= 90
    assert float(found.alpha.abs().min()) > 0


@pytest.mark.parametrize("second", [False, True])
def test_a_killed_search_ends_like_one_that_was_not(monkeypatch, second):
    monkeypatch.setattr(_darts_search, "Loop", lambda *given, save_every: Loop(*given, save_every=2))
    recipe, whole, killed = replace(TINY, second=second), Context(), Context(killed_at=1)
    wanted = run(whole, recipe)
    with pytest.raises(Killed):
        run(killed, recipe)
    killed.killed_at = None
    found = run(killed, recipe)
    assert torch.equal(found.alpha, wanted.alpha)
    assert found.accuracy == wanted.accuracy
    assert killed.kept == whole.kept


def test_accuracy_counts_each_picture_once():
    images = torch.eye(7)[:, None, None]
    net = nn.Flatten()
    labels = torch.tensor([0, 1, 2, 3, 4, 6, 5])
    assert accuracy(net, Digits(images, labels), batch=3) == pytest.approx(500 / 7)


def test_the_share_of_skips_is_a_mean_over_edges():
    alpha = torch.full((6, 5), -100.0)
    alpha[0, SKIP] = alpha[1:, 3] = 0
    assert of_skips(alpha) == {"skips": 1, "skip_weight": pytest.approx(1 / 6)}


def test_a_cell_or_a_gradient_that_breaks_its_contract_is_named():
    class Flat(nn.Module):
        def __init__(self, channels):
            super().__init__()

        def forward(self, x, weights):
            return x

    CELL.check(MixedCell)
    with pytest.raises(ContractError, match=r"on\(0\) does not give 5 operations"):
        CELL.check(Flat)
    with pytest.raises(ContractError, match="returned NoneType"):
        CELL.check(lambda channels: lambda x, weights: None)
    GRADIENT.check(architecture_gradient)
    with pytest.raises(ContractError, match="returned int"):
        GRADIENT.check(lambda *given: 0)


@pytest.fixture
def alphas(tmp_path):
    """Two seeds of each search: the first ends with skips alone, the second with 3 x 3 convolutions."""
    for search in _darts_pictures.TITLES:
        for seed, name in enumerate(("skip_connect", "nor_conv_3x3")):
            found = torch.zeros(3, 6, 5)
            found[1:, :, OPERATIONS.index(name)] = torch.tensor([1.0, 2.0])[:, None]
            save_file({"alphas": found}, tmp_path / f"darts-{search}-seed{seed}-alphas_{search}_seed{seed}.safetensors")
    _darts_pictures.join(tmp_path, tmp_path / "joined.safetensors")

    class Files:
        def files(self, artifact):
            return {"joined": tmp_path / "joined.safetensors"}

    return Files()


def test_the_figures_draw_what_searches_left(alphas, monkeypatch):
    weights = _darts_pictures.weights(alphas)
    assert len(weights.axes) == 18
    here = torch.tensor([0.0, 1.0, 2.0]).exp()
    skips = (here / (here + 4) + 1 / (here + 4)) / 2  # the mean of the two seeds
    for axes in weights.axes:
        assert axes.lines[SKIP].get_ydata() == pytest.approx(skips.numpy(), abs=1e-6)
        assert list(axes.lines[SKIP].get_xdata()) == [10, 20, 30]
    bench = nas_bench_201.parse(nas_bench_201.generated(lambda cell, column: sum(cell)))
    monkeypatch.setattr(_darts_pictures, "read_nas_bench_201", lambda files: bench)
    cells = _darts_pictures.cells(alphas)
    assert [axes.get_title().split(":\n")[1] for axes in cells.axes] == ["6.00 %", "18.00 %"] * 3
    assert {len(axes.patches) for axes in cells.axes} == {6}


def test_alphas_that_are_not_there_are_named(tmp_path, alphas):
    with pytest.raises(FileNotFoundError, match="holds no alphas: dmbench run darts --tier slow"):
        _darts_pictures.join(tmp_path / "empty", tmp_path / "none.safetensors")
    save_file({"first_seed0": torch.zeros(1, 6, 5)}, tmp_path / "joined.safetensors")
    assert list(_darts_pictures.read(alphas)) == ["first"]
    save_file({"other": torch.zeros(1, 6, 5)}, tmp_path / "joined.safetensors")
    with pytest.raises(ValueError, match="holds no search by DARTS"):
        _darts_pictures.read(alphas)


def test_the_slow_tier_looks_up_the_cell_that_was_found(monkeypatch):
    found = _darts_search.Found(torch.eye(6, 5).roll(1, 1) * 3, 70.0)  # skip, 1x1, 3x3, pool, none, none
    bench = nas_bench_201.parse(nas_bench_201.generated(lambda cell, column: int("".join(map(str, cell)), 5) % 100))
    monkeypatch.setattr(darts, "searched", lambda *given: found)
    monkeypatch.setattr(darts, "read_nas_bench_201", lambda files: bench)

    class Given(Context):
        def subject(self, name):
            return None

        def files(self, artifact):
            return {}

    measured = darts.search(Given(), "shallow")
    wanted = [1, 2, 3, 4, 1, 1]  # of an edge where all but "none" are equal the first
    assert measured["shallow_cifar10"] == bench.test("cifar10").of(wanted).percent
    assert measured["shallow_skips"] == 3
    assert measured["shallow_accuracy"] == 70
