"""Records survive: a cut line, a newer schema, two writers at once, a disk that is full."""

import json
import multiprocessing
import os
import resource
import signal
from dataclasses import asdict

import pytest

from dmbench.harness.errors import RecordsError
from dmbench.harness.records import append, read


def test_what_is_written_is_read(tmp_path, record):
    records = [record(value=1.5), record("pair", [1.0, 2.5], curve=[{"x": 1, "y": 2.0}])]
    append(tmp_path, records[:1])
    append(tmp_path, records[1:])
    assert read(tmp_path) == (records, [])


def test_a_damaged_line_is_named_and_costs_only_itself(tmp_path, record):
    append(tmp_path, [record(), record(), record()])
    path = tmp_path / "measured" / "toy.jsonl"
    lines = path.read_text().splitlines()
    lines[1] = lines[1][:40]
    path.write_text("\n".join(lines) + "\n")
    records, problems = read(tmp_path)
    assert len(records) == 2
    assert [(p.path.name, p.line) for p in problems] == [("toy.jsonl", 2)]
    assert "damaged line" in str(problems[0])


@pytest.mark.parametrize("damage", [b"\xff\xfe\x00", b"[]", b"{}", b'{"schema": 1}', b"[" * 5000, b'"\\ud800"'])
def test_no_damage_stops_the_reading(tmp_path, record, damage):
    append(tmp_path, [record()])
    with (tmp_path / "measured" / "toy.jsonl").open("ab") as stream:
        stream.write(damage + b"\n")
    records, problems = read(tmp_path)
    assert (len(records), len(problems)) == (1, 1)


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_kill_in_the_middle_of_a_write_costs_one_line(tmp_path, record, cut):
    append(tmp_path, [record(), record()])
    path = tmp_path / "measured" / "toy.jsonl"
    os.truncate(path, path.stat().st_size - cut)
    append(tmp_path, [record(value=7.0)])
    records, problems = read(tmp_path)
    assert [r.value for r in records][-1] == 7.0
    # A line that lost only its newline is whole.
    assert (len(records), len(problems)) == ((3, 0) if cut == 1 else (2, 1))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("time", 5),
        ("seed", "0"),
        ("environment", None),
        ("subject", []),
        ("id", []),
        ("number", {}),
        ("settings", 5),
        ("commit", None),
        ("seconds", None),
        ("schema", "9"),
        ("value", float("inf")),
        ("value", float("nan")),
        ("value", [[1.0]]),
        ("value", []),
        ("value", True),
        ("value", 10**400),
    ],
)
def test_a_field_of_the_wrong_type_is_damage(tmp_path, record, field, value):
    append(tmp_path, [record()])
    with (tmp_path / "measured" / "toy.jsonl").open("a") as stream:
        stream.write(json.dumps(asdict(record()) | {field: value}) + "\n")
    records, problems = read(tmp_path)
    assert (len(records), len(problems)) == (1, 1)


def test_a_newer_schema_is_left_out_and_says_to_upgrade(tmp_path, record):
    append(tmp_path, [record()])
    newer = asdict(record()) | {"schema": 99, "mood": "good"}
    with (tmp_path / "measured" / "toy.jsonl").open("a") as stream:
        stream.write(json.dumps(newer) + "\n")
    records, problems = read(tmp_path)
    assert len(records) == 1
    assert "schema 99 is newer" in str(problems[0])
    assert "upgrade" in str(problems[0])


def test_a_union_merge_that_doubles_lines_counts_each_once(tmp_path, record):
    append(tmp_path, [record()])
    path = tmp_path / "measured" / "toy.jsonl"
    path.write_text(path.read_text() * 2)
    assert len(read(tmp_path)[0]) == 1


def write_many(folder, template, count, barrier):
    barrier.wait()
    for i in range(count):
        append(folder, [type(template)(**(asdict(template) | {"id": f"{os.getpid()}-{i}"}))])


def test_three_processes_on_one_folder_lose_nothing(tmp_path, record):
    context = multiprocessing.get_context("spawn")
    template, barrier = record(), context.Barrier(3)
    writers = [context.Process(target=write_many, args=(tmp_path, template, 300, barrier)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    records, problems = read(tmp_path)
    assert (len(records), problems) == (900, [])


def full_disk(folder, template, limit, told):
    # A file size limit fails a write half way, as a full disk does.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        append(folder, [template])
    except RecordsError as error:
        told.put(str(error))
    else:
        told.put("no error")


def test_a_full_disk_leaves_the_old_records_whole_and_says_where_the_new_ones_are(tmp_path, record):
    append(tmp_path, [record()])
    path = tmp_path / "measured" / "toy.jsonl"
    before = path.read_bytes()
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    new = record(settings={"long": "x" * 5000})
    writer = context.Process(target=full_disk, args=(tmp_path, new, len(before) + 100, told))
    writer.start()
    message = told.get()
    writer.join()
    assert path.read_bytes() == before
    assert "cannot be written" in message
    assert new.id in message  # no room anywhere: the record itself is in the message


def test_a_folder_that_cannot_be_written_keeps_the_records_elsewhere(tmp_path, record):
    (tmp_path / "measured").write_text("a file where the folder should be")
    new = record()
    with pytest.raises(RecordsError, match="the records are in ") as error:
        append(tmp_path, [new])
    kept = str(error.value).split("the records are in ")[1].split(": append")[0]
    with open(kept) as stream:
        assert json.loads(stream.read())["id"] == new.id
    os.unlink(kept)
