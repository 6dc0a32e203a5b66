"""schedules: each one's rule applied update by update, torch's schedulers, groups and states, limits, errors."""

import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench import check
from dmbench.optim import schedules
from dmbench.optim.schedules import Scheduler
from dmbench.optim.sgd import SGD

few = settings(deadline=None, max_examples=25, derandomize=True)
factors = st.floats(0.05, 1)


def along(schedule, count=60):
    return [schedule(t) for t in range(count)]


@few
@given(st.integers(1, 20), factors)
def test_step_multiplies_after_each_so_many_updates(every, factor):
    share, expected = 1.0, []
    for t in range(60):
        if t and t % every == 0:
            share *= factor
        expected.append(share)
    assert along(schedules.step(every, factor)) == pytest.approx(expected, rel=1e-12)


@few
@given(st.sets(st.integers(1, 50), max_size=5), factors)
def test_multi_step_multiplies_at_each_milestone(milestones, factor):
    share, expected = 1.0, []
    for t in range(60):
        if t in milestones:
            share *= factor
        expected.append(share)
    assert along(schedules.multi_step(sorted(milestones), factor)) == pytest.approx(expected, rel=1e-12)


@few
@given(factors, st.floats(0.01, 2), st.floats(0.2, 2), st.integers(1, 50), st.floats(0, 0.5))
def test_exponential_inverse_time_and_polynomial_are_their_formulae(factor, decay, power, updates, final):
    for t in range(60):
        assert schedules.exponential(factor)(t) == pytest.approx(math.prod([factor] * t), rel=1e-11)
        assert schedules.inverse_time(decay, power)(t) == pytest.approx(1 / (1 + decay * t) ** power)
        left = max(0, 1 - t / updates)
        assert schedules.polynomial(updates, power, final)(t) == pytest.approx(final + (1 - final) * left**power)


@few
@given(st.integers(1, 12), st.integers(1, 3), st.floats(0, 0.5))
def test_warm_restarts_are_equation_5_cycle_after_cycle(first, growth, final):
    length, since, expected = first, 0, []
    for _ in range(100):
        if since == length:
            since, length = 0, length * growth
        expected.append(final + 0.5 * (1 - final) * (1 + math.cos(math.pi * since / length)))
        since += 1
    assert along(schedules.warm_restarts(first, growth, final), 100) == pytest.approx(expected, abs=1e-12)


@few
@given(st.integers(1, 40), st.floats(0, 0.5))
def test_a_cosine_is_one_cycle_of_it_and_then_stays(updates, final):
    one, cycles = schedules.cosine(updates, final), schedules.warm_restarts(updates, 1, final)
    for t in range(updates):
        assert one(t) == pytest.approx(cycles(t), abs=1e-12)
    assert along(one, 100)[updates:] == pytest.approx([final] * (100 - updates), abs=1e-12)


@few
@given(st.integers(1, 20), st.floats(0, 1))
def test_warm_up_is_a_line_and_then_the_schedule_from_its_own_beginning(updates, start):
    then = schedules.exponential(0.9)
    found = along(schedules.warm_up(updates, then, start))
    assert found[:updates] == pytest.approx([start + (1 - start) * t / updates for t in range(updates)])
    assert found[updates:] == pytest.approx(along(then, 60 - updates))


def test_the_transformers_schedule_is_a_warm_up_and_an_inverse_root():
    share = schedules.warm_up(40, schedules.inverse_time(1 / 40, 0.5))
    for t in range(1, 200):
        assert 40**-0.5 * share(t) == pytest.approx(min(t**-0.5, t * 40**-1.5), rel=1e-12)


PAIRS = {
    "StepLR": ((7, 0.5), schedules.step(7, 0.5)),
    "MultiStepLR": (([3, 9, 10], 0.2), schedules.multi_step([3, 9, 10], 0.2)),
    "ExponentialLR": ((0.97,), schedules.exponential(0.97)),
    "PolynomialLR": ((30, 0.7), schedules.polynomial(30, 0.7)),
    "CosineAnnealingLR": ((59,), schedules.cosine(59)),
    "CosineAnnealingWarmRestarts": ((5, 2), schedules.warm_restarts(5, 2)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_two_groups_of_weights_go_as_under_torchs_scheduler(name):
    constants, schedule = PAIRS[name]
    paths = []
    for ours in (True, False):
        weights = [torch.ones(2, dtype=torch.float64, requires_grad=True) for _ in range(2)]
        optimiser = SGD([{"params": [weights[0]]}, {"params": [weights[1]], "lr": 0.02}], lr=0.1, momentum=0.9)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own deprecations
            kind = getattr(torch.optim.lr_scheduler, name)
            scheduler = Scheduler(optimiser, schedule) if ours else kind(optimiser, *constants)
            for _ in range(50):
                for w in weights:
                    w.grad = w.detach().clone()
                optimiser.step()
                scheduler.step()
        paths.append(torch.cat(weights).detach())
    torch.testing.assert_close(*paths, rtol=0, atol=1e-13)


def made(rates=(0.1, 0.4)):
    return SGD([{"params": [torch.zeros(1)], "lr": rate} for rate in rates], lr=1.0)


def rates_of(optimiser):
    return [group["lr"] for group in optimiser.param_groups]


def test_the_first_rates_are_set_at_once_and_each_group_may_have_its_own_schedule():
    optimiser = made()
    scheduler = Scheduler(optimiser, [schedules.warm_up(2, schedules.exponential(0.5)), schedules.exponential(0.5)])
    seen = [rates_of(optimiser)]
    for _ in range(4):
        scheduler.step()
        seen.append(rates_of(optimiser))
    assert seen == [pytest.approx(row) for row in ([0, 0.4], [0.05, 0.2], [0.1, 0.1], [0.05, 0.05], [0.025, 0.025])]


def test_it_goes_on_from_a_state_dictionary():
    whole, first, again = made(), made(), made((7.0, 7.0))
    for optimiser, count in ((whole, 9), (first, 5)):
        scheduler = Scheduler(optimiser, schedules.cosine(12))
        for _ in range(count):
            scheduler.step()
    later = Scheduler(again, schedules.cosine(12))
    later.load_state_dict(scheduler.state_dict())
    assert rates_of(again) == rates_of(first)
    for _ in range(4):
        later.step()
    assert rates_of(again) == rates_of(whole)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: schedules.step(0), "every must be above 0, and finite: 0"),
        (lambda: schedules.multi_step([3, 3]), r"milestones must rise: \[3, 3\]"),
        (lambda: schedules.exponential(math.nan), "factor must be above 0, and finite: nan"),
        (lambda: schedules.inverse_time(-1), "decay must be above 0, and finite: -1"),
        (lambda: schedules.polynomial(math.inf), "updates must be above 0, and finite: inf"),
        (lambda: schedules.cosine(-5), "updates must be above 0, and finite: -5"),
        (lambda: schedules.warm_restarts(10, 0.5), "growth must be 1 or more, and finite: 0.5"),
        (lambda: schedules.warm_restarts(0), "first must be above 0, and finite: 0"),
        (lambda: schedules.warm_up(0, schedules.step(1)), "updates must be above 0, and finite: 0"),
        (lambda: Scheduler(made(), [schedules.step(1)]), "need one schedule, or one for each of 2 groups: 1"),
        (lambda: Scheduler(made(), lambda t: -1.0), "a schedule must give 0 or more, and finite: -1.0 at update 0"),
        (
            lambda: Scheduler(made(), schedules.step(1)).load_state_dict({"rates": [1.0], "update": 0}),
            "need a state of 2 groups: 1",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_a_bad_share_leaves_every_rate_as_it_was():
    optimiser = made()
    scheduler = Scheduler(optimiser, [schedules.step(1, 0.5), lambda t: math.nan if t else 1.0])
    with pytest.raises(ValueError, match="nan at update 1"):
        scheduler.step()
    assert rates_of(optimiser) == [0.1, 0.4]


def test_torchs_schedulers_reproduce_the_numbers():
    assert check("schedules", numbers="sgdr_*", warm_restarts="dmbench.peers.schedules:warm_restarts")
    assert check("schedules", numbers="googlenet", step="dmbench.peers.schedules:step")
