"""Subjects: a user's own implementation is found, checked against its contract, measured, and named in the record."""

import sys

import pytest

from dmbench import CheckFailed, check
from dmbench.harness import subjects
from dmbench.harness.discovery import experiments
from dmbench.harness.errors import ContractError, UsageError

DOUBLED_ELSEWHERE = (2.0).__mul__
MODULE = """
def right(x):
    return x + x

def short(x):
    return 1.9 * x

def wrong_type(x):
    return "two"

def wrong_signature():
    return 2.0

class Holder:
    right = staticmethod(right)
"""


@pytest.fixture
def mypkg(tmp_path, monkeypatch):
    (tmp_path / "mypkg.py").write_text(MODULE)
    (tmp_path / "broken.py").write_text("1 / 0")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "mypkg"
    for name in ("mypkg", "broken"):
        sys.modules.pop(name, None)


def test_an_implementation_is_measured_and_named_in_the_record(toy, mypkg, tmp_path):
    verdicts = check("toy", numbers="two", double="mypkg:right", results=tmp_path / "kept")
    assert [(v.kind, v.whose) for v in verdicts] == [("reproduced", "double=mypkg:right")]
    assert verdicts[0].records[0].subject == {"double": "mypkg:right"}


def test_a_name_stays_as_it_was_given_wherever_the_object_was_made(toy):
    verdicts = check("toy", double="tests.harness.test_subjects:DOUBLED_ELSEWHERE")
    assert [(v.kind, v.whose) for v in verdicts] == [
        ("reproduced", "double=tests.harness.test_subjects:DOUBLED_ELSEWHERE")
    ]


def test_an_object_is_taken_as_well_as_a_name(toy, mypkg):
    import mypkg as module

    assert check("toy", double=module.Holder.right)[0].whose == "double=mypkg:right"


def test_one_that_falls_short_fails_and_says_by_how_much(toy, mypkg):
    with pytest.raises(CheckFailed, match=r"toy/two below: printed 2\.00 things, measured 1\.9000; 0\.1 things"):
        check("toy", double="mypkg:short")


@pytest.mark.parametrize(
    ("place", "error", "complaint"),
    [
        ("nowhere:right", UsageError, "module nowhere is not found: run from the folder that holds it, or install it"),
        ("mypkg:rihgt", UsageError, r"mypkg has no rihgt: did you mean right\?"),
        ("broken:right", UsageError, "importing broken failed: ZeroDivisionError"),
        ("mypkg:wrong_type", ContractError, r"returned str, not a float\. The contract: double\(x\) returns a float"),
        ("mypkg:wrong_signature", ContractError, "failed on a tiny input: TypeError"),
    ],
)
def test_what_cannot_be_measured_is_one_clear_line(toy, mypkg, place, error, complaint):
    with pytest.raises(error, match=complaint) as raised:
        check("toy", double=place)
    assert "\n" not in str(raised.value)


def test_an_unknown_part_names_the_known_ones(toy, mypkg):
    with pytest.raises(UsageError, match="nothing chosen has a part called triple: choose from double"):
        subjects.resolve(experiments("toy"), {"triple": "mypkg:right"})


@pytest.mark.parametrize("word", ["double", "double=mypkg", "=mypkg:right", "double=mypkg:", "double=:right"])
def test_a_word_of_another_form_is_refused(word):
    with pytest.raises(UsageError, match="write NAME=module:attribute"):
        subjects.parse([word])


def test_a_part_given_twice_is_refused():
    with pytest.raises(UsageError, match="given twice"):
        subjects.parse(["a=b:c", "a=d:e"])


def test_nothing_measured_is_never_green(toy):
    with pytest.raises(UsageError, match="unknown tier"):
        check("toy", tier="never")
    with pytest.raises(CheckFailed, match="toy/breaks failed: .*the wheel came off"):
        check("toy", tier="full")
