"""Bandits: bounds as printed, regret, Thompson's posterior, a bandit for each decision, errors."""

import math

import pytest
import torch

from dmbench.experiments import bandits as experiment
from dmbench.harness.errors import ContractError
from dmbench.harness.numbers import read_paper
from dmbench.harness.paths import reference
from dmbench.nas.bandits import UCB1, BanditSearch, Thompson
from dmbench.nas.parts.search import search
from dmbench.nas.space import Decision, Space, layer_chain

SPACE = Space("small", [Decision("a", (0, 1, 2)), Decision("b", (0, 1))])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("scale", "first"), [(1.0, 1), (0.2, 3)])
def test_ucb1_plays_the_highest_bound_after_its_first_plays(scale, first):
    bandit, rewards = UCB1(3, seeded(), scale=scale, first=first), [[], [], []]
    for turn in range(60):
        arm = bandit.choose()
        if turn < 3 * first:
            assert len(rewards[arm]) == min(map(len, rewards))
        else:
            bounds = [sum(one) / len(one) + scale * math.sqrt(2 * math.log(turn) / len(one)) for one in rewards]
            assert bounds[arm] == pytest.approx(max(bounds), abs=1e-14)
        reward = ((arm + 1) * (turn % 5)) % 4 / 3
        rewards[arm].append(reward)
        bandit.learn(arm, reward)


def test_the_printed_bound_is_theorem_1s():
    number = read_paper(reference() / "papers" / "bandits.toml").numbers["ucb_regret"]
    assert number.value == pytest.approx(experiment.bound(), abs=0.005)


def test_thompson_samples_from_the_beta_posterior():
    bandit = Thompson(2, seeded())
    bandit.successes, bandit.failures = [8.0, 3.0], [4.0, 2.0]
    chosen = sum(bandit.choose() for _ in range(2000)) / 2000
    random = torch.distributions.Beta(torch.tensor([8.0, 3.0]), torch.tensor([4.0, 2.0]))
    torch.manual_seed(0)
    drawn = random.sample((20_000,))
    assert chosen == pytest.approx(float((drawn[:, 1] > drawn[:, 0]).double().mean()), abs=0.045)  # four deviations


def test_thompson_counts_a_reward_as_a_success_with_its_probability():
    bandit = Thompson(1, seeded())
    for _ in range(1000):
        bandit.learn(0, 0.3)
    assert bandit.successes[0] + bandit.failures[0] == 1002
    assert bandit.successes[0] == pytest.approx(301, abs=58)
    for reward in (0.0, 1.0):
        certain = Thompson(1, seeded())
        for _ in range(20):
            certain.learn(0, reward)
        assert (certain.successes, certain.failures) == ([1 + 20 * reward], [21 - 20 * reward])


@pytest.mark.parametrize("bandit", [lambda arms, random: UCB1(arms, random, first=2, scale=0.3), Thompson])
def test_each_decision_finds_its_best_choice(bandit):
    def worth(point):
        return 30.0 * (point[0] == 2) + 40.0 * (point[1] == 0) + 20

    history = search(BanditSearch(SPACE, seeded(), bandit=bandit), worth, 400, patience=400)
    late = history.points[300:]
    assert max(set(late), key=late.count) == (2, 0)


def test_rewards_are_stretched_and_cut():
    class Heard:
        def __init__(self, arms, random):
            self.rewards = []

        def choose(self):
            return 0

        def learn(self, arm, reward):
            self.rewards.append(reward)

    strategy = BanditSearch(SPACE, bandit=Heard, low=40, high=90)
    for accuracy in (65.0, 30.0, 95.0, 90.0):
        strategy.tell(strategy.ask(), accuracy)
    assert [one.rewards for one in strategy.bandits] == [[0.5, 0.0, 1.0, 1.0]] * 2


def test_what_does_not_fit_is_refused():
    for make in (UCB1, Thompson):
        with pytest.raises(ValueError, match="need an arm"):
            make(0)
        for reward in (-0.1, 1.1, math.nan):
            with pytest.raises(ValueError, match="a reward is from 0 to 1"):
                make(2).learn(0, reward)
    for options in ({"scale": -1.0}, {"scale": math.nan}, {"first": 0}):
        with pytest.raises(ValueError, match="need an arm, a scale of 0 or more and a first play"):
            UCB1(2, **options)
    with pytest.raises(ValueError, match="bandits know of no rules: chain of up to 2 layers is no product"):
        BanditSearch(layer_chain(2, 4))
    with pytest.raises(ValueError, match="need low below high: 1, 1"):
        BanditSearch(SPACE, low=1, high=1)


def test_only_what_keeps_the_contract_is_measured():
    experiment.BANDIT.check(UCB1)

    class Fourth(UCB1):
        def choose(self):
            return 3

    with pytest.raises(ContractError, match="chose 3 of three arms"):
        experiment.BANDIT.check(Fourth)
