"""NAS-Bench-201: what every cell of a small search space reaches, so that a search is a look-up.

Source: Dong and Yang (2020), NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search,
arXiv:2001.00326. A search may see the validation accuracy after 12 epochs, a `Signal`; what is reported is the mean
test accuracy after 200 epochs, a `Final`, which is no number on purpose: a search that is given it by mistake fails.

A cell is six operations, one an edge, in the order of the benchmark's cell string (1<-0, 2<-0, 2<-1, 3<-0, 3<-1, 3<-2),
numbered none 0, skip_connect 1, nor_conv_1x1 2, nor_conv_3x3 3, avg_pool_3x3 4.
"""

import csv
import gzip
import io
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

EDGES, OPERATIONS = 6, 5
CELLS = OPERATIONS**EDGES
# The data sets, and how their columns begin.
DATA = {"cifar10": "c10", "cifar100": "c100", "imagenet16_120": "in16"}
COLUMNS = tuple(f"{short}_{what}" for short in DATA.values() for what in ("val12", "test200"))


@dataclass(frozen=True)
class Final:
    """A mean test accuracy after 200 epochs, in per cent: what is reported, and what no search may see."""

    percent: float


@dataclass(frozen=True)
class Signal:
    """The validation accuracy of each cell after 12 epochs, in per cent: what a search may see."""

    data: str
    by_code: tuple[float, ...]

    def __call__(self, cell: Sequence[int]) -> float:
        """Return a cell's accuracy. Raises: ValueError: it is no cell."""
        return self.by_code[code(cell)]


@dataclass(frozen=True)
class Test:
    """The mean test accuracy of each cell after 200 epochs; not to be called, so that it is no signal."""

    __test__ = False  # no test case, whatever pytest makes of the name
    data: str
    by_code: tuple[Final, ...]

    def of(self, cell: Sequence[int]) -> Final:
        """Return what a cell reaches. Raises: ValueError: it is no cell."""
        return self.by_code[code(cell)]

    @cached_property
    def best(self) -> Final:
        """The highest of all cells."""
        return max(self.by_code, key=lambda one: one.percent)

    def regret(self, cell: Sequence[int]) -> float:
        """Return how far below the best cell this one is, in points."""
        return self.best.percent - self.of(cell).percent


@dataclass(frozen=True, eq=False)  # the same or another, by identity
class NasBench201:
    """The benchmark: by data set, what a search may see and what is reported of its choice."""

    signals: Mapping[str, Signal]
    tests: Mapping[str, Test]

    def signal(self, data: str) -> Signal:
        """Return what a search on cifar10, cifar100 or imagenet16_120 may see. Raises: ValueError: another set."""
        return self.signals[_known(data)]

    def test(self, data: str) -> Test:
        """Return what is reported for a data set. Raises: ValueError: an unknown one."""
        return self.tests[_known(data)]


def read_nas_bench_201(files: Mapping[str, Path]) -> NasBench201:
    """Read the benchmark from the one file whose name ends in `.csv.gz`.

    Raises:
        ValueError: the file is not there or damaged, a cell is missing, there twice or none, or an accuracy is none.
    """
    path = next((path for name, path in files.items() if name.endswith(".csv.gz")), None)
    if path is None:
        raise ValueError(f"NAS-Bench-201 needs its table, a .csv.gz: {', '.join(files) or 'no files'}")
    try:
        text = gzip.decompress(path.read_bytes()).decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: damaged, or no compressed table ({str(error)[:80]})") from error
    return parse(text, str(path))


def parse(text: str, name: str = "the table") -> NasBench201:
    """Read the benchmark from text: a header, and a line a cell. name: what errors call it; errors as above."""
    rows = csv.reader(io.StringIO(text))
    header = next(rows, [])
    if header != ["cell", *COLUMNS]:
        raise ValueError(f"{name}: need the columns cell, {', '.join(COLUMNS)}: {', '.join(header) or 'none'}")
    found: dict[int, tuple[float, ...]] = {}
    for line, row in enumerate(rows, 2):
        here = f"{name}, line {line}"
        cell = _cell(row[0] if row else "", here)
        if code(cell) in found:
            raise ValueError(f"{here}: cell {row[0]} is there twice")
        if len(row) != 1 + len(COLUMNS):
            raise ValueError(f"{here}: need {len(COLUMNS)} accuracies: {len(row) - 1}")
        found[code(cell)] = tuple(_accuracy(value, here) for value in row[1:])
    if len(found) < CELLS:
        first = next(number for number in range(CELLS) if number not in found)
        raise ValueError(f"{name}: {CELLS - len(found)} of {CELLS} cells are missing, the first {_digits(first)}")
    columns = dict(zip(COLUMNS, zip(*(found[number] for number in range(CELLS)), strict=True), strict=True))
    return NasBench201(
        {data: Signal(data, columns[f"{short}_val12"]) for data, short in DATA.items()},
        {data: Test(data, tuple(map(Final, columns[f"{short}_test200"]))) for data, short in DATA.items()},
    )


def code(cell: Sequence[int]) -> int:
    """Return a cell's place among all, its digits read in base five. Raises: ValueError: it is no cell."""
    number = 0
    for operation in cell:
        if operation not in range(OPERATIONS):
            break
        number = OPERATIONS * number + operation
    else:
        if len(cell) == EDGES:
            return number
    raise ValueError(f"a cell is {EDGES} operations, each from 0 to {OPERATIONS - 1}: {tuple(cell)}")


def generated(accuracy: Callable[[tuple[int, ...], str], float]) -> str:
    """Return the text of a whole table with accuracy(cell, column) in it: for tests, and for tables of one's own."""
    lines = [",".join(["cell", *COLUMNS])]
    for number in range(CELLS):
        cell = tuple(map(int, _digits(number)))
        lines.append(",".join([_digits(number), *(str(accuracy(cell, column)) for column in COLUMNS)]))
    return "\n".join(lines) + "\n"


def _digits(number: int) -> str:
    return "".join(str(number // OPERATIONS**place % OPERATIONS) for place in reversed(range(EDGES)))


def _cell(word: str, here: str) -> list[int]:
    digits = [int(letter) if letter in "0123456789" else -1 for letter in word]
    try:
        code(digits)
    except ValueError:
        raise ValueError(f"{here}: a cell is {EDGES} digits from 0 to {OPERATIONS - 1}: {word or 'nothing'}") from None
    return digits


def _accuracy(word: str, here: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 100:
        raise ValueError(f"{here}: an accuracy is from 0 to 100 per cent: {word}")
    return value


def _known(data: str) -> str:
    if data not in DATA:
        raise ValueError(f"the benchmark has {', '.join(DATA)}: {data}")
    return data
