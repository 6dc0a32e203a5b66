"""Which cells go next, and that each is answered once, whatever happens to those that have it: without any machine."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench.harness.cells import BATCH_SECONDS, Cell
from dmbench.harness.cluster_queue import LARGEST_BATCH, TRIES, Queue
from dmbench.harness.measure import Task

LONG = Cell(Task("toy", "long", ("long",), "slow", 0))


def quick(count):
    return [Cell(Task("toy", "short", ("short",), "quick", seed)) for seed in range(count)]


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.integers(1, 12), st.data())
def test_each_cell_is_answered_once_whatever_happens_to_its_worker(count, data):
    cells = quick(count) + [replace(LONG, task=replace(LONG.task, seed=seed)) for seed in range(2)]
    queue, busy, thought_dead, answered = Queue(cells), [], [], Counter()

    def answer(batch):
        answered.update(cell.task for cell in batch if queue.answered(cell))

    events = st.sampled_from(["handed out", "whole", "in part", "raised", "cancelled", "died", "late"])
    for _ in range(100):
        event = data.draw(events)
        if event == "handed out" and queue.left:
            busy.append(queue.batch(1))
        elif event == "late" and thought_dead:
            answer(thought_dead.pop())
        elif event == "died":
            thought_dead += busy
            answered.update(outcome.task for outcome in queue.died(busy, "tcp://a"))
            busy = []
        elif busy:
            batch = busy.pop(0)
            begun = {"cancelled": [], "in part": batch[:1]}.get(event, batch)
            queue.back(batch[len(begun) :])
            queue.took(len(begun), 0.001)
            answer(cell for cell in begun if not (event == "raised" and queue.again(cell, "raised")))
        if not queue.left and not busy:
            break
    while queue.left:
        answer(queue.batch(1))
    for batch in busy + thought_dead:
        answer(batch)
    assert answered == Counter(cell.task for cell in cells)


def test_batches_grow_while_they_are_short_and_shrink_when_they_are_long():
    queue = Queue(quick(5_000))
    sizes = []
    for _ in range(12):
        sizes.append(len(queue.batch(2)))
        queue.took(sizes[-1], 0.01)
    assert sizes == [1, 2, 4, 8, 16, 32, 64, 128, 256, 256, 256, 256]
    assert LARGEST_BATCH == 256
    queue.took(2, 1.1 * BATCH_SECONDS)  # cells of half a second
    assert len(queue.batch(2)) == 1
    queue.took(1, BATCH_SECONDS / 2)
    assert len(queue.batch(2)) == 1


def test_a_long_cell_goes_by_itself_and_the_last_cells_go_one_by_one():
    queue = Queue([*quick(30), LONG, LONG, *quick(100)[30:]])
    for _ in range(8):
        queue.took(300, 0.01)
    sizes = []
    while queue.left:
        batch = queue.batch(1)
        assert batch == [LONG] or LONG not in batch
        assert len(batch) <= max(1, (len(queue.left) + len(batch)) // 4)
        sizes.append(len(batch))
    assert (sizes[:4], sizes[-4:]) == ([25, 5, 1, 1], [1, 1, 1, 1])


def test_only_the_oldest_batch_of_a_dead_worker_is_suspected():
    cells = quick(40)
    queue = Queue(cells)
    for _ in range(8):
        queue.took(300, 0.01)
    batches = [queue.batch(1), queue.batch(1)]
    assert [len(batch) for batch in batches] == [9, 7]
    assert list(queue.died(batches, "tcp://a")) == []
    assert list(queue.left) == cells
    assert [len(queue.batch(1)) for _ in range(10)] == [1] * 9 + [7]


def test_a_cell_whose_worker_died_three_times_while_it_was_alone_with_it_fails():
    (cell,) = quick(1)
    queue = Queue([cell])
    ended = [list(queue.died([queue.batch(1)], "tcp://b")) for _ in range(TRIES)]
    assert [len(outcomes) for outcomes in ended] == [0, 0, 1]
    assert ended[-1][0].failed
    assert ended[-1][0].reason == "its worker died 3 times, the last one tcp://b: run it alone"
    assert not queue.left


def test_a_cell_that_raises_is_tried_three_times():
    (cell,) = quick(1)
    queue = Queue([cell])
    attempts = 0
    while queue.left:
        queue.batch(1)
        attempts += 1
        queue.again(cell, "raised")
    assert attempts == TRIES


def test_what_has_an_answer_is_not_handed_out_again():
    first, second = quick(2)
    queue = Queue([first, second])
    queue.left.clear()
    assert queue.answered(first)
    assert not queue.answered(first)
    queue.back([first, second])
    assert list(queue.left) == [second]
    assert not queue.again(first, "raised")
    assert [outcome.task for outcome in queue.given_up("nobody is there")] == [second.task]
