"""Results folders joined: each record once, whatever the order; what is damaged is named."""

import itertools
import json

import pytest

from dmbench.harness.errors import UsageError
from dmbench.harness.merging import merge
from dmbench.harness.records import append, read


@pytest.fixture
def folders(tmp_path, record):
    """Three machines' results: a and b share a record, c has another stem's."""
    shared, alone, other = record(), record(seed=1), record(seed=2)
    for name, records in {"a": [shared, alone], "b": [shared], "c": [other]}.items():
        append(tmp_path / name, records)
    return [tmp_path / name for name in "abc"]


def ids(folder):
    return sorted(record.id for record in read(folder)[0])


def test_each_record_is_there_once_in_whatever_order_folders_come(folders, tmp_path):
    found = set()
    for number, order in enumerate(itertools.permutations(folders)):
        into = tmp_path / f"all {number}"
        merged = merge(list(order), into)
        assert (merged.added, merged.there, merged.problems) == (3, 1, [])
        found.add(tuple(ids(into)))
        assert merge(list(order), into).added == 0
        assert tuple(ids(into)) in found
        lines = [line for path in (into / "measured").glob("*.jsonl") for line in path.read_text().splitlines()]
        assert len(lines) == 3
    assert len(found) == 1


def test_records_come_as_they_are(folders, tmp_path):
    merge(folders, tmp_path / "all")
    assert {r.id: r for r in read(tmp_path / "all")[0]} == {r.id: r for f in folders for r in read(f)[0]}


def test_a_damaged_line_is_named_and_left_out(folders, tmp_path):
    (path,) = (folders[1] / "measured").glob("*.jsonl")
    with path.open("a") as stream:
        stream.write('{"stem": "toy", "num\n')
    merged = merge(folders, tmp_path / "all")
    (problem,) = merged.problems
    assert problem.endswith(f"{path.name}:2: damaged line, left out")
    assert len(ids(tmp_path / "all")) == 3


def test_a_line_that_a_kill_cut_short_in_the_target_costs_only_itself(folders, tmp_path):
    merge(folders[:1], tmp_path / "all")
    (path,) = (tmp_path / "all" / "measured").glob("*.jsonl")
    path.write_bytes(path.read_bytes() + b'{"stem": "to')
    merge(folders[1:], tmp_path / "all")
    assert len(ids(tmp_path / "all")) == 3
    assert sum('"id"' in line and bool(json.loads(line)) for line in path.read_text().splitlines()) == 3


def test_kept_files_are_copied_and_none_is_replaced_by_another(folders, tmp_path):
    for folder, content in zip(folders, (b"one", b"two", b"one"), strict=True):
        (folder / "kept").mkdir()
        (folder / "kept" / "weights").write_bytes(content)
    merged = merge(folders, tmp_path / "all")
    assert merged.files == 1
    assert (tmp_path / "all" / "kept" / "weights").read_bytes() == b"one"
    (problem,) = merged.problems
    assert "is another file of that name, which stays" in problem


def test_what_is_no_results_folder_is_refused_before_anything_is_written(folders, tmp_path):
    with pytest.raises(UsageError, match="is no results folder"):
        merge([folders[0], tmp_path / "nothing"], tmp_path / "all")
    assert not (tmp_path / "all").exists()
