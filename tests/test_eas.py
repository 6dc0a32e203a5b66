"""EAS: probabilities by the equations, gradients by enumeration, masks, rewards, what is learned, and bad input."""

import copy
import math

import pytest
import torch

from dmbench.experiments.eas import LOSS, NETS, POLICY, REWARD, SMALL, inserters, wideners
from dmbench.nas.eas import EAS, HIGHEST, Deeper, TransformPolicy, Wider, reward, transform
from dmbench.nas.network_morphism import Chain, Layer
from dmbench.nas.parts.growth import Growth, segments
from dmbench.nas.reinforce import policy_loss

FIRST = NETS[0]
GENERATOR = torch.Generator


def policy(seed=0, **options):
    made = TransformPolicy(SMALL, GENERATOR().manual_seed(seed), **{"embedding": 3, "hidden": 4, **options}).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(10)
    return made


def lstm(x, h, c, layer, suffix=""):
    """One step of an LSTM by the equations, x and h as lists of numbers."""
    rows = [getattr(layer, f"{name}_l0{suffix}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    sums = rows[0] @ x + rows[1] @ h + rows[2] + rows[3]
    i, f, g, o = sums.view(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def read(made, layers):
    """Both directions, word by word; outputs side by side, and the last states."""
    words = [made.embedding[made.words[one.filters, one.window, one.pooled]] for one in layers]
    outputs, states = [], []
    for suffix, row in (("", words), ("_reverse", words[::-1])):
        h = c = torch.zeros(4).double()
        found = []
        for x in row:
            h, c = lstm(x, h, c, made.encoder, suffix)
            found.append(h)
        outputs.append(found if not suffix else found[::-1])
        states.append((h, c))
    (h1, c1), (h2, c2) = states
    return [torch.cat(pair) for pair in zip(*outputs, strict=True)], torch.cat([h1, h2]), torch.cat([c1, c2])


@torch.no_grad()
@pytest.mark.parametrize("layers", NETS)
def test_the_wider_actor_is_a_sigmoid_of_each_layer(layers):
    made = policy()
    outputs = read(made, layers)[0]
    for action in wideners(layers):
        wanted = 1.0
        for y, layer, flag in zip(outputs, layers, action.flags, strict=True):
            yes = float((made.wider.weight[0] @ y + made.wider.bias[0]).sigmoid()) if layer.filters == 4 else 0.0
            wanted *= yes if flag else 1 - yes
        assert float(made.judge(layers, action)[0]) == pytest.approx(math.log(wanted), abs=1e-12)


@torch.no_grad()
@pytest.mark.parametrize("layers", NETS)
def test_the_deeper_actor_is_three_softmaxes_one_after_the_other(layers):
    made = policy()
    allowed = [(one.segment, one.place, one.window) for one in inserters(layers)]
    for choices in allowed:
        _, h, c = read(made, layers)
        seen, total = made.first[0], 0.0
        for step, choice in enumerate(choices):
            h, c = lstm(seen, h, c, made.decoder)
            logits = made.heads[step].weight @ h + made.heads[step].bias
            may = {other[step] for other in allowed if other[:step] == choices[:step]}
            total += math.log(float(logits[choice].exp()) / sum(float(logits[one].exp()) for one in may))
            seen = made.fed[step][choice] if step < 2 else None
        assert float(made.judge(layers, Deeper(*choices))[0]) == pytest.approx(total, abs=1e-12)


@torch.no_grad()
@pytest.mark.parametrize("layers", NETS)
@pytest.mark.parametrize("actions", [wideners, inserters])
def test_entropies_are_sums_over_what_may_be_chosen(layers, actions):
    made = policy()
    pairs = [made.judge(layers, action) for action in actions(layers)]
    if actions is wideners:  # independent decisions: the sum of their entropies is that of all
        wanted = -sum(float(log.exp() * log) for log, _ in pairs)
        assert float(pairs[0][1]) == pytest.approx(wanted, abs=1e-12)
    # Of a row of decisions the mean of what is known along it is.
    mean = sum(float(log.exp() * entropy) for log, entropy in pairs)
    assert mean == pytest.approx(-sum(float(log.exp() * log) for log, _ in pairs), abs=1e-12)


@pytest.mark.parametrize("kind", [Wider, Deeper])
def test_draws_are_as_frequent_as_they_are_likely(kind):
    made, generator = policy(), GENERATOR().manual_seed(0)
    actions = list((wideners if kind is Wider else inserters)(FIRST))
    drawn = [made.draw(FIRST, kind, generator) for _ in range(400)]
    for action in actions:
        likely = float(made.judge(FIRST, action)[0].detach().exp())
        assert abs(drawn.count(action) / 400 - likely) < 4.5 * math.sqrt(likely * (1 - likely) / 400) + 1e-9
    assert set(drawn) <= set(actions)


def test_what_may_not_be_done_is_neither_drawn_nor_judged():
    full = (Layer(8, pooled=True), Layer(8), Layer(8), Layer(8, pooled=True), Layer(8), Layer(8), Layer(8))
    made = policy()
    assert made.draw(full, Wider, GENERATOR().manual_seed(0)) == Wider((False,) * 7)
    with pytest.raises(ValueError, match="no layer may be inserted anywhere: 7 layers"):
        made.draw(full, Deeper)
    for action in (Wider((True,) + (False,) * 6), Wider((False,)), Deeper(1, 0, 0)):
        with pytest.raises(ValueError, match=r"may not be done to 7 layers|no layer may be inserted anywhere"):
            made.judge(full, action)
        with pytest.raises(ValueError, match="may not be done to 7 layers"):
            transform(Chain(full), action, SMALL)
    for action in (Deeper(0, 0, 0), Deeper(1, 1, 0), Deeper(1, 0, 2), Deeper(1, -1, 0), Deeper(7, 0, 0)):
        with pytest.raises(ValueError, match=r"may not be done to 3 layers|no layer may be inserted anywhere"):
            made.judge(FIRST, action)
        with pytest.raises(ValueError, match="may not be done to 3 layers"):
            transform(Chain(FIRST), action, SMALL)


@pytest.mark.parametrize("layers", NETS)
def test_actions_do_to_a_network_what_they_say_and_leave_what_it_computes(layers):
    calm = Growth(ladder=SMALL.ladder, windows=SMALL.windows, longest=SMALL.longest, noise=0.0)
    net, x = Chain(layers).double().eval(), torch.rand(2, 1, 8, 8).double()
    for action in [*wideners(layers), *inserters(layers)]:
        grown = transform(net, action, calm, GENERATOR().manual_seed(0))
        with torch.no_grad():
            assert float((grown(x) - net(x)).abs().max()) < 1e-12
        if isinstance(action, Wider):
            flags = [mine.filters != old.filters for mine, old in zip(grown.layers, layers, strict=True)]
            assert tuple(flags) == action.flags
        else:
            index = segments(layers).index(action.segment) + action.place
            assert grown.layers[:index] + grown.layers[index + 1 :] == tuple(layers)
            assert grown.layers[index] == Layer(layers[index - 1].filters, SMALL.windows[action.window])
            assert segments(grown.layers)[index] == action.segment


def test_the_gradient_of_an_update_is_reinforce_with_the_baseline_of_before(monkeypatch):
    made = policy()
    search = EAS(Chain(FIRST), SMALL, policy=made, batch=2, entropy=0.3, decay=0.9)
    search.baseline = 2.0
    episodes = [[(FIRST, Wider((True, False, True))), (FIRST, Deeper(1, 0, 1))], [(FIRST, Deeper(2, 0, 0))]]
    rewards = [5.0, 1.0]
    total = torch.zeros(()).double()
    for episode, worth in zip(episodes, rewards, strict=True):
        for layers, action in episode:
            log, entropy = made.judge(layers, action)
            total = total - ((worth - 2.0) * log + 0.3 * entropy) / 2
    wanted = torch.autograd.grad(total, list(made.parameters()), allow_unused=True)
    monkeypatch.setattr(search.optimiser, "step", lambda: None)
    search.update(episodes, rewards)
    for parameter, gradient in zip(made.parameters(), wanted, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=0, atol=1e-12)
    assert search.baseline == pytest.approx(0.9 * 2.0 + 0.1 * 3.0)


def test_what_pays_becomes_likely():
    made = TransformPolicy(SMALL, GENERATOR().manual_seed(0), embedding=4, hidden=6)
    generator, search = GENERATOR().manual_seed(1), EAS(Chain(FIRST), SMALL, policy=made, lr=0.1, decay=0.3)
    for _ in range(30):
        actions = [made.draw(FIRST, Wider, generator) for _ in range(8)]
        worths = [reward(20.0 + 60 * action.flags[2] - 15 * action.flags[0]) for action in actions]
        search.update([[(FIRST, action)] for action in actions], worths)
    with torch.no_grad():
        shares = {a.flags: float(made.judge(FIRST, a)[0].exp()) for a in wideners(FIRST)}
    assert sum(share for flags, share in shares.items() if flags[2]) > 0.9
    assert sum(share for flags, share in shares.items() if flags[0]) < 0.5


def test_rewards_are_tangents_and_finite():
    for accuracy in (0.0, 12.5, 60.0, 99.0):
        assert reward(accuracy) == pytest.approx(math.tan(accuracy / 100 * math.pi / 2), abs=1e-12)
    assert reward(100.0) == math.tan(HIGHEST * math.pi / 2) < 1e4
    assert reward(math.nan) == 0.0
    for accuracy in (-1.0, 100.5, math.inf):
        with pytest.raises(ValueError, match="an accuracy is from 0 to 100 %"):
            reward(accuracy)


def test_the_best_of_a_batch_is_grown_next_and_one_that_diverged_loses():
    search = EAS(Chain(FIRST), SMALL, GENERATOR().manual_seed(0), policy=policy().float(), deeper=1, wider=0, batch=3)
    first = search.ask()
    assert first.layers == FIRST
    search.tell(first, 50.0)
    nets = []
    for accuracy in (math.nan, 70.0, 60.0):
        nets.append(search.ask())
        assert len(nets[-1].layers) == 4
        search.tell(nets[-1], accuracy)
    assert search.parent is nets[1]
    for accuracy in (math.nan, 69.0, math.nan):
        search.tell(search.ask(), accuracy)
    assert search.parent is nets[1]


def test_a_search_goes_on_from_its_state_as_if_it_had_not_stopped():
    def make():
        torch.manual_seed(0)
        return EAS(Chain(FIRST), SMALL, GENERATOR().manual_seed(2), batch=2, deeper=1, wider=1)

    def go(search, count, begin=0):
        seen = []
        for step in range(begin, begin + count):
            net = search.ask()
            search.tell(net, 30.0 + 5 * math.sin(step))
            seen.append((net.layers, [float(p.detach().sum()) for p in net.parameters()]))
        return seen

    whole, stopped, resumed = make(), make(), make()
    wanted = go(whole, 9)
    go(stopped, 4)
    resumed.load_state_dict(copy.deepcopy(stopped.state_dict()))
    assert go(resumed, 5, 4) == wanted[4:]
    for mine, other in zip(resumed.policy.parameters(), whole.policy.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_a_network_that_cannot_be_grown_is_proposed_as_it_is_and_nothing_is_learned():
    full = [Layer(8, pooled=True)]
    search = EAS(Chain(full), SMALL, GENERATOR().manual_seed(0), batch=1, deeper=1, wider=0)
    before = [p.detach().clone() for p in search.policy.parameters()]
    for accuracy in (50.0, 60.0):
        net = search.ask()
        assert net.layers == tuple(full)
        search.tell(net, accuracy)
    assert all(torch.equal(mine, old) for mine, old in zip(search.policy.parameters(), before, strict=True))


def test_bad_options_and_layers_outside_are_refused():
    with pytest.raises(ValueError, match="need a transformation and a batch of at least 1: 0, 0, 10"):
        EAS(Chain(FIRST), SMALL, deeper=0, wider=0)
    with pytest.raises(ValueError, match=r"need a decay in \[0, 1\)"):
        EAS(Chain(FIRST), SMALL, decay=1.0)
    with pytest.raises(ValueError, match="a network has a segment: 0"):
        TransformPolicy(SMALL, segments=0)
    with pytest.raises(ValueError, match="need layers within"):
        policy().draw([Layer(5)], Wider)
    with pytest.raises(ValueError, match="there is none"):
        policy().draw([], Wider)


def test_subjects_that_break_their_contract_are_told():
    from dmbench.harness.errors import ContractError

    POLICY.check(TransformPolicy)
    LOSS.check(policy_loss)
    with pytest.raises(ContractError, match="not a float"):
        REWARD.check(lambda accuracy: None)
    with pytest.raises(ContractError, match="returned no scalar"):
        LOSS.check(lambda log, advantage, entropy, bonus: log)
