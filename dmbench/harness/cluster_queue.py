"""The cells of a run that have no answer yet: which go next, how many together, and how often one is tried.

A message to a worker costs some milliseconds, so that short cells share one. How many do follows from what batches
took: at most a second's worth. Whatever happens, a cell is answered once: the first answer counts, and no other does.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator

from dmbench.harness.cells import BATCH_SECONDS, Cell
from dmbench.harness.measure import Outcome

TRIES = 3  # of a cell that raises, or whose worker dies
LARGEST_BATCH = 256  # quick cells a message


class Queue:
    """Cells in the order in which they are handed out, and what is known of each."""

    def __init__(self, cells: Iterable[Cell]) -> None:
        self.left = deque(cells)
        self._open = {cell.key for cell in self.left}  # without an answer, be they left or with a worker
        self._tries: Counter[tuple[str, str]] = Counter()  # by key, and by what went wrong
        self._alone: set[str] = set()  # cells whose worker died: handed out by themselves from then on
        self._size = 1  # of a batch, as far as known

    def batch(self, workers: int) -> list[Cell]:
        """Take the next cells: one, or several quick ones, fewer as the end comes near."""
        cells = [self.left.popleft()]
        most = min(self._size, len(self.left) // (4 * workers))
        while (
            len(cells) < most
            and not {cells[0].key, self.left[0].key} & self._alone
            and {cells[0].task.tier, self.left[0].task.tier} == {"quick"}
        ):
            cells.append(self.left.popleft())
        return cells

    def took(self, cells: int, seconds: float) -> None:
        """Learn from a batch: the next ones are larger if it was short, and smaller if it was long."""
        if seconds > BATCH_SECONDS:
            self._size = max(1, min(self._size, cells) // 2)
        elif seconds < BATCH_SECONDS / 4 and cells >= self._size:
            self._size = min(2 * self._size, LARGEST_BATCH)

    def back(self, cells: Iterable[Cell]) -> None:
        """Hand out anew, before all others, what has no answer yet."""
        self.left.extendleft(cell for cell in reversed(list(cells)) if cell.key in self._open)

    def again(self, cell: Cell, why: str) -> bool:
        """Hand a cell out once more, after all others, unless it has gone wrong in this way often enough."""
        self._tries[cell.key, why] += 1
        if self._tries[cell.key, why] >= TRIES or cell.key not in self._open:
            return False
        self.left.append(cell)
        return True

    def answered(self, cell: Cell) -> bool:
        """Return whether this is the first answer to a cell, the one that counts."""
        first = cell.key in self._open
        self._open.discard(cell.key)
        return first

    def died(self, batches: list[list[Cell]], address: str) -> Iterator[Outcome]:
        """Hand out anew what a dead worker was at, oldest batch first; only that one can have killed it."""
        first, *others = batches or [[]]
        self.back(cell for cells in others for cell in cells)
        self._alone.update(cell.key for cell in first)
        if len(first) == 1:
            (cell,) = first
            self._tries[cell.key, "died"] += 1
            if self._tries[cell.key, "died"] >= TRIES and self.answered(cell):
                reason = f"its worker died {TRIES} times, the last one {address}: run it alone"
                yield Outcome(cell.task, reason=reason, failed=True)
        self.back(first)

    def given_up(self, reason: str) -> Iterator[Outcome]:
        """End all that is left."""
        while self.left:
            cell = self.left.popleft()
            if self.answered(cell):
                yield Outcome(cell.task, reason=reason, failed=True)
