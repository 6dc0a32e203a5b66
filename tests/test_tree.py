"""The tree: one stem in every folder; nothing measured without a number, no number without a way to measure it."""

import ast
from pathlib import Path

import pytest

from dmbench.harness.artifacts import read_artifacts
from dmbench.harness.discovery import experiment_of, experiments, papers, peers, stems_with_experiments
from dmbench.harness.paths import PACKAGE, checkout

ROOT = checkout()
COMPONENTS = ("layers", "init", "optim", "regularizers", "models", "agents", "nas")
# Who may import whom, inside dmbench: each kind only what stands below it.
BELOW = {
    "layers": {"layers"},
    "init": {"init"},
    "optim": {"optim"},
    "regularizers": {"regularizers", "layers"},
    "metrics": {"metrics"},
    "datasets": {"datasets"},
    "models": {"models", "layers", "init", "optim", "regularizers", "metrics", "datasets"},
    "agents": {"agents", "models", "layers", "init", "optim", "metrics", "datasets"},
    "nas": {"nas", "models", "layers", "init", "optim", "metrics", "datasets"},
    "peers": {"peers", "agents", "nas", "models", "layers", "init", "optim", "regularizers"},
    "harness": {"harness", "experiments"},  # experiments as a package, to discover its modules
}


def modules(kind):
    return [path for path in sorted((PACKAGE / kind).glob("*.py")) if path.stem != "__init__"]


def imported(path):
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return names


def test_every_component_has_numbers():
    without = [path.stem for kind in COMPONENTS for path in modules(kind) if path.stem not in papers()]
    assert without == []


def test_every_number_has_an_experiment_or_a_reason():
    numbers = [number for paper in papers().values() for number in paper.numbers.values()]
    assert numbers
    assert [n.name for n in numbers if experiment_of(n) is None and not n.unchecked] == []
    assert [n.name for n in numbers if experiment_of(n) is not None and n.unchecked] == []


def test_every_experiment_measures_numbers_that_are_there_each_by_one_experiment():
    for stem in stems_with_experiments():
        measured = [key for e in experiments(stem) for key in e.numbers]
        assert set(measured) <= set(papers()[stem].numbers), stem
        assert len(measured) == len(set(measured)), stem
        names = [e.name for e in experiments(stem)]
        assert len(names) == len(set(names)), stem


def test_every_experiment_and_its_artifacts_are_described():
    registry = read_artifacts()
    for stem in stems_with_experiments():
        for e in experiments(stem):
            assert e.purpose, e.name
            assert set(e.artifacts) <= set(registry), e.name


def test_every_stem_has_a_component_an_experiment_a_test_and_a_benchmark():
    components = {path.stem for kind in COMPONENTS for path in modules(kind)}
    for stem in papers():
        assert stem in components
        assert stem in stems_with_experiments()
        assert (ROOT / "tests" / f"test_{stem}.py").exists(), stem
        assert (ROOT / "benchmarks" / f"{stem}.py").exists(), stem


def test_every_peer_stands_for_a_part_of_its_stem():
    for path in modules("peers"):
        if path.stem.startswith("_"):
            continue
        parts = {subject.name for e in experiments(path.stem) for subject in e.subjects}
        assert peers(path.stem), path.stem
        for label, implementations in peers(path.stem).items():
            assert implementations, label
            assert set(implementations) <= parts, f"{path.stem}, {label}"


def test_every_module_is_tested_or_shared():
    for kind in (*COMPONENTS, "metrics", "datasets"):
        for path in modules(kind):
            assert path.stem.startswith("_") or (ROOT / "tests" / f"test_{path.stem}.py").exists(), path.stem


@pytest.mark.parametrize("kind", BELOW)
def test_imports_point_one_way(kind):
    for path in modules(kind):
        for name in imported(path):
            parts = name.split(".")
            if parts[0] == "dmbench" and len(parts) > 1:
                assert parts[1] in BELOW[kind], f"{path.name} imports {name}"


def test_the_harness_names_no_paper():
    for path in modules("harness"):
        words = path.read_text().replace("/", " ").replace('"', " ").replace("`", " ").split()
        assert not set(papers()) & set(words), path.name


def test_a_component_imports_torch_and_nothing_heavier():
    allowed = {
        "torch",
        "dmbench",
        "collections",
        "copy",
        "math",
        "functools",
        "pathlib",
        "typing",
        "itertools",
        "dataclasses",
    }
    for kind in COMPONENTS:
        for path in modules(kind):
            assert {name.partition(".")[0] for name in imported(path)} <= allowed, path.name


def test_records_and_tracked_values_belong_to_stems():
    results = Path(ROOT / "reference_results")
    assert {path.stem for path in (results / "measured").glob("*.jsonl")} <= set(papers())
    assert {path.stem for path in (results / "tracked").glob("*.toml")} <= set(papers())
