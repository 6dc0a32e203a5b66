"""NAS-Bench-201's table: what was written is read, signal and test apart; the published rows; errors."""

import gzip
import random

import pytest

from dmbench.datasets.nas_bench_201 import CELLS, COLUMNS, DATA, Final, code, generated, parse, read_nas_bench_201
from dmbench.nas.parts.search import search
from dmbench.nas.random_search import RandomSearch
from dmbench.nas.space import nas_bench_201 as cell_space


def accuracy(cell, column):
    """A value of its own for each cell and column."""
    return round(
        10 * COLUMNS.index(column) + sum((i + 1) * one for i, one in enumerate(cell)) / 21 + 0.001 * cell[0], 3
    )


@pytest.fixture(scope="module")
def text():
    return generated(accuracy)


@pytest.fixture(scope="module")
def bench(text):
    header, *rows = text.splitlines()
    random.Random(0).shuffle(rows)  # the order of the lines does not matter
    return parse("\n".join([header, *rows]))


@pytest.mark.parametrize("data", DATA)
def test_each_cell_has_the_values_of_its_line(bench, data):
    for cell in [(0, 0, 0, 0, 0, 0), (4, 4, 4, 4, 4, 4), (0, 1, 2, 3, 4, 0), (3, 1, 4, 1, 2, 2)]:
        assert bench.signal(data)(cell) == accuracy(cell, f"{DATA[data]}_val12")
        assert bench.test(data).of(cell) == Final(accuracy(cell, f"{DATA[data]}_test200"))


def test_regret_is_the_distance_to_the_best_cell(bench):
    test = bench.test("cifar10")
    assert test.best == test.of((4,) * 6)
    assert test.regret((4,) * 6) == 0
    assert test.regret((0, 1, 2, 3, 4, 0)) == test.best.percent - test.of((0, 1, 2, 3, 4, 0)).percent


def test_the_test_column_is_no_signal(bench):
    strategy = RandomSearch(cell_space())
    with pytest.raises(TypeError, match="needs a function of a point, such as a table's signal: Test"):
        search(strategy, bench.test("cifar10"), 3)
    with pytest.raises(TypeError, match="must return a number, Final is none: at "):
        search(strategy, bench.test("cifar10").of, 3)
    assert len(search(strategy, bench.signal("cifar10"), 3).points) == 3


def test_a_cell_is_its_digits_in_base_five():
    assert [code(cell) for cell in ((0,) * 6, (0, 0, 0, 0, 0, 4), (1, 0, 0, 0, 0, 0), (4,) * 6)] == [
        0,
        4,
        3125,
        CELLS - 1,
    ]
    for cell in ((0,) * 5, (0,) * 7, (0, 0, 0, 0, 0, 5), (-1, 0, 0, 0, 0, 0), (0.5,) * 6):
        with pytest.raises(ValueError, match="a cell is 6 operations, each from 0 to 4"):
            code(cell)


def test_missing_and_double_cells_are_named(text):
    lines = text.splitlines()
    with pytest.raises(ValueError, match="2 of 15625 cells are missing, the first 000012"):
        parse("\n".join(line for line in lines if line[:6] not in ("000012", "444444")))
    with pytest.raises(ValueError, match="the table, line 9: cell 000001 is there twice"):
        parse("\n".join([*lines[:8], lines[2], *lines[8:]]))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("00000,1,1,1,1,1,1", "line 2: a cell is 6 digits from 0 to 4: 00000"),
        ("000005,1,1,1,1,1,1", "a cell is 6 digits from 0 to 4: 000005"),
        ("00000²,1,1,1,1,1,1", "a cell is 6 digits from 0 to 4: 00000²"),
        ("", "a cell is 6 digits from 0 to 4: nothing"),
        ("000000,1,1,1,1,1", "need 6 accuracies: 5"),
        ("000000,1,1,1,1,1,nan", "an accuracy is from 0 to 100 per cent: nan"),
        ("000000,1,1,1,1,1,100.1", "an accuracy is from 0 to 100 per cent: 100.1"),
        ("000000,1,1,1,1,1,many", "an accuracy is from 0 to 100 per cent: many"),
    ],
)
def test_a_line_that_does_not_fit_is_named(line, message):
    with pytest.raises(ValueError, match=message):
        parse(f"{','.join(['cell', *COLUMNS])}\n{line}\n")


def test_other_columns_are_refused(text):
    with pytest.raises(ValueError, match="need the columns cell, c10_val12"):
        parse(text.replace("c10_val12", "c10_test12", 1))
    with pytest.raises(ValueError, match=": none"):
        parse("")


def test_a_file_that_is_not_there_or_damaged_is_named(tmp_path, text):
    path = tmp_path / "table.csv.gz"
    with pytest.raises(ValueError, match="needs its table, a .csv.gz: no files"):
        read_nas_bench_201({})
    for content in (b"no table", gzip.compress(text.encode())[:1000], gzip.compress(b"\xff")):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="table.csv.gz: damaged, or no compressed table"):
            read_nas_bench_201({"nas/table.csv.gz": path})


def test_an_unknown_data_set_is_refused(bench):
    for ask in (bench.signal, bench.test):
        with pytest.raises(ValueError, match="the benchmark has cifar10, cifar100, imagenet16_120: mnist"):
            ask("mnist")


@pytest.mark.data
def test_the_tables_12_epochs_are_not_its_200(artifact):
    bench = read_nas_bench_201(artifact("nas_bench_201"))
    for data in DATA:
        signal, test = bench.signal(data), bench.test(data)
        assert max(signal.by_code) < test.best.percent - 5  # confusing the two is the usual mistake
        higher = sum(one.percent > seen for one, seen in zip(test.by_code, signal.by_code, strict=True))
        assert higher > 0.95 * CELLS
