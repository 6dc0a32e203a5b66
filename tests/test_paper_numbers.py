"""Every quick experiment whose artifacts are on this machine, through the harness, against what its paper prints."""

import pytest

from dmbench.harness.artifacts import Store
from dmbench.harness.discovery import experiments, papers, stems_with_experiments
from dmbench.harness.judging import judge_all
from dmbench.harness.measure import Settings
from dmbench.harness.runner import run
from dmbench.harness.verdict import BETTER, KNOWN_GAP, REPRODUCED

PASSES = (REPRODUCED, BETTER, KNOWN_GAP)
FOUND = [e for stem in stems_with_experiments() for e in experiments(stem)]


def marked(found):
    data = [pytest.mark.data] if found.artifacts else []
    return pytest.param(found, id=f"{found.stem}-{found.name}", marks=data)


def measured(found, tmp_path, device="cpu"):
    numbers = [papers()[found.stem].numbers[key] for key in found.numbers]
    done = run(numbers, Settings(tmp_path, device))
    for verdict in judge_all(numbers, done.records, done.reasons()):
        assert verdict.kind in PASSES, f"{verdict.number.name} {verdict.kind}: {verdict.measured} {verdict.why}"


@pytest.mark.parametrize("found", [marked(e) for e in FOUND if e.tier == "quick" and not e.gpu])
def test_quick_numbers_are_reproduced(found, tmp_path, artifact):
    for name in found.artifacts:
        artifact(name)
    measured(found, tmp_path)


@pytest.mark.gpu
@pytest.mark.parametrize("found", [marked(e) for e in FOUND if e.tier == "quick"])
def test_quick_numbers_are_reproduced_on_a_gpu(found, tmp_path, artifact, cuda):
    for name in found.artifacts:
        artifact(name)
    measured(found, tmp_path, str(cuda))


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("found", [marked(e) for e in FOUND if e.tier == "slow" and not e.gpu])
def test_slow_numbers_are_reproduced(found, tmp_path, artifact):
    for name in found.artifacts:
        artifact(name)
    measured(found, tmp_path)


def test_there_are_quick_numbers_that_need_no_artifact():
    assert [e for e in FOUND if e.tier == "quick" and not e.artifacts]
    assert Store.from_environment().registry
