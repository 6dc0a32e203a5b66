"""PPO: the clipped objective as printed, gradients by cases, epochs, the value, errors."""

import pytest
import torch

from dmbench import check
from dmbench.experiments import ppo as experiment
from dmbench.harness.errors import ContractError
from dmbench.nas.parts.search import search, search_lanes
from dmbench.nas.ppo import PPO, clipped_loss
from dmbench.nas.space import Decision, Space

SPACE = Space("small", [Decision("a", (0, 1, 2)), Decision("b", (0, 1)), Decision("c", (0, 1, 2, 3))])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def worth(point):
    return 20.0 * point[0] + 10.0 * (point[1] == 0) + 5.0 * (point[2] == 3)


def test_the_loss_is_equation_7_element_by_element():
    log_prob, before, advantage = torch.randn(3, 8, 2, generator=seeded(), dtype=torch.float64)
    total = 0.0
    for lane in range(2):
        for i in range(8):
            ratio = (log_prob[i, lane] - before[i, lane]).exp().item()
            a = advantage[i, lane].item()
            total -= min(ratio * a, min(max(ratio, 0.7), 1.3) * a) / 8
    assert clipped_loss(log_prob, before, advantage, 0.3).item() == pytest.approx(total, abs=1e-14)


@pytest.mark.parametrize(
    ("ratio", "advantage", "moves"),
    [(1.0, 1, True), (1.3, 1, False), (0.7, 1, True), (1.3, -1, True), (0.7, -1, False), (1.19, 1, True)],
)
def test_only_what_would_go_further_is_clipped(ratio, advantage, moves):
    log_prob = torch.tensor([[ratio]], dtype=torch.float64).log().requires_grad_()
    loss = clipped_loss(log_prob, torch.zeros(1, 1, dtype=torch.float64), torch.tensor([[float(advantage)]]), 0.2)
    loss.backward()
    assert log_prob.grad.item() == pytest.approx(-advantage * ratio if moves else 0.0, abs=1e-12)


def test_no_gradient_passes_through_the_advantage_or_the_probability_before():
    tensors = [torch.zeros(2, 1, requires_grad=True) for _ in range(3)]
    clipped_loss(*tensors).backward()
    assert [one.grad is None for one in tensors] == [False, True, True]


def test_the_value_learns_the_mean_reward_and_nothing_else():
    strategy = PPO(SPACE, seeded(), batch=2, epochs=1, lr=0.01)
    for accuracy in (25.0, 75.0):
        strategy.tell((0, 0, 0), accuracy)
    assert strategy.value.item() == pytest.approx(0.5)
    for accuracy in (80.0, 90.0):
        strategy.tell((1, 1, 1), accuracy)
    # (V - R)^2 / 2, mean over the batch: V - 0.85. The policy's loss has no part in it.
    assert strategy.value.grad.item() == pytest.approx(0.5 - 0.85, abs=1e-6)
    assert strategy.value.item() > 0.5


def test_many_epochs_move_a_point_far_less_than_they_would_without_the_clip():
    points, ratios = [(0, 0, 0), (1, 1, 1)], []
    for clip in (0.2, 1e6):
        strategy = PPO(SPACE, seeded(), batch=2, epochs=100, lr=0.02, clip=clip)
        before = strategy.policy.judge(points)[0].detach()
        for point, accuracy in zip(points, (90.0, 10.0), strict=True):
            strategy.tell(point, accuracy)
        ratios.append((strategy.policy.judge(points)[0].detach() - before).exp())
    assert 1.2 < ratios[0][0] < ratios[1][0] / 3  # past 1.2 by Adam's momentum
    assert 0.8 > ratios[0][1] > 3 * ratios[1][1]


def test_a_search_finds_the_best_point_of_a_separable_space():
    late = search(PPO(SPACE, seeded()), worth, 500, patience=500).points[400:]
    assert max(set(late), key=late.count) == (2, 0, 3)


def test_lanes_share_nothing():
    many = PPO(SPACE, seeded(), lanes=3, batch=2)
    alone = PPO(SPACE, seeded(), batch=2)
    with torch.no_grad():
        alone.policy.logits.copy_(many.policy.logits[1:2])
    for points in ([(0, 0, 0), (1, 0, 2), (2, 1, 3)], [(1, 1, 1), (2, 0, 3), (0, 1, 0)]):
        many.tell_all(points, torch.tensor([worth(point) for point in points]))
        alone.tell(points[1], worth(points[1]))
    torch.testing.assert_close(many.policy.logits[1], alone.policy.logits[0], rtol=0, atol=1e-6)
    assert [len(one.points) for one in search_lanes(PPO(SPACE, seeded(), lanes=2), worth, 11)] == [11, 11]


def test_what_is_out_of_range_is_refused():
    for options in ({"clip": 0.0}, {"epochs": 0}, {"value_weight": -1.0}, {"entropy": -1.0}):
        with pytest.raises(ValueError, match="need clip above 0, an epoch, no negative weight"):
            PPO(SPACE, **options)


def test_only_what_keeps_the_contract_is_measured():
    assert check("ppo", numbers="first_step", loss="dmbench.nas.ppo:clipped_loss")
    with pytest.raises(ContractError, match="gave 1.0 where all ratios and advantages are 1, not -1"):
        experiment.LOSS.check(lambda *given: -clipped_loss(*given))
