"""The replay memory, against lists of whole episodes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench.agents.parts import replay_files
from dmbench.agents.parts.replay import ReplayMemory, Stack

WINDOWS = settings(max_examples=40, deadline=None)


def filled(memory, times, ends=(), cuts=()):
    """Store times 0, 1, ... that see one pixel, 1 + time + 100 x environment; ends and cuts are (time, place)."""
    count = memory.environments
    first = torch.ones(count, dtype=torch.bool)
    for time in range(times):
        seen = torch.tensor([[1 + time + 100 * place] for place in range(count)])
        end = torch.tensor([(time, place) in ends for place in range(count)])
        cut = torch.tensor([(time, place) in cuts for place in range(count)])
        memory.add(seen, first, seen[:, 0] % 7, seen[:, 0] / 2, end, cut)
        first = end | cut
    return memory


def states(time, place, stack, ends):
    """The stack at a time, from the episode's own observations: zeros before it."""
    begin = max([t + 1 for t, p in ends if p == place and t < time], default=0)
    return [1 + t + 100 * place if t >= begin else 0 for t in range(time - stack + 1, time + 1)]


@WINDOWS
@given(
    st.integers(1, 3),
    st.integers(2, 4),
    st.integers(6, 40),
    st.sets(st.tuples(st.integers(0, 39), st.integers(0, 2)), max_size=12),
)
def test_every_transition_is_that_of_its_episode(environments, stack, times, ends):
    memory = ReplayMemory(12 * environments, (1,), environments=environments, stack=stack, dtype=torch.int64)
    filled(memory, times, ends)
    time, place = memory.draw(200, torch.Generator().manual_seed(0))
    batch = memory.gather(time, place)
    for index, (t, p) in enumerate(zip(time.tolist(), place.tolist(), strict=True)):
        assert max(0, times - 12) <= t < times - 1
        assert batch.s_tm1[index, :, 0].tolist() == states(t, p, stack, ends)
        assert int(batch.a_tm1[index]) == (1 + t + 100 * p) % 7
        assert float(batch.r_t[index]) == (1 + t + 100 * p) / 2
        assert bool(batch.end_t[index]) == ((t, p) in ends)
        assert batch.s_t[index, :, 0].tolist() == states(t + 1, p, stack, ends)


@pytest.mark.parametrize("times", [7, 12, 13, 40])
def test_exactly_the_whole_transitions_are_drawn_and_alike(times):
    memory = filled(ReplayMemory(24, (1,), environments=2, stack=3, dtype=torch.int64), times)
    first = times - 12 + 2 if times > 12 else 0  # the first stacks' older frames are overwritten
    assert len(memory) == (times - 1 - first) * 2
    time, place = memory.draw(4000, torch.Generator().manual_seed(0))
    pairs, counts = torch.unique(torch.stack([time, place]), dim=1, return_counts=True)
    expected = [(t, p) for t in range(first, times - 1) for p in range(2)]
    assert sorted(map(tuple, pairs.T.tolist())) == expected
    assert (counts.double() - 4000 / len(expected)).abs().max() < 5 * (4000 / len(expected)) ** 0.5


def test_what_was_cut_off_is_never_drawn():
    memory = filled(ReplayMemory(20, (1,), stack=2, dtype=torch.int64), 12, cuts={(3, 0), (4, 0), (8, 0)})
    time, _ = memory.draw(500, torch.Generator().manual_seed(0))
    assert set(time.tolist()) == set(range(11)) - {3, 4, 8}
    batch = memory.gather(torch.tensor([5]), torch.tensor([0]))
    assert batch.s_tm1[0, :, 0].tolist() == [0, 6]


def test_a_stack_of_one_has_no_axis_of_frames():
    memory = ReplayMemory(9, (3,), stack=1, dtype=torch.float32, action_shape=(2,), action_dtype=torch.float32)
    no = torch.zeros(1, dtype=torch.bool)
    for time in range(5):
        memory.add(torch.full((1, 3), time / 2), no, torch.full((1, 2), -time), torch.ones(1), no, no)
    batch = memory.gather(torch.tensor([1, 3]), torch.tensor([0, 0]))
    assert batch.s_tm1.tolist() == [[0.5] * 3, [1.5] * 3]
    assert batch.s_t.tolist() == [[1.0] * 3, [2.0] * 3]
    assert batch.a_tm1.tolist() == [[-1.0] * 2, [-3.0] * 2]


def test_a_million_of_the_papers_frames_stay_under_8_gb():
    memory = ReplayMemory(1_000_000, (84, 84), environments=8)
    assert memory.observations.dtype == torch.uint8
    assert memory.times * memory.environments == 1_000_000
    assert memory.nbytes < 7.1e9


def test_the_stack_that_acts_is_the_stack_that_is_replayed():
    ends = {(4, 0), (5, 1), (9, 0)}
    memory = filled(ReplayMemory(60, (1,), environments=2, stack=4, dtype=torch.int64), 15, ends)
    stack = Stack(2, (1,), 4, torch.int64)
    for time in range(14):
        first = torch.tensor([time == 0 or (time - 1, place) in ends for place in range(2)])
        acted = stack.push(torch.tensor([[1 + time], [101 + time]]), first)
        replayed = memory.gather(torch.tensor([time, time]), torch.tensor([0, 1])).s_tm1
        assert torch.equal(acted, replayed)


@pytest.mark.parametrize(("times", "capacity"), [(30, 200), (300, 200), (1700, 200), (2600, 1100), (2600, 5000)])
@pytest.mark.parametrize("every", [130, 1500])
def test_a_memory_comes_back_from_its_files_bit_for_bit(times, capacity, every, tmp_path, monkeypatch):
    monkeypatch.setattr(replay_files, "PIECE", 64)

    def make():
        return ReplayMemory(capacity, (2,), environments=2, stack=2)

    memory, random = make(), torch.Generator().manual_seed(0)
    for time in range(times):
        flag = torch.rand(2, generator=random) < 0.1
        seen = torch.randint(256, (2, 2), generator=random, dtype=torch.uint8)
        memory.add(seen, flag, torch.tensor([time, 1]), torch.randn(2, generator=random), flag, ~flag)
        if time % every == every - 1:
            replay_files.save(memory, tmp_path)
            replay_files.tidy(memory, tmp_path)
    state = replay_files.save(memory, tmp_path)
    replay_files.tidy(memory, tmp_path)
    again = make()
    replay_files.load(again, tmp_path, state)
    assert again.added == memory.added
    slots = torch.arange(max(0, times - memory.times), times) % memory.times
    for name, column in memory.columns.items():
        assert torch.equal(again.columns[name][slots], column[slots]), name
    assert len(list(tmp_path.iterdir())) <= memory.times // 64 + 2


def test_files_of_times_after_the_state_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr(replay_files, "PIECE", 8)
    memory = filled(ReplayMemory(100, (1,), stack=2), 20)
    state = replay_files.save(memory, tmp_path)
    filled(memory, 20)
    replay_files.save(memory, tmp_path)
    again = ReplayMemory(100, (1,), stack=2)
    replay_files.load(again, tmp_path, state)
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["0", "1"]
    filled(again, 20)
    assert torch.equal(again.observations[:40], memory.observations[:40])


@pytest.mark.parametrize("damage", ["truncated", "garbage", "missing"])
def test_a_damaged_replay_file_is_one_line(damage, tmp_path, monkeypatch):
    monkeypatch.setattr(replay_files, "PIECE", 8)
    memory = filled(ReplayMemory(100, (1,), stack=2), 20)
    state = replay_files.save(memory, tmp_path)
    piece = tmp_path / "1.piece"
    content = piece.read_bytes()
    piece.unlink()
    if damage != "missing":
        piece.write_bytes(content[:-20] if damage == "truncated" else b"garbage")
    kind = "missing" if damage == "missing" else "truncated or damaged"
    with pytest.raises(ValueError, match=f"the replay file 1.piece is {kind}: begin anew with --fresh"):
        replay_files.load(ReplayMemory(100, (1,), stack=2), tmp_path, state)


def test_files_of_another_memory_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(replay_files, "PIECE", 8)
    state = replay_files.save(filled(ReplayMemory(100, (1,), stack=2), 20), tmp_path)
    with pytest.raises(ValueError, match="the replay's observations are of another memory"):
        replay_files.load(ReplayMemory(100, (2,), stack=2), tmp_path, state)


def test_a_memory_says_when_it_cannot_be_drawn_from():
    with pytest.raises(ValueError, match="capacity must be above 4 for stacks of 4: 4"):
        ReplayMemory(4, (1,))
    memory = ReplayMemory(10, (1,), stack=2)
    with pytest.raises(ValueError, match="the memory holds 0 times, of which none can be sampled"):
        memory.sample(1, torch.Generator())
    filled(memory, 6, cuts={(time, 0) for time in range(6)})
    with pytest.raises(ValueError, match="the memory holds 6 times, of which too many are cut off"):
        memory.sample(1, torch.Generator())
