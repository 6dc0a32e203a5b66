"""REINFORCE: gradients by enumeration, the baseline, masks, the controller as a loop, lanes, errors."""

import itertools
import math

import pytest
import torch

from dmbench.nas.parts.controller import Controller, steps
from dmbench.nas.parts.policies import SoftmaxPolicy, masks
from dmbench.nas.parts.search import search, search_lanes
from dmbench.nas.reinforce import Reinforce, policy_loss
from dmbench.nas.space import Decision, Space, chain, layer_chain, nas_bench_201

SPACE = Space("small", [Decision("a", (0, 1, 2)), Decision("b", (0, 1)), Decision("c", (0, 1, 2, 3))])
LAYERS = layer_chain(2, 6)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def worth(point):
    return 20.0 * point[0] + 10.0 * (point[1] == 0) + 5.0 * (point[2] == 3)


def policies(space):
    soft = SoftmaxPolicy(space, generator=seeded(), spread=1.0).double()
    controller = Controller(space, hidden=6, generator=seeded()).double()
    with torch.no_grad():
        for parameter in controller.parameters():
            parameter.mul_(10)
    return {"softmax": soft, "controller": controller}


@pytest.mark.parametrize("kind", ["softmax", "controller"])
@pytest.mark.parametrize("space", [SPACE, LAYERS, chain(3, (1, 3), (4,))], ids=repr)
def test_probabilities_sum_to_one_over_the_points_and_to_nothing_outside(space, kind):
    points = list(space.points())
    log_prob, entropy = policies(space)[kind].judge(points)
    assert float(log_prob.detach().exp().sum()) == pytest.approx(1, abs=1e-12)
    assert log_prob.isfinite().all()
    assert (entropy >= 0).all()


@pytest.mark.parametrize("kind", ["softmax", "controller"])
@pytest.mark.parametrize("space", [SPACE, LAYERS], ids=repr)
def test_points_are_drawn_as_likely_as_they_are_judged_and_all_are_valid(space, kind):
    policy, points = policies(space)[kind], list(space.points())
    drawn = policy.draw(1000, seeded(1))
    assert all(point in space for point in drawn)
    for point, share in zip(points, policy.judge(points)[0].exp().tolist(), strict=True):
        deviation = math.sqrt(1000 * share * (1 - share))
        assert abs(drawn.count(point) - 1000 * share) < 5 * deviation + 3


def test_the_expected_estimate_is_the_gradient_of_the_expected_reward_whatever_the_baseline():
    points = list(SPACE.points())
    rewards = torch.tensor([[worth(point)] for point in points], dtype=torch.float64)
    for kind, policy in policies(SPACE).items():
        wanted = list(policy.parameters())
        log_prob, entropy = policy.judge(points)
        shares = log_prob.exp()[:, None]
        exact = torch.autograd.grad(-(shares * rewards).sum(), wanted, retain_graph=True, allow_unused=True)
        for baseline in (0.0, 17.0):
            weighted = len(points) * shares.detach() * (rewards - baseline)
            loss = policy_loss(log_prob[:, None], weighted, entropy[:, None])
            found = torch.autograd.grad(loss, wanted, retain_graph=True, allow_unused=True)
            for one, other in zip(found, exact, strict=True):
                if other is not None:
                    torch.testing.assert_close(one, other, rtol=0, atol=1e-12, msg=kind)


def test_the_entropy_bonus_is_the_gradient_of_the_entropy():
    policy = SoftmaxPolicy(SPACE, generator=seeded(), spread=1.0).double()
    log_prob, entropy = policy.judge([(0, 0, 0)])
    shares = [policy.logits[0, d, : len(decision.choices)].softmax(-1) for d, decision in enumerate(SPACE.decisions)]
    by_hand = sum(-(share * share.log()).sum() for share in shares)
    torch.testing.assert_close(entropy[0], by_hand, rtol=0, atol=1e-14)
    loss = policy_loss(log_prob[None], torch.zeros(1, 1, dtype=torch.float64), entropy[None], bonus=0.7)
    (found,) = torch.autograd.grad(loss, policy.logits, retain_graph=True)
    (wanted,) = torch.autograd.grad(-0.7 * by_hand, policy.logits)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-14)


def test_no_gradient_passes_through_the_advantage():
    log_prob, advantage = torch.zeros(2, 1, requires_grad=True), torch.ones(2, 1, requires_grad=True)
    policy_loss(log_prob, advantage, torch.zeros(2, 1)).backward()
    assert advantage.grad is None
    assert log_prob.grad.tolist() == [[-0.5], [-0.5]]


def test_a_point_better_than_before_becomes_more_likely_and_a_worse_one_less():
    strategy = Reinforce(SPACE, seeded(), momentum=0.9)

    def likely(point):
        return float(strategy.policy.judge([point])[0].detach())

    before = likely((1, 1, 1))
    strategy.tell((1, 1, 1), 50.0)
    assert likely((1, 1, 1)) == before  # as good as expected: there is nothing to compare with yet
    strategy.tell((1, 1, 1), 60.0)
    assert likely((1, 1, 1)) > before
    assert float(strategy.baseline) == pytest.approx(0.9 * 0.5 + 0.1 * 0.6)
    before = likely((2, 0, 2))
    strategy.tell((2, 0, 2), 40.0)
    assert likely((2, 0, 2)) < before
    assert float(strategy.baseline) == pytest.approx(0.9 * 0.51 + 0.1 * 0.4)


@pytest.mark.parametrize("batch", [1, 4])
def test_a_search_finds_the_best_point_of_a_separable_space(batch):
    history = search(Reinforce(SPACE, seeded(), batch=batch, lr=0.1), worth, 400, patience=400)
    late = history.points[300:]
    assert max(set(late), key=late.count) == (2, 0, 3)


def test_a_batch_is_one_step_along_the_mean():
    one = Reinforce(SPACE, seeded(), batch=2)
    one.tell((0, 0, 0), 40.0)
    logits = one.policy.logits.detach().clone()
    assert one.baseline is None
    one.tell((1, 1, 1), 80.0)
    assert not torch.equal(one.policy.logits, logits)
    assert float(one.baseline) == pytest.approx(0.6)


def test_lanes_share_nothing():
    many = Reinforce(SPACE, seeded(), lanes=3)
    with torch.no_grad():
        many.policy.logits.copy_(torch.randn(3, 3, 4, generator=seeded(2)))
    alone = Reinforce(SPACE, seeded())
    with torch.no_grad():
        alone.policy.logits.copy_(many.policy.logits[1:2])
    for points in (
        [(0, 0, 0), (1, 0, 2), (2, 1, 3)],
        [(1, 1, 1), (2, 0, 3), (0, 1, 0)],
        [(0, 1, 1), (0, 0, 0), (2, 1, 2)],
    ):
        many.tell_all(points, torch.tensor([worth(point) for point in points]))
        alone.tell(points[1], worth(points[1]))
    torch.testing.assert_close(many.policy.logits[1], alone.policy.logits[0], rtol=0, atol=1e-6)
    histories = search_lanes(Reinforce(SPACE, seeded(), lanes=5), worth, 6)
    assert [len(history.points) for history in histories] == [6] * 5


def test_the_reward_is_what_is_made_of_the_accuracy():
    cubed = Reinforce(SPACE, seeded(), reward=lambda accuracy: (accuracy / 100) ** 3)
    cubed.tell((0, 0, 0), 50.0)
    assert float(cubed.baseline) == pytest.approx(0.125)


def test_a_mask_lets_nothing_through_that_is_not_allowed():
    for place, decision in enumerate(SPACE.decisions):
        assert masks(SPACE, [(0, 0, 0)])[0, place].tolist() == [choice < len(decision.choices) for choice in range(4)]
    for point in list(LAYERS.points())[::11]:
        for place in range(len(point)):
            allowed = LAYERS.allowed(point[:place])
            assert masks(LAYERS, [point])[0, place].nonzero()[:, 0].tolist() == list(allowed)
            assert masks(LAYERS, [point[:place]], place)[0].nonzero()[:, 0].tolist() == list(allowed)
        for place in range(len(point), len(LAYERS.decisions)):
            assert masks(LAYERS, [point])[0, place].nonzero()[:, 0].tolist() == [0]


def test_the_controller_is_its_equations_a_step_at_a_time():
    controller = policies(SPACE)["controller"]
    for point in itertools.islice(SPACE.points(), 0, None, 5):
        x, state, total = controller.first, [None] * 2, 0.0
        for place, choice in enumerate(point):
            for index, layer in enumerate(controller.recurrent):
                gates = layer.weight_ih_l0 @ x + layer.bias_ih_l0 + layer.bias_hh_l0
                h, c = state[index] or (torch.zeros(6, dtype=torch.float64),) * 2
                i, f, g, o = (gates + layer.weight_hh_l0 @ h).chunk(4)
                c = f.sigmoid() * c + i.sigmoid() * g.tanh()
                x = o.sigmoid() * c.tanh()
                state[index] = (x, c)
            count = len(SPACE.decisions[place].choices)
            total = total + (controller.heads[place, :count] @ x).log_softmax(-1)[choice]
            x = controller.embedding[place, choice]
        torch.testing.assert_close(controller.judge([point])[0][0], total, rtol=0, atol=1e-12)


def test_anchors_are_decided_by_content_at_one_step_a_layer():
    space = chain(3, (1, 3), (4,))
    taken, anchors = steps(space.decisions)
    assert [len(step) for step in taken] == [1] * 5 + [0] + [1] * 5 + [1] + [1] * 5 + [2]
    assert anchors == {0: 5, 1: 11, 2: 17}
    controller = policies(space)["controller"]
    hidden = [torch.randn(1, 6, generator=seeded(i), dtype=torch.float64) for i in range(18)]
    place = taken[17][0]
    assert space.decisions[place].anchor == (0, 2)
    inner = torch.tanh(controller.previous @ hidden[5][0] + controller.current @ hidden[17][0])
    wanted = torch.sigmoid(controller.v @ inner)
    torch.testing.assert_close(controller._logits(place, hidden).softmax(-1)[0, 1], wanted, rtol=0, atol=1e-14)


def test_the_controller_learns_too():
    strategy = Reinforce(SPACE, seeded(), policy=Controller(SPACE, 8, 1, generator=seeded()), lr=0.05)
    late = search(strategy, worth, 120, patience=120).points[90:]
    assert max(set(late), key=late.count)[0] == 2


def test_what_is_out_of_range_is_refused():
    for options in ({"momentum": 1.0}, {"momentum": -0.1}, {"entropy": -1.0}):
        with pytest.raises(ValueError, match=r"need a momentum in \[0, 1\) and no negative bonus"):
            Reinforce(SPACE, **options)
    for options in ({"lanes": 0}, {"batch": 0}):
        with pytest.raises(ValueError, match="need a lane and a batch of at least 1"):
            Reinforce(SPACE, **options)
    with pytest.raises(ValueError, match="need a point and an accuracy of 2 lanes: 1, 1"):
        Reinforce(SPACE, lanes=2).tell((0, 0, 0), 1.0)


def test_the_first_policy_is_about_uniform():
    log_prob, entropy = SoftmaxPolicy(nas_bench_201(), generator=seeded()).judge([(0, 1, 2, 3, 4, 0)])
    assert float(log_prob.detach()) == pytest.approx(-6 * math.log(5), abs=0.02)
    assert float(entropy.detach()) == pytest.approx(6 * math.log(5), abs=1e-4)
