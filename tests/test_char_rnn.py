"""Character models: torch's layers, truncated backpropagation, carried states, sampling, the training, errors."""

import math
from functools import cache
from operator import mul

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench import check
from dmbench.datasets.text import Parts, Vocabulary, split_streams
from dmbench.experiments import char_rnn
from dmbench.experiments._char_rnn_training import Best, Recipe, load, train
from dmbench.experiments._recurrent import fill
from dmbench.experiments._training import DivergedError
from dmbench.harness.errors import ContractError
from dmbench.models.char_rnn import UNITS, CharRNN, loss_of, nats, sample, tempered
from dmbench.peers.char_rnn import TorchCharRNN

few = settings(deadline=None, max_examples=15, derandomize=True)
sides = st.integers(1, 4)
EVERY_UNIT = pytest.mark.parametrize("unit", sorted(UNITS))
V = 7


def model(unit="lstm", hidden=6, layers=2, **options):
    torch.manual_seed(0)
    return CharRNN(V, hidden, layers, unit, reach=0.8, **options).double()


def text(*shape):
    return torch.randint(0, V, shape, generator=torch.Generator().manual_seed(sum(shape)))


def by_hand(net, unit, x, h, c=None):
    """Scores (T, V) of one layer for one sequence x, by the equations unit by unit, from the states h and c."""
    w_x, w_h, b_x, b_h = (parameter.tolist() for parameter in net.layers[0].parameters())
    v, b = net.scores.weight.tolist(), net.scores.bias.tolist()
    size, squash = len(h), lambda a: 1 / (1 + math.exp(-a))
    found = []
    for symbol in x:

        def from_x(row, symbol=symbol):
            return w_x[row][symbol] + b_x[row]

        def from_h(row, given):
            return sum(map(mul, w_h[row], given)) + b_h[row]

        both = [from_x(row) + from_h(row, h) for row in range(len(w_x))]
        if unit == "rnn":
            h = [math.tanh(a) for a in both]
        elif unit == "lstm":
            i, f, g, o = (both[k * size : (k + 1) * size] for k in range(4))
            c = [squash(f[k]) * c[k] + squash(i[k]) * math.tanh(g[k]) for k in range(size)]
            h = [squash(o[k]) * math.tanh(c[k]) for k in range(size)]
        else:
            r, z = [squash(a) for a in both[:size]], [squash(a) for a in both[size : 2 * size]]
            kept = [r[k] * h[k] for k in range(size)]
            new = [math.tanh(from_x(2 * size + k) + from_h(2 * size + k, kept)) for k in range(size)]
            h = [z[k] * h[k] + (1 - z[k]) * new[k] for k in range(size)]
        found.append([sum(map(mul, row, h)) + bias for row, bias in zip(v, b, strict=True)])
    return torch.tensor(found, dtype=torch.float64)


@EVERY_UNIT
def test_scores_are_the_equations_unit_by_unit(unit):
    net, x = model(unit, layers=1), text(5, 2)
    states = torch.randn(2, 1, 2, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    given = ((states[0], states[1]),) if unit == "lstm" else (states[0],)
    scores, _ = net(x, given)
    for b in range(2):
        expected = by_hand(net, unit, x[:, b].tolist(), states[0, 0, b].tolist(), states[1, 0, b].tolist())
        torch.testing.assert_close(scores[:, b].detach(), expected, rtol=0, atol=1e-13)


@few
@given(sides, sides, sides, st.sampled_from(["rnn", "lstm"]))
def test_torchs_layers_with_the_same_weights_agree(steps, batch, layers, unit):
    net, theirs = model(unit, layers=layers), TorchCharRNN(V, 6, layers, unit).double()
    fill(theirs, list(net.parameters()))
    x, y = text(steps, batch), text(batch, steps).T
    mine, his = (loss_of(one, x, y)[0] for one in (net, theirs))
    torch.testing.assert_close(mine, his, rtol=0, atol=1e-14)
    pairs = (torch.autograd.grad(loss, list(one.parameters())) for one, loss in ((net, mine), (theirs, his)))
    for a, b in zip(*pairs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-14)


@EVERY_UNIT
def test_reading_in_parts_with_the_state_carried_is_reading_at_once(unit):
    net, x = model(unit), text(9, 3)
    whole, last = net(x)
    first, state = net(x[:4])
    second, after = net(x[4:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole, rtol=0, atol=1e-14)
    torch.testing.assert_close(after, last, rtol=0, atol=1e-14)


@EVERY_UNIT
def test_gradients_end_where_the_state_was_carried(unit):
    net, x = model(unit, layers=1), text(9, 3)
    with torch.no_grad():
        _, fixed = net(x[:4])
    _, state = loss_of(net, x[:4], x[1:5])
    carried, _ = loss_of(net, x[4:8], x[5:9], state)
    alone, _ = loss_of(net, x[4:8], x[5:9], fixed)
    torch.testing.assert_close(carried, alone, rtol=0, atol=1e-14)
    for a, b in zip(*(torch.autograd.grad(one, list(net.parameters())) for one in (carried, alone)), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-14)


def test_the_loss_of_a_part_is_that_of_its_targets_whatever_the_chunks_and_carries_nothing_to_the_next_part():
    net, part = model(), text(12, 3)
    scores, _ = net(part[:-1])
    expected = -scores.log_softmax(-1).gather(-1, part[1:, :, None]).mean().item()
    assert [nats(net, part, steps) for steps in (1, 4, 11, 50)] == pytest.approx([expected] * 4, abs=1e-14)


def test_a_network_that_knows_nothing_has_the_perplexity_of_all_symbols():
    net = model()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
    assert math.exp(nats(net, text(12, 3))) == pytest.approx(V, abs=1e-13)


def test_weights_begin_uniform_within_reach():
    torch.manual_seed(0)
    weights = torch.cat([p.detach().flatten() for p in CharRNN(87, 32).parameters()])
    assert weights.abs().max() <= 0.08
    assert weights.std().item() == pytest.approx(0.08 / 3**0.5, rel=0.02)


def test_dropout_acts_in_training_alone():
    net, x = model(dropout=0.5), text(6, 3)
    assert not torch.equal(net(x)[0], net(x)[0])
    net.eval()
    torch.testing.assert_close(net(x)[0], model()(x)[0], rtol=0, atol=0)


@few
@given(st.lists(st.floats(-50, 50), min_size=2, max_size=6), st.floats(0.05, 20))
def test_tempering_is_a_softmax_of_scores_over_the_temperature(scores, temperature):
    expected = [math.exp((s - max(scores)) / temperature) for s in scores]
    found = tempered(torch.tensor(scores, dtype=torch.float64), temperature)
    torch.testing.assert_close(found, torch.tensor(expected).double() / sum(expected), rtol=0, atol=1e-6)


def test_temperature_goes_from_the_likeliest_symbol_to_all_alike():
    scores = torch.tensor([1.0, 3.0, 2.0])
    assert tempered(scores, 0).tolist() == [0, 1, 0]
    assert tempered(scores, 1e-40).tolist() == [0, 1, 0]
    torch.testing.assert_close(tempered(scores, math.inf), torch.full((3,), 1 / 3))
    torch.testing.assert_close(tempered(scores, 1), scores.softmax(-1))


def test_greedy_writing_reads_what_it_writes():
    net, prime = model(), text(4, 2)
    written = sample(net, prime, 6, 0)
    scores, _ = net(torch.cat([prime, written]))
    assert torch.equal(written, scores[3:-1].argmax(-1))


def test_written_symbols_are_drawn_as_often_as_the_tempered_distribution_says():
    net, prime = model(), text(3, 1).expand(3, 20_000)
    expected = tempered(net(prime[:, :1])[0][-1, 0], 0.7)
    found = sample(net, prime, 1, 0.7, torch.Generator().manual_seed(0))[0].bincount(minlength=V) / 20_000
    torch.testing.assert_close(found.double(), expected.detach(), rtol=0, atol=0.012)  # over 3 standard deviations


def test_what_does_not_fit_is_refused_in_one_line():
    net, x = model(), text(4, 3)
    _, state = net(x)
    with pytest.raises(ValueError, match=r"need symbols of shape \(T, B\), at least one: \(0, 3\)"):
        net(x[:0])
    with pytest.raises(ValueError, match="the state is of 1 layers, the network has 2"):
        net(x, state[:1])
    with pytest.raises(ValueError, match=r"need a state of shape \(1, 2, 6\): \(1, 3, 6\)"):
        net(x[:, :2], state)
    with pytest.raises(IndexError, match="inputs count from 0 to 6: 0 to 7"):
        net(torch.tensor([[0], [7]]))
    with pytest.raises(TypeError, match="symbols must be int64: torch.float32"):
        net(x.float())
    with pytest.raises(ValueError, match=r"as many targets as symbols: \(3, 3\), \(4, 3\)"):
        loss_of(net, x, x[1:])
    with pytest.raises(ValueError, match="at least 1 step and a part"):
        nats(net, x[:1])


def test_impossible_networks_and_samples_are_refused():
    for options, message in (
        ({"unit": "elman"}, "unit must be one of rnn, lstm, gru: elman"),
        ({"hidden": 0}, "at least 1: 7, 0, 2"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1: 1.0"),
    ):
        with pytest.raises(ValueError, match=message):
            model(**options)
    net = model()
    with pytest.raises(ValueError, match="temperature of at least 0: nan"):
        sample(net, text(2, 1), 3, math.nan)
    with pytest.raises(ValueError, match="length of at least 1: 0"):
        sample(net, text(2, 1), 0)
    with torch.no_grad():
        net.scores.bias[0] = math.nan
    with pytest.raises(FloatingPointError, match="scores are not finite"):
        sample(net, text(2, 1), 3)


class Trial:
    """The part of a context that training uses."""

    device, seed = torch.device("cpu"), 0

    def __init__(self):
        self.state, self.points, self.notes = None, [], {}

    def load(self):
        return self.state

    def save(self, state):
        self.state = state
        return True

    def point(self, **values):
        self.points.append(values)

    def note(self, **settings):
        self.notes |= settings

    def progress(self, done, total):
        pass


RECIPE = Recipe(epochs=3, streams=4, steps=5, rate=0.02, falls_after=1)


def parts():
    """A text of period 5 that a small network learns soon."""
    return split_streams(torch.arange(601) % 5, RECIPE.streams, RECIPE.steps)


def trained(given, net=None, recipe=RECIPE):
    torch.manual_seed(1)
    ctx, net = Trial(), net or CharRNN(V, 8)
    return ctx, net, train(ctx, net, given, recipe)


@cache
def usual():
    return trained(parts())


def test_training_learns_and_judges_the_test_part():
    ctx, net, loss = usual()
    losses = [point["validation_loss"] for point in ctx.points]
    assert len(losses) == 3
    assert losses[-1] < losses[0] < math.log(V)
    assert loss == nats(net, parts().test, RECIPE.steps)
    assert ctx.notes["best_epoch"] == 3


def test_the_epoch_is_chosen_on_the_validation_part_and_judged_on_the_test_part():
    given = parts()
    backwards = Parts(given.train, given.validation.flip(0), given.test)  # worse, the better the text is known
    ctx, net, loss = trained(backwards)
    assert ctx.notes["best_epoch"] == 1
    assert loss == nats(net, given.test, RECIPE.steps)
    assert loss > usual()[2]


def test_no_part_but_the_training_part_moves_a_weight():
    _, net, _ = usual()
    given = parts()
    _, other, _ = trained(Parts(given.train, given.validation, given.test.flip(0)))
    for a, b in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_state_is_carried_within_an_epoch_and_dropped_at_its_end():
    class Watched(CharRNN):
        began = []  # noqa: RUF012

        def forward(self, x, state=None):
            if self.training:
                self.began.append(state is None)
            return super().forward(x, state)

    trained(parts(), Watched(V, 8))
    chunks = (len(parts().train) - 1) // RECIPE.steps
    assert Watched.began == ([True] + [False] * (chunks - 1)) * 3


def test_the_rate_falls_after_its_epoch():
    recipe = Recipe()
    assert [recipe.rate_in(epoch) for epoch in (0, 9, 10, 49)] == pytest.approx(
        [2e-3, 2e-3, 2e-3 * 0.95, 2e-3 * 0.95**40]
    )


def test_a_training_that_was_killed_goes_on_to_the_same_weights():
    _, whole, loss = usual()
    ctx = Trial()
    torch.manual_seed(1)
    net = CharRNN(V, 8)

    def killed(state):
        ctx.state = state
        raise KeyboardInterrupt

    ctx.save = killed
    with pytest.raises(KeyboardInterrupt):
        train(ctx, net, parts(), RECIPE)
    again = Trial()
    again.state = ctx.state
    resumed = CharRNN(V, 8)
    assert train(again, resumed, parts(), RECIPE) == loss
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_loss_that_is_no_number_stops_the_training_and_says_where():
    torch.manual_seed(1)
    net = CharRNN(V, 8)
    with torch.no_grad():
        net.scores.weight[0, 0] = math.nan
    with pytest.raises(DivergedError, match=r"train_loss became nan by update \d+ of 72, seed 0"):
        trained(parts(), net)


def test_the_best_weights_are_those_of_the_least_loss_and_survive_a_checkpoint():
    best, net = Best(), CharRNN(V, 8)
    best.see(2.0, 1, net)
    kept = {name: value.clone() for name, value in net.state_dict().items()}
    with torch.no_grad():
        net.scores.bias.add_(1)
    best.see(2.5, 2, net)
    other = Best()
    other.load_state_dict(best.state_dict())
    assert (other.loss, other.epoch) == (2.0, 1)
    assert all(torch.equal(kept[name], value) for name, value in other.weights.items())


class Forgetful(CharRNN):
    """Drops the state that it is given."""

    def forward(self, x, state=None):
        return super().forward(x, None)


def test_a_network_that_forgets_its_state_is_refused():
    with pytest.raises(ContractError, match="scores after a state"):
        check("char_rnn", net=Forgetful)


@pytest.mark.parametrize("name", ["gru_2x8", "rnn_1x256", "lstm_3x4"])
def test_every_model_of_the_table_trains_and_its_weights_are_kept(name, monkeypatch, tmp_path):
    given = parts()
    few_chunks = Parts(given.train[:21], given.validation[:6], given.test[:6])
    monkeypatch.setattr(char_rnn, "read_parts", lambda ctx, recipe: (Vocabulary(bytes(range(V))), few_chunks))
    ctx = Trial()
    ctx.subject = lambda part: CharRNN
    ctx.keep = lambda file, content: (tmp_path / file).write_bytes(content)
    loss = char_rnn.trained(ctx, name, Recipe(epochs=2, streams=4, steps=5))
    (path,) = tmp_path.iterdir()
    assert path.name == f"char_{name}_seed0.safetensors"
    assert ctx.notes["dropout"] == (0.1 if name == "rnn_1x256" else 0)
    if name.startswith("lstm"):
        net, vocabulary = load(path)
        assert len(vocabulary) == V
        assert nats(net, few_chunks.test, 5) == loss
