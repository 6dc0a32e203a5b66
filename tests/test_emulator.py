"""Games played without looking, against the vector environment with its frames."""

from dataclasses import asdict

import numpy as np
import pytest
import torch

from dmbench.datasets.atari import GAMES, Atari, Protocol, protocol_2013, protocol_2015
from dmbench.datasets.emulator import Emulator
from dmbench.experiments._scoring import play_at_random


def choices(actions, length, seed=0):
    return np.random.default_rng(seed).integers(actions, size=length).tolist()


def with_frames(game, protocol, taken):
    """Rewards of an episode of the vector environment, a second start; and the no-ops that it began with."""
    environment = Atari(game, 1, **asdict(protocol))
    environment.reset([0])
    _, info = environment._env.reset()
    rewards = []
    for choice in taken:
        environment.send(torch.tensor([choice]))
        answer = environment.receive()
        rewards.append(int(answer.rewards[0]))
        if bool(answer.terminal | answer.truncated):
            break
    return rewards, int(info["episode_frame_number"][0])


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("year", [2013, 2015])
def test_an_episode_has_the_rewards_and_the_end_that_it_has_with_frames(game, year):
    protocol = protocol_2013(game) if year == 2013 else protocol_2015(6, 5)
    emulator = Emulator(game, protocol)
    taken = choices(emulator.actions, 350, seed=1)
    rewards, noops = with_frames(game, protocol, taken)
    assert emulator.episode(taken, noops) == rewards
    assert game == "enduro" or any(rewards)


@pytest.mark.parametrize("limit", [200, 201, 203])
def test_a_long_episode_is_cut_where_it_is_with_frames(limit):
    protocol = Protocol(skip=4, limit=limit)
    taken = choices(6, 100)
    rewards, _ = with_frames("pong", protocol, taken)
    emulator = Emulator("pong", protocol)
    assert emulator.episode(taken) == rewards
    assert len(rewards) == -(-limit // 4)
    assert len(emulator.episode(taken, noops=30)) == len(rewards)  # no-ops come before the episode


@pytest.mark.parametrize("game", ["beam_rider", "qbert", "space_invaders"])
def test_an_episode_is_a_function_of_its_actions_whatever_was_played_before(game):
    emulator, other = (Emulator(game, protocol_2013(game)) for _ in range(2))
    taken = choices(emulator.actions, 300)
    first = emulator.episode(taken)
    emulator.episode(choices(emulator.actions, 170, seed=1), noops=5)
    assert emulator.episode(taken) == first == other.episode(taken)


def test_the_frames_of_doing_nothing_are_nought_to_thirty_alike():
    emulator = Emulator("breakout", protocol_2015(6, 5))
    seen = []
    emulator.episode = lambda taken, noops: seen.append(noops) or [0]
    for number in range(6_000):
        emulator.at_random(np.random.default_rng(number))
    counts = np.bincount(seen, minlength=31)
    assert len(counts) == 31
    assert np.abs(counts - 6_000 / 31).max() < 4.5 * np.sqrt(6_000 / 31)


def test_a_random_player_takes_every_action_alike_and_whatever_was_before():
    emulator = Emulator("seaquest", protocol_2013("seaquest"))
    seen = []

    def keep(taken, noops):
        seen.extend(choice for choice, _ in zip(taken, range(1_800), strict=False))
        return [0]

    emulator.episode = keep
    emulator.at_random(np.random.default_rng(0))
    counts = np.bincount(seen, minlength=18)
    assert len(counts) == 18
    assert np.abs(counts - 100).max() < 45
    assert abs(np.corrcoef(seen[1:], seen[:-1])[0, 1]) < 0.1


def test_scores_are_of_whole_episodes_each_of_its_seed_and_number():
    emulator = Emulator("breakout", protocol_2013("breakout"))
    told = []
    scores = play_at_random(emulator, 4, 3, tell=lambda done, total: told.append((done, total)))
    assert scores == [emulator.at_random(np.random.default_rng((3, number))) for number in range(4)]
    assert scores[1:] != play_at_random(emulator, 3, 4)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert scores == [float(score) for score in scores]


def test_an_illegal_action_is_told():
    with pytest.raises(ValueError, match="illegal action 6: this game has the actions 0 to 5"):
        Emulator("pong", protocol_2013("pong")).episode([0, 6])


def test_an_unknown_game_is_told_with_the_nearest_names():
    with pytest.raises(ValueError, match="unknown game pog: did you mean pong"):
        Emulator("pog", protocol_2013("pong"))
