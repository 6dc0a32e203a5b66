"""Spare emulators: every episode is the one that the plain environments play, prepared or not."""

import pytest
import torch

from dmbench.datasets.atari import nature, playing_atari
from dmbench.datasets.atari_spares import SparedAtari


def played(environments, steps, ahead):
    """What is seen over some steps of chance, with episodes begun anew where they end, and every 17th time."""
    random = torch.Generator().manual_seed(0)
    seeds = iter(range(100, 1000))
    seen = [environments.reset([next(seeds) for _ in range(environments.count)])]
    begun = 100 + environments.count
    for step in range(steps):
        if ahead is not None and step % 5 == 0:
            environments.prepare(ahead(begun))
        environments.send(torch.randint(environments.actions, (environments.count,), generator=random))
        answer = environments.receive()
        seen += list(answer)
        over = answer.terminal | answer.truncated
        over[step % environments.count] |= step % 17 == 16
        if bool(over.any()):
            begun += int(over.sum())
            seen.append(environments.restart(over, [next(seeds) for _ in range(int(over.sum()))]))
    return seen


AHEAD = {
    "none": None,
    "the next": lambda begun: range(begun, begun + 4),
    "others": lambda begun: [begun + 1, 5, begun],
}


@pytest.mark.parametrize("ahead", AHEAD)
@pytest.mark.parametrize("protocol", [playing_atari, nature])
def test_episodes_are_those_of_the_plain_environments(protocol, ahead):
    plain = played(protocol("breakout", 3), 120, None)
    spared = played(SparedAtari(lambda: protocol("breakout"), 3, 2), 120, AHEAD[ahead])
    assert len(plain) == len(spared)
    assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(plain, spared, strict=True))


def test_an_episode_that_was_prepared_is_not_begun_again():
    environments = SparedAtari(lambda: playing_atari("pong"), 2, 1)
    environments.reset([1, 2])
    before = list(environments._playing)
    environments.prepare([7, 8])
    assert list(environments._begun) == [7]
    environments.restart(torch.tensor([False, True]), [7])
    assert environments._playing[0] is before[0]
    assert environments._playing[1] is not before[1]
    assert environments._free == [before[1]]
    environments.prepare([9])
    environments.prepare([10])
    assert list(environments._begun) == [10]


def test_what_one_step_gave_is_not_changed_by_the_next():
    environments = SparedAtari(lambda: playing_atari("pong"), 1, 1)
    first = environments.reset([1])
    kept = first.clone()
    environments.send(torch.zeros(1, dtype=torch.int64))
    answer = environments.receive()
    held = answer.observations.clone()
    environments.restart(torch.tensor([True]), [3])
    assert torch.equal(first, kept)
    assert torch.equal(answer.observations, held)


def test_an_illegal_action_is_one_line():
    with pytest.raises(ValueError, match="illegal action 9: this game has the actions 0 to 5"):
        SparedAtari(lambda: playing_atari("pong"), 1, 0).send(torch.tensor([9]))
