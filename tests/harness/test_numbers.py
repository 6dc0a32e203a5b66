"""Files of numbers: digits kept as printed, and every malformed file refused with file, key and reason."""

import pytest

from dmbench.harness.errors import NumbersError
from dmbench.harness.numbers import read_paper
from tests.harness.conftest import PAPER


def written(tmp_path, text):
    path = tmp_path / "toy.toml"
    path.write_text(text)
    return path


def test_the_digits_stay_as_printed(tmp_path):
    numbers = read_paper(written(tmp_path, PAPER)).numbers
    assert (numbers["two"].printed, numbers["two"].value) == ("2.00", 2.0)
    assert (numbers["pair"].printed, numbers["pair"].value) == ("1, 2.5", (1.0, 2.5))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("value = 2.00", "", r"numbers\.two\.value: is missing"),
        ("value = 2.00", 'value = "two"', r"numbers\.two\.value: must be a number: 'two'"),
        ("value = 2.00", "value = nan", r"numbers\.two\.value: must be finite"),
        ("value = 2.00", "value = true", r"numbers\.two\.value: must be a number: True"),
        ("value = 2.00", "value = []", r"numbers\.two\.value: is an empty list"),
        ("atol = 0.005", "atol = -1", r"numbers\.two\.atol: must be at least 0: -1"),
        ("atol = 0.005", "atoll = 1", r"numbers\.two\.atoll: is not a known key"),
        ('better = "higher"', 'better = "bigger"', r"numbers\.two\.better: must be one of higher, lower, exact"),
        ('unit = "things"', 'unit = ""', r"numbers\.two\.unit: must be text"),
        ("atol = 0.005", "atol = 0.005\ngap = 1", r"numbers\.two: known_gap .* and gap .* go together"),
        ("atol = 0.005", "atol = 0.005\nruns = 0", r"numbers\.two\.runs: must be a whole number"),
        ("year = 1999", 'year = "1999"', r"paper\.year: must be a whole number"),
        ("year = 1999", "", r"paper\.year: is missing"),
        ("[paper]", "[paper", "not valid TOML"),
    ],
)
def test_a_malformed_file_is_refused_with_file_key_and_reason(tmp_path, old, new, complaint):
    path = written(tmp_path, PAPER.replace(old, new, 1))
    with pytest.raises(NumbersError, match=rf"toy\.toml: {complaint}") as error:
        read_paper(path)
    assert "\n" not in str(error.value)


def test_a_paper_without_numbers_is_refused(tmp_path):
    with pytest.raises(NumbersError, match="numbers: is missing"):
        read_paper(written(tmp_path, PAPER.split("[numbers.two]")[0]))


TRACKED = """
[tracked.count]
value = 40
unit = "right answers"
setting = "of 100"
atol = 1
why_atol = "a near tie may fall either way"
made_by = "dmbench run toy --number count"
"""


def test_what_is_tracked_comes_after_what_is_printed_and_says_so(tmp_path):
    (tmp_path / "tracked.toml").write_text(TRACKED)
    numbers = read_paper(written(tmp_path, PAPER), tmp_path / "tracked.toml").numbers
    assert list(numbers)[-1] == "count"
    assert (numbers["count"].origin, numbers["two"].origin) == ("tracked", "printed")
    assert (numbers["count"].better, numbers["count"].where) == ("exact", "dmbench run toy --number count")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("tracked.count", "tracked.two", r"tracked\.two: is a paper's number too"),
        ('made_by = "dmbench run toy --number count"', "", r"tracked\.count\.made_by: is missing"),
        ("atol = 1\n", 'atol = 1\nwhere = "Table 2"\n', r"tracked\.count\.where: is not a known key"),
        ("[tracked.count]", "[numbers.count]", "numbers: is not a known key: tracked"),
    ],
)
def test_a_malformed_file_of_what_is_tracked_is_refused(tmp_path, old, new, complaint):
    (tmp_path / "tracked.toml").write_text(TRACKED.replace(old, new))
    with pytest.raises(NumbersError, match=rf"tracked\.toml: {complaint}"):
        read_paper(written(tmp_path, PAPER), tmp_path / "tracked.toml")
