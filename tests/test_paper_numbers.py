"""Every quick experiment whose artifacts are on this machine, through the harness, against what its paper prints."""

import pytest

from dmbench.harness.artifacts import Store
from dmbench.harness.discovery import experiments, papers, stems_with_experiments
from dmbench.harness.judging import judge_all
from dmbench.harness.measure import Settings
from dmbench.harness.runner import run
from dmbench.harness.verdict import BETTER, INCONCLUSIVE, KNOWN_GAP, REPRODUCED, UNCHANGED

PASSES = (REPRODUCED, BETTER, KNOWN_GAP, UNCHANGED)
MANY, A_FEW = 10, 3  # seeds: experiments with more than MANY are left to the slow part, all but A_FEW
FOUND = [e for stem in stems_with_experiments() for e in experiments(stem)]


def marked(found):
    data = [pytest.mark.data] if found.artifacts else []
    return pytest.param(found, id=f"{found.stem}-{found.name}", marks=data)


def long(found):
    return found.tier == "quick" and found.seeds > MANY


def measured(found, tmp_path, device="cpu", seeds=None):
    if found.unset:
        pytest.skip("; ".join(found.unset))
    numbers = [papers()[found.stem].numbers[key] for key in found.numbers]
    done = run(numbers, Settings(tmp_path, device), seeds=seeds)
    for verdict in judge_all(numbers, done.records, done.reasons()):
        passes = PASSES if seeds is None else (*PASSES, INCONCLUSIVE)
        assert verdict.kind in passes, f"{verdict.number.name} {verdict.kind}: {verdict.measured} {verdict.why}"


@pytest.mark.parametrize("found", [marked(e) for e in FOUND if e.tier == "quick" and not e.gpu])
def test_quick_numbers_are_reproduced(found, tmp_path, artifact):
    for name in found.artifacts:
        artifact(name)
    measured(found, tmp_path, seeds=A_FEW if long(found) else None)


@pytest.mark.gpu
@pytest.mark.parametrize("found", [marked(e) for e in FOUND if e.tier == "quick"])
def test_quick_numbers_are_reproduced_on_a_gpu(found, tmp_path, artifact, cuda):
    for name in found.artifacts:
        artifact(name)
    measured(found, tmp_path, str(cuda))


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("found", [marked(e) for e in FOUND if (e.tier == "slow" or long(e)) and not e.gpu])
def test_slow_numbers_are_reproduced(found, tmp_path, artifact):
    for name in found.artifacts:
        artifact(name)
    measured(found, tmp_path)


def test_there_are_quick_numbers_that_need_no_artifact():
    assert [e for e in FOUND if e.tier == "quick" and not e.artifacts]
    assert Store.from_environment().registry
