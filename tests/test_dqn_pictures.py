"""What agents see and think: moments, figures and GIFs of an episode; files of agents; curves drawn behind ours."""

import io
import json
import tomllib

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from dmbench.agents.dqn import NatureNetwork, PlayingAtariNetwork
from dmbench.datasets.atari import GAMES, playing_atari
from dmbench.experiments import _dqn_agents, _dqn_pictures
from dmbench.experiments._dqn_agents import commit, described, facts_of, kept_of, network_of
from dmbench.experiments._dqn_look import Look, action_names, animated, frames, look, values
from dmbench.harness.discovery import backdrops, experiments, papers, pictures
from dmbench.harness.numbers import read_paper
from dmbench.harness.records import append
from dmbench.harness.report_pictures import Drawing
from tests.harness.conftest import record  # noqa: F401


def seen(best, rewards=None, actions=3):
    """A look whose best action, the last, has the given values."""
    count = len(best)
    table = torch.zeros(count, actions)
    table[:, -1] = torch.tensor(best)
    states = torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(count, 4, 84, 84)
    return Look("a game", 4, ["noop", "left", "right"][:actions], states, table, [0] * count, rewards or [0.0] * count)


def test_the_moments_are_the_highest_value_off_the_ends_and_the_lowest_around_it():
    best = [1.0 + (step % 7) / 1000 for step in range(200)]
    for step, value in {0: 9.0, 90: 0.5, 100: 5.0, 120: 0.25, 60: 0.1, 197: 8.0}.items():
        best[max(0, step - 2) : step + 3] = [value] * len(best[max(0, step - 2) : step + 3])
    best[140] = 20.0  # a flicker
    assert seen(best).moments == {"A": 90, "B": 100, "C": 120}


@pytest.mark.parametrize("count", [1, 2, 30])
def test_a_short_episode_has_moments_too(count):
    moments = seen([float(step) for step in range(1, count + 1)]).moments
    assert 0 <= moments["A"] <= moments["B"] <= moments["C"] < count


@pytest.mark.parametrize("count", [2, 90])
def test_the_figures_name_their_axes_with_units(count):
    shown = seen([1.0 + step for step in range(count)], [1.0] * count)
    above, below = values(shown).axes
    assert above.get_ylabel() == "predicted value\n(discounted clipped points)"
    assert (below.get_ylabel(), below.get_xlabel()) == (
        "score so far\n(points)",
        "agent steps of 4 frames, 15 a second",
    )
    assert below.lines[0].get_ydata().tolist() == [float(step + 1) for step in range(count)]
    assert [text.get_text() for text in above.get_legend().get_texts()] == ["noop", "left", "right", "best action"]
    panels = frames(shown).axes
    assert len(panels) == 15
    b = shown.moments["B"]
    assert panels[8].get_xlabel() == f"agent step {b}"
    assert int(panels[8].images[0].get_array().max()) == b
    assert panels[9].get_xlabel() == "value (red: the action taken)"


def test_the_gif_moves_in_about_real_time_with_the_score_of_the_steps_before():
    gif = animated(seen([0.5] * 40, [1.0] * 40), 30, 2)
    with Image.open(io.BytesIO(gif)) as picture:
        assert (picture.n_frames, picture.size) == (30, (168, 216))
        assert 60 <= picture.info["duration"] <= 70
        picture.seek(20)
        assert picture.convert("L").getpixel((80, 80)) == pytest.approx(20, abs=4)  # that step's frame


@pytest.mark.parametrize(
    ("game", "names"),
    [
        ("breakout", ["noop", "fire", "right", "left"]),
        ("pong", ["noop", "fire", "right", "left", "right fire", "left fire"]),
    ],
)
def test_actions_are_called_what_the_game_calls_them(game, names):
    assert action_names(game) == names
    assert len(action_names("seaquest")) == 18
    assert "up right fire" in action_names("seaquest")


def test_a_look_is_of_the_episode_that_the_policy_plays():
    torch.manual_seed(0)
    network = PlayingAtariNetwork(6)
    shown = look(playing_atari("pong"), network, "pong", 80, 3)
    assert shown.states.shape == (80, 4, 84, 84)
    assert shown.values.shape == (80, 6)
    assert shown.title == f"pong: 80 agent steps, score {sum(shown.rewards):g}"
    with torch.no_grad():
        assert torch.equal(network(shown.states[40:41])[0], shown.values[40])
    assert torch.equal(shown.states[41, :3], shown.states[40, 1:])
    greedy = (shown.values.argmax(1) == torch.tensor(shown.chosen)).double().mean()
    assert greedy > 0.85  # epsilon 0.05


@pytest.fixture
def trained(tmp_path, monkeypatch, record):  # noqa: F811
    """A results folder with a training of Enduro, and a reference folder to commit to; returns both and its network."""
    results, network = tmp_path / "results", PlayingAtariNetwork(9)
    weights = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    name = "dqn-trained_adam_enduro-seed0-weights.safetensors"
    (results / "kept").mkdir(parents=True)
    save_file(weights, results / "kept" / name)
    settings = {"game": "enduro", "steps": 1_500_000, "optimiser": "adam", "weights": name, "episodes": 30}
    facts = {"stem": "dqn", "experiment": "trained_adam_enduro", "commit": "c" * 40}
    append(results, [record("enduro_adam", 484.37, 0, settings=settings | {"interval": [446.0, 522.7]}, **facts)])
    monkeypatch.setattr(_dqn_agents, "reference", lambda: tmp_path / "reference")
    return results, tmp_path / "reference", network


def test_a_committed_agent_says_what_it_is_of(trained):
    results, reference, network = trained
    path, _ = commit(results, "enduro_adam", 0)
    assert path == reference / "agents" / "enduro.safetensors"
    assert facts_of(path) == {
        "game": "enduro",
        "number": "enduro_adam",
        "steps": 1_500_000,
        "optimiser": "adam",
        "seed": 0,
        "command": "dmbench run dqn --number enduro_adam",
        "trained_at": "c" * 40,
    }
    for name, value in network_of(path, 9).state_dict().items():
        assert torch.equal(value, network.state_dict()[name].half().float())
    assert facts_of(results / "kept" / "dqn-trained_adam_enduro-seed0-weights.safetensors") == {}


def test_what_goes_with_a_committed_agent_can_be_read_back(trained, tmp_path):
    results, _, _ = trained
    path, found = commit(results, "enduro_adam", 0)
    artifact, number = described(path, found).split("# papers/dqn.toml")
    (entry,) = tomllib.loads(artifact)["agent_enduro"]["files"]
    assert (entry["name"], entry["bytes"]) == ("agents/enduro.safetensors", path.stat().st_size)
    paper = tmp_path / "dqn.toml"
    paper.write_text(f'[paper]\ntitle = "A"\nauthors = "B"\nyear = 2013\n{number}')
    read = read_paper(paper).numbers["enduro_agent"]
    assert (read.value, read.atol, read.better) == (484.4, 38.4, "exact")


def test_a_training_that_is_not_there_cannot_be_committed(trained):
    results, _, _ = trained
    with pytest.raises(ValueError, match="has no training of pong_adam, seed 0: dmbench run dqn --number pong_adam"):
        commit(results, "pong_adam", 0)
    kept = kept_of(results, "enduro")
    kept.unlink()
    with pytest.raises(ValueError, match="weights.safetensors is not there, which the record of enduro_adam names"):
        commit(results, "enduro_adam", 0)
    assert kept_of(results, "enduro") is None


def test_either_papers_network_is_told_by_its_weights(tmp_path):
    for network in (PlayingAtariNetwork(6), NatureNetwork(6)):
        path = tmp_path / "pong.safetensors"
        save_file({name: value.half().contiguous() for name, value in network.state_dict().items()}, path)
        assert type(network_of(path, 6)) is type(network)
        with pytest.raises(
            ValueError, match="pong.safetensors has not the weights of the network of 2013 or of 2015 for 4"
        ):
            network_of(path, 4)
    (tmp_path / "none.safetensors").write_bytes(b"none")
    for function in (lambda path: network_of(path, 6), facts_of):
        with pytest.raises(ValueError, match="none.safetensors is no file of weights"):
            function(tmp_path / "none.safetensors")


def test_show_plays_what_was_committed_and_else_what_a_training_kept(trained, tmp_path, monkeypatch):
    results, reference, _ = trained
    monkeypatch.setattr(_dqn_pictures, "reference", lambda: reference)
    assert _dqn_pictures._weights("enduro", "", str(results)) == kept_of(results, "enduro")
    path, _ = commit(results, "enduro_adam", 0)
    assert _dqn_pictures._weights("enduro", "", str(results)) == path
    assert _dqn_pictures._weights("enduro", "mine.safetensors", str(results)).name == "mine.safetensors"
    assert _dqn_pictures._weights("pong", "", str(results)) is None
    title = _dqn_pictures.played("enduro", path, 3, 0).title
    assert title == "enduro, enduro.safetensors, trained for 1,500,000 agent steps: 3 agent steps, score 0"
    assert "an untrained network: 2 agent steps" in _dqn_pictures.played("pong", None, 2, 0).title


def test_the_report_has_a_frame_of_each_game_by_both_protocols():
    (shown,) = [one for one in pictures("dqn") if one.name == "seven_games"]
    figure = shown.function(Drawing("dqn", {}))
    assert len(figure.axes) == 14
    assert [axes.get_title() for axes in figure.axes[:7]] == [game.replace("_", " ") for game in GAMES]
    assert all(axes.images[0].get_array().shape == (84, 84) for axes in figure.axes)
    assert all(axes.images[0].get_array().std() > 1 for axes in figure.axes)


@pytest.fixture
def curves(tmp_path):
    """A file like Dopamine's, of one game."""
    path = tmp_path / "curves.json"
    points = [[float(10 * i + seed) for seed in range(5)] for i in range(3)]
    path.write_text(json.dumps({"curves": {"spaceinvaders": {"DQN (Adam + MSE in JAX)": points}}}))
    return path


def behind(path, name):
    """Return the backdrop of an experiment by its name."""
    (source,) = backdrops("dqn")
    chosen = next(e for e in experiments("dqn") if e.name == name)
    return source.function(Drawing("dqn", {"dopamine_dqn_curves": {"c": path}}), chosen)


def test_dopamines_seeds_lie_behind_every_training_on_their_game_at_the_ends_of_their_iterations(curves):
    for recipe in ("adam", "2013", "nature"):
        found = behind(curves, f"trained_{recipe}_space_invaders")
        assert found.x == [250_000, 500_000, 750_000]
        assert found.runs == [[seed, 10.0 + seed, 20.0 + seed] for seed in range(5)]
        assert (found.clock, found.key) == ("agent_steps", "score")
    for fact in (
        "Adam + MSE in JAX",
        "5 seeds",
        "sticky actions",
        "training returns",
        "250,000 agent steps",
        "Apache-2.0",
    ):
        assert fact in found.label
    assert "not the paper's number" in found.label


def test_dopamines_seeds_lie_behind_nothing_else(curves):
    assert behind(curves, "trained_adam_pong") is None  # not in this file
    assert behind(curves, "random_2013_breakout") is None
    assert behind(curves, "cartpole") is None


@pytest.mark.data
def test_dopamines_file_has_five_seeds_of_each_game(artifact):
    (path,) = artifact("dopamine_dqn_curves").values()
    for game in GAMES:
        found = behind(path, f"trained_adam_{game}")
        assert len(found.runs) == 5
        assert len(found.x) == len(found.runs[0]) == 199
    mean = [sum(values) / 5 for values in zip(*behind(path, "trained_adam_enduro").runs, strict=True)]
    assert next(x for x, value in zip(found.x, mean, strict=True) if value > 470) == 1_250_000


def test_the_table_of_games_shows_each_game_with_what_both_papers_print():
    (table,) = papers()["dqn"].tables
    assert list(table.rows) == list(GAMES)
    printed = [column for column in table.columns if column.show == "printed"]
    numbers = papers()["dqn"].numbers
    digits = {game: [numbers[c.numbers[game][0]].printed for c in printed] for game in GAMES}
    assert digits["space_invaders"] == ["179", "148", "581", "1,976"]
    assert digits["enduro"] == ["0", "0", "470", "301.8"]
    ours = next(column for column in table.columns if column.heading == "ours")
    assert ours.numbers["pong"][-1] == "pong_adam"
