"""Tables that a paper's file declares: read strictly, filled in from the records, and printed alike everywhere."""

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from dmbench.harness import declared_tables
from dmbench.harness.errors import NumbersError, RecordsError
from dmbench.harness.formats import half_width, measured
from dmbench.harness.judging import judge_subjects
from dmbench.harness.laid_out import laid_out
from dmbench.harness.numbers import read_paper
from dmbench.harness.records import append
from dmbench.harness.report import report
from dmbench.harness.tables import check_tables, committed, write_tables
from dmbench.harness.terminal import print_declared
from dmbench.harness.verdict import judge
from tests.harness.conftest import PAPER
from tests.harness.test_report import Page

TABLE = """
[[tables]]
key = "both"
title = "Two, and what breaks"
over = "which"
rows = { two = "Two", breaks = "What breaks" }
first_of = { ours = ["{which}_best?", "{which}", "noisy"] }
columns = [
    { heading = "printed", number = "{which}", show = "printed" },
    { heading = "measured", number = "{which}", show = "measured" },
    { heading = "ours", number = "ours", show = "measured", absent = "not trained" },
    { heading = "steps", number = "ours", show = "noted", note = "steps" },
    { heading = "as", number = "ours", show = "number" },
    { heading = "verdict", number = "{which}", show = "verdict" },
]
note = "`noisy`: where nothing else is measured"
"""


@pytest.fixture
def papers(toy, tmp_path):
    """The toy with the table above."""
    return read(tmp_path, PAPER + TABLE)


def read(folder, text):
    path = folder / "toy.toml"
    path.write_text(text)
    return {"toy": read_paper(path)}


def filled(papers, records):
    """Return the table's cells as text, by row and heading."""
    (table,) = laid_out(papers, judge_subjects(papers, records))
    return {name: dict(zip(table.headings[1:], map(str, cells), strict=True)) for name, cells in table.rows}


def test_a_cell_says_what_the_records_say_of_its_number(papers, record):
    cells = filled(papers, [record("two", 2.001, settings={"steps": 1_500_000})])
    assert cells["Two"] == {
        "printed": "2.00",
        "measured": "2.0010",
        "ours": "2.0010",
        "steps": "1,500,000",
        "as": "two",
        "verdict": "reproduced",
    }


def test_the_first_number_measured_is_shown_and_else_the_command_of_the_last(papers, record):
    cells = filled(papers, [record("noisy", 9.0 + s, seed=s, settings={"steps": s}) for s in (1, 2)])
    assert cells["What breaks"]["ours"].startswith("10.5 ± ")
    assert cells["What breaks"] | {"ours": ""} == {
        "printed": "1",
        "measured": "not measured: dmbench run toy --number breaks",
        "ours": "",
        "steps": "1, 2",
        "as": "noisy",
        "verdict": "not measured",
    }
    empty = filled(papers, [])["Two"]
    assert (empty["ours"], empty["steps"], empty["as"]) == ("not trained: dmbench run toy --number noisy", "", "")
    both = filled(papers, [record("noisy", 9.0, seed=0), record("two", 2.0)])
    assert both["Two"]["as"] == "two"


def test_another_subjects_records_do_not_fill_it(papers, record):
    cells = filled(papers, [record("two", 1.5, subject={"double": "mine:f"})])
    assert cells["Two"]["measured"] == "not measured: dmbench run toy --number two"


def test_a_number_that_nothing_measures_says_why(toy, tmp_path):
    text = TABLE.replace("rows = { two", 'rows = { elsewhere = "Elsewhere", two')
    assert filled(read(tmp_path, PAPER + text), [])["Elsewhere"]["measured"] == "not measured: nobody has the machine"


def test_one_runs_interval_is_that_of_its_own_samples(toy, record):
    number = replace(toy["toy"].numbers["noisy"], one_run="by its mean", atol=0.0)
    run = record("noisy", 484.37, seed=0, settings={"interval": [446.0, 522.74]})
    assert half_width(judge(number, [run])) == pytest.approx(38.37)
    assert measured(judge(number, [run])) == "484 ± 38"
    several = [run, record("noisy", 484.38, seed=1, settings={"interval": [0.0, 1000.0]})]
    assert half_width(judge(number, several)) < 1  # over seeds
    assert half_width(judge(number, [record("noisy", 1.0, seed=0, settings={"interval": "wide"})])) == 0


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            'number = "{which}", show = "printed"',
            'number = "{which}x", show = "printed"',
            "twox is no number of this file",
        ),
        (
            'number = "{which}", show = "printed"',
            'number = "twoo", show = "printed"',
            r"twoo is no .*did you mean two\?",
        ),
        (
            'number = "{which}", show = "printed"',
            'number = "{wich}", show = "printed"',
            r"may have the field \{which\}",
        ),
        ('number = "{which}", show = "printed"', 'number = "{", show = "printed"', "'{'"),
        ('number = "{which}", show = "printed"', 'number = "{which}_b?", show = "printed"', "no number in the row two"),
        ('show = "printed"', 'show = "print"', "show: must be one of printed, measured, noted, number, verdict: print"),
        ('show = "noted", note = "steps"', 'show = "noted"', 'show = "noted" and note, .* go together'),
        ('show = "printed"', 'show = "printed", note = "steps"', 'show = "noted" and note, .* go together'),
        ('heading = "printed"', 'heading = "measured"', "two have the heading measured"),
        ('heading = "printed", ', "", r"columns\[0\]\.heading: is missing"),
        ('heading = "printed"', "heading = 3", r"columns\[0\]\.heading: must be text: 3"),
        ('title = "Two, and what breaks"', "", r"tables\[0\]\.title: is missing"),
        ('key = "both"', 'key = "a/b"', "names files: lower-case letters"),
        ('rows = { two = "Two", breaks = "What breaks" }', "rows = {}", r"rows: is empty"),
        ("[[tables]]", "[tables]", r"tables: must be a list: write \[\[tables\]\]"),
        ('over = "which"', 'over = "which"\ncolour = "red"', r"tables\[0\]\.colour: is not a known key"),
        ("first_of = {", "first_of = { none = 3, ", "first_of.none: is named by no column"),
        ('["{which}_best?", "{which}", "noisy"]', "[]", "first_of.ours must be a list of numbers' names"),
        (
            "[[tables]]",
            '[curves]\njudged = "score"\n[[tables]]',
            "curves.judged: must be a key that .* describes: score",
        ),
        ("[[tables]]", "[curves]\nscore = 3\n[[tables]]", r"curves\.score: must be text: 3"),
    ],
)
def test_a_malformed_table_is_refused_in_one_line(tmp_path, old, new, complaint):
    assert old in TABLE
    text = PAPER + TABLE.replace(old, new, 1)
    with pytest.raises(NumbersError, match=rf"toy\.toml: .*{complaint}") as error:
        read(tmp_path, text)
    assert "\n" not in str(error.value)


def test_two_tables_of_one_key_are_refused(tmp_path):
    with pytest.raises(NumbersError, match=r"tables\.both: is declared twice"):
        read(tmp_path, PAPER + TABLE + TABLE)


def test_markdown_csv_and_latex_are_committed_and_checked(papers, record, tmp_path):
    append(tmp_path, records := [record("two", 2.001, settings={"steps": 1_500_000})])
    write_tables(tmp_path, papers, records, pictures=False)
    shown = (tmp_path / "tables" / "toy_both.md").read_text()
    assert "| Two | 2.00 | 2.0010 | 2.0010 | 1,500,000 | two | reproduced |" in shown
    assert "not trained: `dmbench run toy --number noisy`" in shown
    assert "|---|---:|---:|---:|---:|---|---|" in shown
    assert shown.split("\n\n", 2)[2].strip() in (tmp_path / "tables" / "verdicts.md").read_text()
    rows = (tmp_path / "tables" / "toy_both.csv").read_text().splitlines()
    assert (
        rows[0]
        == 'which,printed,measured,"measured, low","measured, high",ours,"ours, low","ours, high",steps,as,verdict'
    )
    assert rows[1] == "Two,2.00,2.001,,,2.001,,,1500000,two,reproduced"
    latex = (tmp_path / "tables" / "toy_both.tex").read_text()
    assert r"not trained: \texttt{dmbench run toy --number noisy}" in latex
    assert check_tables(tmp_path, papers, records) == []
    (tmp_path / "tables" / "toy_both.csv").write_text("edited")
    assert [path.name for path in check_tables(tmp_path, papers, records)] == ["toy_both.csv"]


def test_an_interval_has_its_ends_in_the_csv(papers, record):
    (table,) = laid_out(papers, judge_subjects(papers, [record("noisy", 9.0 + s, seed=s) for s in range(3)]))
    rows = declared_tables.WRITERS["csv"](table).splitlines()
    _, low, high = (float(part) for part in rows[2].split(",")[5:8])
    assert low == pytest.approx(10 - 2.484, abs=0.01)
    assert high == pytest.approx(10 + 2.484, abs=0.01)


def test_the_tables_hold_only_what_papers_declare(toy, record, tmp_path):
    names = {path.name for path in committed(tmp_path, toy, [record("two", 2.0)])}
    assert names == {"verdicts.md", "verdicts.csv", "verdicts.tex"}


def test_a_table_goes_between_its_lines_of_the_readme(papers, record):
    tables = laid_out(papers, judge_subjects(papers, [record("two", 2.0)]))
    begin, end = "<!-- table toy/both: written by dmbench tables -->", declared_tables.END
    once = declared_tables.inserted(f"before\n{begin}\nold\n{end}\nafter", tables)
    assert once.startswith(f"before\n{begin}\n\n| which | printed |")
    assert once.endswith(f"{end}\nafter")
    assert "old" not in once
    assert declared_tables.inserted(once, tables) == once
    for text in (f"{begin}\nno end", begin.replace("both", "none") + f"\n{end}"):
        with pytest.raises(RecordsError, match=r"README.md: .* names no table, or is not followed by"):
            declared_tables.inserted(text, tables)


@pytest.mark.parametrize(("width", "terminal"), [(200, True), (60, True), (200, False)])
def test_the_terminal_prints_every_cell_whole_at_any_width(papers, record, width, terminal):
    (table,) = laid_out(papers, judge_subjects(papers, [record("two", 2.001)]))
    console = Console(width=width, force_terminal=terminal, record=True, file=io.StringIO())
    print_declared(table, console)
    text = console.export_text()
    for cell in ("2.0010", "not trained: dmbench run toy --number noisy", "Two, and what breaks", "reproduced"):
        assert cell in text
    assert ("  measured  2.0010" in text) == (width == 60 or not terminal)


def test_the_report_has_the_table_with_its_headings_at_every_cell(papers, record):
    page = Page(report(papers, [record("two", 2.001)]))
    assert page.stray == page.open == []
    labels = [a["data-label"] for a in page.of("td") if a.get("data-label") in ("ours", "steps", "as")]
    assert labels == ["ours", "steps", "as"] * 2
    assert "Two, and what breaks" in page.text
    assert "noisy: where nothing else is measured" in page.text


def test_the_report_tells_a_verdict_only_where_a_column_is_of_one_number(papers, record):
    text = report(papers, [record("two", 2.001)])
    cells = re.findall(r'data-label="(measured|ours)"><span>2\.0010(.*?)</td>', text.split('class="verdicts"')[0])
    assert [("title=" in rest, label) for label, rest in cells] == [(True, "measured"), (False, "ours")]


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'])
def test_whatever_a_table_is_called_is_only_text(papers, hostile):
    (table,) = papers["toy"].tables
    column = replace(table.columns[0], heading=hostile)
    rows = dict.fromkeys(table.rows, hostile)
    changed = replace(table, title=hostile, note=hostile, rows=rows, columns=(column, *table.columns[1:]))
    ours, plain = (
        Page(report({"toy": replace(papers["toy"], tables=(one,))}, []))
        for one in (changed, replace(table, note="plain"))
    )
    assert [tag for tag, _ in ours.tags] == [tag for tag, _ in plain.tags]
    assert hostile in ours.text
