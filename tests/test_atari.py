"""What the networks see of Atari, against the emulator's raw frames, preprocessed slowly in Python."""

import ale_py
import numpy as np
import pytest
import torch
from ale_py import roms

from dmbench.datasets.atari import GAMES, Atari, nature, playing_atari

ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)


def emulator(game):
    ale = ale_py.ALEInterface()
    ale.setFloat("repeat_action_probability", 0.0)
    ale.loadROM(roms.get_rom_path(game))
    return ale


def overlaps(size, wanted):
    """The share of each of `size` pixels in each of `wanted` larger ones: shrinking by area in one direction."""
    weights = np.zeros((wanted, size))
    for row in range(wanted):
        low, high = row * size / wanted, (row + 1) * size / wanted
        for pixel in range(size):
            weights[row, pixel] = max(0.0, min(high, pixel + 1) - max(low, pixel)) / (high - low)
    return weights


def shrunk(screen, height):
    return overlaps(210, height) @ screen @ overlaps(160, 84).T


def reference(game, choices, *, skip, maximum, height, top):
    """Frames and rewards of an episode without no-ops, from raw screens."""
    ale = emulator(game)
    actions = ale.getMinimalActionSet()
    frames, rewards = [], []
    for choice in choices:
        screens, reward = [], 0
        for _ in range(skip):
            reward += ale.act(actions[choice])
            screens.append(ale.getScreenGrayscale())
        seen = np.maximum(*screens[-2:]) if maximum else screens[-1]
        frames.append(shrunk(seen, height)[top : top + 84])
        rewards.append(reward)
    return np.array(frames), rewards


def played(environments, choices, seed=0):
    environments.reset([seed] * environments.count)
    answers = []
    for choice in choices:
        environments.send(torch.full((environments.count,), choice))
        answers.append(environments.receive())
    return answers


def some_choices(game, length, seed=0):
    return np.random.default_rng(seed).integers(0, playing_atari(game).actions, length).tolist()


@pytest.mark.parametrize("game", ["breakout", "space_invaders", "qbert"])
def test_frames_and_rewards_of_2013_are_those_of_raw_screens(game):
    choices = some_choices(game, 120)
    skip = 3 if game == "space_invaders" else 4
    frames, rewards = reference(game, choices, skip=skip, maximum=False, height=110, top=18)
    answers = played(playing_atari(game), choices)
    seen = np.array([answer.observations[0].numpy() for answer in answers], dtype=float)
    np.testing.assert_allclose(seen, frames, rtol=0, atol=1)  # uint8: the emulator's shrinking rounds
    assert [float(answer.rewards[0]) for answer in answers] == rewards


@pytest.mark.parametrize("game", ["space_invaders", "pong"])
def test_frames_of_2015_are_the_maximum_of_the_last_two(game):
    choices = some_choices(game, 60)
    environments = Atari(game, skip=4, maximum=True, limit=18_000)  # as `nature`, without no-ops
    seen = np.array([answer.observations[0].numpy() for answer in played(environments, choices)], dtype=float)
    frames, _ = reference(game, choices, skip=4, maximum=True, height=84, top=0)
    without, _ = reference(game, choices, skip=4, maximum=False, height=84, top=0)
    np.testing.assert_allclose(seen, frames, rtol=0, atol=1)
    assert np.abs(seen - without).max() > 20  # something moved, or blinked


def test_the_protocols_are_the_papers():
    def settings(environments):
        return environments.skip, environments.maximum, environments.noops, environments.limit

    assert settings(playing_atari("pong")) == (4, False, 0, 108_000)
    assert settings(playing_atari("space_invaders")) == (3, False, 0, 108_000)
    assert settings(nature("pong")) == (4, True, 30, 108_000)
    assert settings(nature("space_invaders", skip=6, minutes=5)) == (6, True, 30, 18_000)


def test_an_episode_of_2015_begins_after_at_most_thirty_noops_and_of_2013_at_once():
    ale = emulator("seaquest")
    screens = [shrunk(ale.getScreenGrayscale(), 84)]
    for _ in range(30):
        ale.act(ale_py.Action.NOOP)
        screens.append(shrunk(ale.getScreenGrayscale(), 84))
    begun = nature("seaquest", 12).reset(range(12)).double().numpy()
    distance = np.array([[np.abs(frame - screen).max() for screen in screens] for frame in begun])
    assert (distance.min(axis=1) <= 1).all()
    assert len(np.unique(begun.reshape(12, -1), axis=0)) > 4
    at_once = playing_atari("seaquest", 3).reset([1, 2, 3])
    assert torch.equal(at_once[0], at_once[1])
    assert torch.equal(at_once[0], at_once[2])


def test_no_ops_are_nought_to_thirty():
    environments = nature("breakout")
    environments.reset([0])
    seen = [int(environments._env.reset()[1]["episode_frame_number"][0]) for _ in range(250)]
    assert sorted(set(seen)) == list(range(31))


def test_actions_are_minimal_and_never_sticky():
    assert [playing_atari(game).actions for game in GAMES] == [9, 4, 9, 6, 6, 18, 6]
    environments = playing_atari("breakout", 2)
    environments.reset([5, 6])  # without no-ops, a seed would show in sticky actions alone
    for choice in some_choices("breakout", 150, seed=1):
        environments.send(torch.tensor([choice, choice]))
        one, two = environments.receive().observations
        assert torch.equal(one, two)


def test_rewards_are_the_games_own_points():
    points = {float(answer.rewards[0]) for answer in played(playing_atari("qbert"), some_choices("qbert", 200))}
    assert max(points) >= 25


def test_an_episode_is_a_function_of_its_seed_and_actions_wherever_it_is_played():
    choices = some_choices("breakout", 40)
    alone = played(nature("breakout"), choices, seed=7)
    pair = nature("breakout", 2)
    pair.reset([1, 2])
    for _ in range(11):
        pair.send(torch.tensor([1, 1]))
        pair.receive()
    pair.restart(torch.tensor([False, True]), [7])
    for choice, answer in zip(choices, alone, strict=True):
        pair.send(torch.tensor([0, choice]))
        assert torch.equal(pair.receive().observations[1], answer.observations[0])


def test_the_loss_of_a_life_shows_and_does_not_end_an_episode():
    answers = played(playing_atari("breakout"), [1] * 120)
    lives = [int(answer.lives[0]) for answer in answers]
    assert lives[0] == 5
    assert lives[-1] < 3
    assert not any(bool(answer.terminal[0]) for answer in answers[: lives.index(3)])


def test_a_long_episode_is_cut_and_not_ended():
    environments = nature("pong", minutes=0.05)  # 180 frames
    answers = played(environments, [0] * 45)
    cut = [bool(answer.truncated[0]) for answer in answers]
    assert cut.index(True) * 4 <= 180
    assert not any(bool(answer.terminal[0]) for answer in answers[: cut.index(True) + 1])


def test_an_answer_stays_as_it_was_when_the_next_one_comes():
    environments = playing_atari("breakout")
    before = environments.reset([0])
    copy = before.clone()
    for _ in range(10):
        environments.send(torch.tensor([1]))
        environments.receive()
    assert torch.equal(before, copy)


def test_an_unknown_game_is_told_with_the_nearest_names():
    with pytest.raises(ValueError, match="unknown game brekout: did you mean breakout"):
        playing_atari("brekout")
    with pytest.raises(ValueError, match="did you mean space_invaders"):
        nature("Space-Invaders")
    with pytest.raises(ValueError, match="the papers' are beam_rider, breakout"):
        nature("xyzzy")


def test_a_missing_rom_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ALE_ROMS_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="the ROM of pong is missing: unset ALE_ROMS_DIR"):
        nature("pong")
    (tmp_path / "pong.bin").write_bytes(b"no game")
    with pytest.raises(FileNotFoundError, match="the ROM of pong is damaged: unset ALE_ROMS_DIR"):
        nature("pong")


def test_an_illegal_action_is_told_with_the_legal_ones():
    environments = playing_atari("pong", 2)
    environments.reset([0, 1])
    for bad, words in (
        (torch.tensor([0, 6]), "illegal action 6: this game has the actions 0 to 5"),
        (torch.tensor([-1, 0]), "illegal action -1"),
        (torch.tensor([0.0, 1.0]), r"need 2 whole numbers as actions.*: torch.float32 of shape \(2,\)"),
        (torch.tensor([False, True]), "need 2 whole numbers as actions.*: torch.bool of shape"),
        (torch.tensor([0]), "need 2 whole numbers"),
        ([0, 1], "need 2 whole numbers"),
    ):
        with pytest.raises(ValueError, match=words):
            environments.send(bad)
