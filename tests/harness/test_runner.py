"""The runner: plans, outcomes, resuming, workers; on the toy stem."""

import subprocess
from dataclasses import replace

import pytest
import torch

from dmbench.harness import discovery, environment
from dmbench.harness import measure as measuring
from dmbench.harness import runner as running
from dmbench.harness.artifacts import Store
from dmbench.harness.errors import ArtifactError, DamagedArtifact, RecordsError, UsageError
from dmbench.harness.judging import judge_all
from dmbench.harness.measure import Settings, Task, measure
from dmbench.harness.paths import PACKAGE
from dmbench.harness.records import append, read
from dmbench.harness.runner import Selection, plan, processes, run


def numbers(toy, *keys):
    return [toy["toy"].numbers[key] for key in keys]


def test_a_plan_has_one_task_an_experiment_and_seed_quick_ones_first(toy):
    tasks = plan(numbers(toy, "noisy", "two", "elsewhere"), seeds=None)
    assert [(t.experiment, t.seed) for t in tasks] == [("two", None), *[("noisy", s) for s in range(5)]]
    assert len(plan(numbers(toy, "noisy", "two"), seeds=2)) == 3


def test_many_quick_tasks_on_a_cpu_take_every_core_and_others_one_process(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    quick, slow = (Task("toy", "two", ("two",), tier, 0) for tier in ("quick", "slow"))
    counts = [processes([quick] * many, "cpu") for many in (0, 1, 19, 20, 39, 40, 900)]
    assert counts == [1, 1, 1, 2, 3, 4, 4]
    assert processes([quick] * 900 + [slow], "cpu") == 1
    assert processes([quick] * 900, "cuda:0") == 1


def test_a_run_records_each_number_with_what_it_was_measured_by(toy, tmp_path):
    done = run(numbers(toy, "two", "pair"), Settings(tmp_path, run="r1"))
    records, problems = read(tmp_path)
    assert (records, problems) == (sorted(done.records, key=lambda r: r.time), [])
    two = next(r for r in records if r.number == "two")
    assert (two.value, two.settings, two.run, two.whose) == (2.0, {"x": 1.0}, "r1", "dmbench")
    assert two.environment["torch"]
    assert two.peak_bytes > 1_000_000
    assert {v.kind for v in judge_all(done.numbers, records)} == {"reproduced"}


def test_an_earlier_peak_of_memory_is_no_part_of_a_records(toy, tmp_path, monkeypatch):
    peak = [900]
    monkeypatch.setattr(measuring, "_reset_peak", lambda device: peak.append(100))
    monkeypatch.setattr(measuring, "_peak", lambda device: (peak[-1], "process"))
    run(numbers(toy, "two"), Settings(tmp_path))
    assert [r.peak_bytes for r in read(tmp_path)[0]] == [100]


def test_an_experiment_that_fails_costs_only_itself(toy, tmp_path):
    done = run(numbers(toy, "breaks", "two"), Settings(tmp_path))
    assert [r.number for r in read(tmp_path)[0]] == ["two"]
    verdicts = judge_all(done.numbers, done.records, done.reasons())
    trace = tmp_path / "failures" / "toy-breaks.txt"
    assert [(v.kind, v.why) for v in verdicts] == [
        ("failed", f"RuntimeError: the wheel came off ({trace})"),
        ("reproduced", ""),
    ]
    assert trace.read_text().startswith("Traceback")
    assert trace.read_text().endswith("RuntimeError: the wheel came off\nand rolled away\n")


def test_resume_takes_what_was_measured_and_fresh_measures_again(toy, tmp_path):
    first = run(numbers(toy, "two"), Settings(tmp_path))
    again = run(numbers(toy, "two"), Settings(tmp_path, resume=True))
    assert again.outcomes[0].found_again
    assert again.records == first.records
    assert len((tmp_path / "measured" / "toy.jsonl").read_text().splitlines()) == 1  # not written a second time
    run(numbers(toy, "two"), Settings(tmp_path))
    assert len(read(tmp_path)[0]) == 2


def test_resume_does_not_take_what_other_code_or_another_machine_measured(toy, tmp_path, monkeypatch):
    run(numbers(toy, "two"), Settings(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(measuring, "code_hash", lambda stem: "other")
        assert not run(numbers(toy, "two"), Settings(tmp_path, resume=True)).outcomes[0].found_again
    with monkeypatch.context() as patch:
        patch.setattr(measuring, "environment", lambda device: {"cpu": "abacus"})
        assert not run(numbers(toy, "two"), Settings(tmp_path, resume=True)).outcomes[0].found_again


@pytest.mark.parametrize("stop_after", [0, 1, 2])
def test_an_interrupted_training_goes_on_and_keeps_its_curve(toy, tmp_path, stop_after, monkeypatch):
    task = plan(numbers(toy, "noisy"), seeds=1)[0]
    whole = measure(task, Settings(tmp_path / "whole")).records[0]
    monkeypatch.setattr(measuring._Context, "stop_after", stop_after, raising=False)
    with pytest.raises(KeyboardInterrupt):
        measure(task, Settings(tmp_path))
    monkeypatch.setattr(measuring._Context, "stop_after", None)
    (checkpoint,) = (tmp_path / "checkpoints").iterdir()
    resumed = run(numbers(toy, "noisy"), Settings(tmp_path), seeds=1).records
    assert resumed[0].curve == whole.curve
    assert not checkpoint.exists()


def test_a_checkpoint_stays_until_the_record_is_kept(toy, tmp_path, monkeypatch):
    def killed(folder, records):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(running, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            run(numbers(toy, "noisy"), Settings(tmp_path), seeds=1)
    assert len(list((tmp_path / "checkpoints").glob("*.pt"))) == 1


def test_a_folder_of_parts_lives_as_long_as_its_checkpoint_and_what_is_kept_stays(toy, tmp_path, monkeypatch):
    seen = []

    def save(context, state):
        (context.folder() / f"{state['done']}.part").touch()
        seen.append(sorted(path.name for path in context.folder().iterdir()))
        context.keep("weights.bin", b"trained")
        context.checkpoint.save({"curve": [], "seconds": 0.0, "state": state})

    monkeypatch.setattr(measuring._Context, "save", save)
    monkeypatch.setattr(measuring._Context, "stop_after", 1, raising=False)
    task = plan(numbers(toy, "noisy"), seeds=1)[0]
    with pytest.raises(KeyboardInterrupt):
        measure(task, Settings(tmp_path))
    monkeypatch.setattr(measuring._Context, "stop_after", None)
    run(numbers(toy, "noisy"), Settings(tmp_path), seeds=1)
    assert seen == [["1.part"], ["1.part", "2.part"], ["1.part", "2.part", "3.part"]]
    assert list((tmp_path / "checkpoints").iterdir()) == []
    assert (tmp_path / "kept" / "toy-noisy-seed0-weights.bin").read_bytes() == b"trained"


def test_parts_of_a_state_that_is_not_gone_on_from_are_removed(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(measuring._Context, "stop_after", 1, raising=False)
    task = plan(numbers(toy, "noisy"), seeds=1)[0]
    with pytest.raises(KeyboardInterrupt):
        measure(task, Settings(tmp_path))
    (checkpoint,) = (tmp_path / "checkpoints").glob("*.pt")
    parts = checkpoint.with_suffix(".parts")
    parts.mkdir()
    (parts / "1.part").touch()
    monkeypatch.setattr(measuring._Context, "stop_after", None)
    measure(task, Settings(tmp_path, resume=False))
    assert not parts.exists()


def test_a_record_that_cannot_be_kept_does_not_end_the_run(toy, tmp_path, monkeypatch):
    def full(folder, records):
        if records[0].number == "two":
            raise RecordsError("no room")
        append(folder, records)

    monkeypatch.setattr(running, "append", full)
    done = run(numbers(toy, "two", "pair"), Settings(tmp_path))
    assert done.unsaved == ["no room"]
    assert [r.number for r in done.records] == ["two", "pair"]
    assert [r.number for r in read(tmp_path)[0]] == ["pair"]


def test_the_protocol_tells_code_artifacts_and_subjects_apart(toy, tmp_path):
    def protocol(implementation=None):
        task = plan(numbers(toy, "two"), seeds=None)[0]
        given = {"double": implementation} if implementation else {}
        return measure(task, Settings(tmp_path), implementations=given).records[0].protocol

    def another(x):
        return x * 2

    assert protocol() == protocol()
    assert protocol() != protocol(another)


def test_the_code_hash_is_of_what_a_stem_runs_and_of_nothing_else():
    stem = "srcnn"
    sources = discovery._sources(PACKAGE / "experiments" / f"{stem}.py", set())
    names = {path.relative_to(PACKAGE).as_posix() for path in sources}
    assert {f"experiments/{stem}.py", f"models/{stem}.py", "metrics/ssim.py", "metrics/sp5.json"} <= names
    assert not [name for name in names if name.startswith("harness/")]


def test_a_clock_or_the_count_of_threads_makes_no_other_machine(toy, tmp_path, monkeypatch):
    run(numbers(toy, "two"), Settings(tmp_path))
    real = measuring.environment
    monkeypatch.setattr(measuring, "environment", lambda device: real(device) | {"clocks.sm": "1 MHz", "threads": 99})
    assert run(numbers(toy, "two"), Settings(tmp_path, resume=True)).outcomes[0].found_again


def test_a_damaged_artifact_is_a_failure_and_a_missing_one_is_not(toy, tmp_path, monkeypatch):
    task = plan(numbers(toy, "two"), seeds=None)[0]
    for error, failed in ((DamagedArtifact("changed"), True), (ArtifactError("absent"), False)):
        store = Store({})
        monkeypatch.setattr(Store, "files", lambda self, name, error=error: (_ for _ in ()).throw(error))
        monkeypatch.setattr(
            measuring, "experiments", lambda stem: [replace(e, artifacts=("x",)) for e in discovery.experiments(stem)]
        )
        outcome = measure(task, Settings(tmp_path), store=store)
        assert (outcome.failed, outcome.reason) == (failed, str(error))


def test_fresh_leaves_the_checkpoint_alone(toy, tmp_path, monkeypatch):
    task = plan(numbers(toy, "noisy"), seeds=1)[0]
    monkeypatch.setattr(measuring._Context, "stop_after", 1, raising=False)
    with pytest.raises(KeyboardInterrupt):
        measure(task, Settings(tmp_path))
    steps = []
    monkeypatch.setattr(measuring._Context, "stop_after", None)
    measure(task, Settings(tmp_path, resume=False), lambda done, total: steps.append(done))
    assert steps == [1, 2, 3]


def test_a_damaged_checkpoint_is_set_aside_and_training_starts_anew(toy, tmp_path, monkeypatch):
    task = plan(numbers(toy, "noisy"), seeds=1)[0]
    monkeypatch.setattr(measuring._Context, "stop_after", 1, raising=False)
    with pytest.raises(KeyboardInterrupt):
        measure(task, Settings(tmp_path))
    (checkpoint,) = (tmp_path / "checkpoints").glob("*.pt")
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    monkeypatch.setattr(measuring._Context, "stop_after", None)
    assert measure(task, Settings(tmp_path)).records[0].value == 9.8
    assert list((tmp_path / "checkpoints").glob("*.damaged"))


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_measured(toy, tmp_path):
    (tmp_path / "measured").write_text("a file")
    with pytest.raises(RecordsError, match="choose another with --results"):
        run(numbers(toy, "two"), Settings(tmp_path))


@pytest.mark.parametrize(
    ("selection", "complaint"),
    [
        ({"tiers": ("quik",)}, r"unknown tier quik: did you mean quick\?"),
        ({"patterns": ("tow",)}, r"no number matches tow: did you mean two\?"),
    ],
)
def test_a_selection_of_nothing_known_is_refused(toy, selection, complaint):
    with pytest.raises(UsageError, match=complaint):
        Selection(("toy",), **selection).numbers(toy)


def test_a_selection_is_by_tier_pattern_and_part(toy):
    def chosen(**selection):
        return [number.key for number in Selection(("toy",), **selection).numbers(toy)]

    assert chosen() == ["two", "noisy", "pair", "breaks", "elsewhere"]
    assert chosen(tiers=("quick",)) == ["two", "pair"]
    assert chosen(patterns=("*o*",)) == ["two", "noisy"]
    assert chosen(parts=("double",)) == ["two"]


def test_a_gpu_experiment_without_a_gpu_says_what_it_needs(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(
        measuring, "experiments", lambda stem: [replace(e, gpu=True) for e in discovery.experiments(stem)]
    )
    outcome = measure(plan(numbers(toy, "two"), seeds=None)[0], Settings(tmp_path))
    assert (outcome.failed, outcome.reason) == (False, "needs a GPU: dmbench run toy --tier quick --device cuda")


def test_each_seed_seeds_torch(toy, tmp_path, monkeypatch):
    def noisy(ctx):
        return {"noisy": torch.rand(()).item()}

    def values():
        return [r.value for r in run(numbers(toy, "noisy"), Settings(tmp_path), seeds=2).records]

    monkeypatch.setattr(
        measuring, "experiments", lambda stem: [replace(e, function=noisy) for e in discovery.experiments(stem)]
    )
    first = values()
    assert first == values()
    assert first[0] != first[1]


def test_a_commit_with_changed_sources_is_dirty_and_one_with_new_records_is_not(tmp_path, monkeypatch):
    def git(*words):
        subprocess.run(["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *words], check=True)

    (tmp_path / "dmbench").mkdir()
    (tmp_path / "dmbench" / "a.py").write_text("1")
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "one")
    monkeypatch.setattr(environment, "checkout", lambda: tmp_path)

    def dirty():
        environment.commit.cache_clear()
        return environment.commit()[1]

    (tmp_path / "reference_results").mkdir()
    (tmp_path / "reference_results" / "records.jsonl").write_text("{}")
    assert not dirty()
    (tmp_path / "dmbench" / "a.py").write_text("2")
    assert dirty()
    environment.commit.cache_clear()


def test_a_folder_of_components_stands_for_its_stems():
    known = discovery.papers()
    assert discovery.choose(["optim"], known) == [s for s in known if (PACKAGE / "optim" / f"{s}.py").exists()]
    assert discovery.choose(["relu", "init", "relu"], known) == ["relu", "glorot", "he", "small_random"]
    for word in ("peers", "harness", "relu.py", "."):
        with pytest.raises(UsageError, match=f"unknown stem {word}"):
            discovery.choose([word], known)
