"""peers: each meets the contract of the part that it stands for, and measures what ours does, or says why it cannot."""

import pytest

from dmbench.harness.discovery import experiments, papers, peers

STEMS = sorted(stem for stem in papers() if peers(stem))
CASES = [
    pytest.param(stem, label, part, id=f"{stem}-{label}-{part}")
    for stem in STEMS
    for label, parts in peers(stem).items()
    for part in parts
]
# torch's own compiler uses what torch deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")


def subject(stem, part):
    return next(s for e in experiments(stem) for s in e.subjects if s.name == part)


@pytest.mark.parametrize(("stem", "label", "part"), CASES)
def test_a_peer_meets_the_contract(stem, label, part):
    implementation = peers(stem)[label][part]
    try:
        subject(stem, part).check(implementation)
    except NotImplementedError as error:
        pytest.skip(str(error))
