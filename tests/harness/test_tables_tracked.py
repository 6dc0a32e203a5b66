"""Tracked values in the tables: apart from what papers print."""

from dataclasses import replace

from dmbench.harness.tables import committed


def test_tracked_values_stand_apart_from_what_a_paper_prints(toy, record, tmp_path):
    numbers = dict(toy["toy"].numbers)
    numbers["two"] = replace(numbers["two"], tracked=True, better="exact")
    papers = {"toy": replace(toy["toy"], numbers=numbers)}
    contents = {path.name: text for path, text in committed(tmp_path, papers, [record(value=2.0)]).items()}
    printed, _, tracked = contents["verdicts.md"].partition("Tracked: no paper prints these")
    assert "| two |" in tracked
    assert "| two |" not in printed
    assert "| before |" in tracked
    assert "unchanged" in tracked
    assert "two (tracked)" in contents["verdicts.tex"].replace("\\_", "_")
    assert ",tracked," in contents["verdicts.csv"]
