"""The report: whole, safe against what anybody may name, the same for the same input, and without network."""

import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure
from PIL import Image

from dmbench.harness import discovery, report_behind, report_curves, report_pictures, report_svg
from dmbench.harness.artifacts import Artifact, File, Store
from dmbench.harness.drawing import Backdrop, Picture, Source, picture
from dmbench.harness.report import report
from dmbench.harness.seeds import band
from dmbench.harness.verdict import KINDS, judge

VOID = {"meta", "input", "img", "wbr", "br", "link"}


class Page(HTMLParser):
    """The page as a browser sees it: every tag with its attributes, its text, and what was left open."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.stray, self.text = [], [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.stray.append(tag)

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.text += data

    def of(self, tag, kind=None):
        return [a for t, a in self.tags if t == tag and (kind is None or kind in a.get("class", "").split())]


def curve(seed=0, points=20):
    return [
        {"update": 10 * i, "cpu_seconds": i + 0.25, "score": 9 + i / 20 + seed / 100, "chance": 8.5}
        for i in range(points)
    ]


@pytest.fixture
def records(record):
    """Numbers with and without seeds, a list, one that falls short, and somebody else's implementation."""
    return [
        record("two", 2.001, settings={"x": 1.0}, artifacts={"data": "0123"}),
        *(record("noisy", curve(s)[-1]["score"], seed=s, curve=curve(s)) for s in range(5)),
        record("pair", [1, 2.5], environment={"cpu": "Abacus 3000", "cores": 2, "torch": "2.13.0"}),
        record("breaks", 3.0),
        record("two", 1.9, subject={"double": "mine.nets:Mine"}),
    ]


def draw(monkeypatch, function, *artifacts):
    picture = Picture("toy", "drawing", "A drawing", artifacts, function, words=function.__doc__ or "")
    monkeypatch.setattr(report_pictures, "pictures", lambda stem: (picture,))


def test_the_page_is_whole_and_loads_nothing(toy, records):
    page = Page(report(toy, records))
    assert page.stray == []
    assert page.open == []
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        assert "srcset" not in attributes
        assert attributes.get("src", "data:").startswith("data:")
    assert "url(" not in report(toy, records)
    assert "@import" not in report(toy, records)


def test_only_links_to_the_paper_name_a_host(toy, records):
    papers = {"toy": replace(toy["toy"], arxiv="1234.5678", doi="10.1/x")}
    text = report(papers, records)
    hosts = set(re.findall(r"https?://[^\"\s<]+", text))
    assert hosts == {"https://arxiv.org/abs/1234.5678", "https://doi.org/10.1/x"}
    assert {a["href"] for a in Page(text).of("a") if "//" in a["href"]} == hosts


def test_every_number_appears_with_its_place_setting_and_tolerance(toy, records):
    page = Page(report(toy, records))
    for number in toy["toy"].numbers.values():
        for fact in (number.key, number.printed, number.unit, number.where, number.setting, number.why_atol):
            assert fact in page.text
    assert page.text.count("Table 1") == 2  # ours, and theirs


def test_every_verdict_is_told_in_a_word_and_another_subjects_rows_are_its_own(toy, records):
    rows = [a for a in Page(report(toy, records)).of("tr") if "data-stem" in a]
    found = [(a["data-subject"], a["data-verdict"]) for a in rows]
    assert found == [
        ("dmbench", "reproduced"),
        ("dmbench", "reproduced"),
        ("dmbench", "reproduced"),
        ("dmbench", "below"),
        ("dmbench", "not measured"),
        ("double=mine.nets:Mine", "below"),
    ]
    assert all(set(a["class"].split()) <= {kind.replace(" ", "-") for kind in KINDS} for a in rows)
    text = Page(report(toy, records)).text
    assert "nobody has the machine" in text
    assert "measured instead of ours: double=mine.nets:Mine" in text


def test_filters_offer_every_stem_subject_and_verdict_and_hide_without_script(toy, records):
    page = Page(report(toy, records))
    assert "hidden" in page.of("form", "filters")[0]
    assert {a["name"] for a in page.of("select")} == {"stem", "subject"}
    assert {a["value"] for a in page.of("option")} == {"", "toy", "dmbench", "double=mine.nets:Mine"}
    boxes = [a["value"] for a in page.of("input") if a["type"] == "checkbox"]
    assert boxes == ["reproduced", "below", "not measured"]
    assert not any("hidden" in attributes for tag, attributes in page.tags if tag in ("tr", "table", "section"))


def test_the_page_has_a_title_headings_and_table_semantics(toy, records):
    page = Page(report(toy, records))
    assert page.text.strip().startswith("dmbench: what papers print")
    assert len(page.of("h1")) == len(page.of("main")) == 1
    assert len(page.of("caption")) == len(page.of("table"))
    assert all(a.get("role") == "cell" for a in page.of("td"))
    assert all(a.get("scope") for a in page.of("th"))
    assert all(a.get("aria-label") or a.get("aria-hidden") for a in page.of("svg"))
    assert any(a.get("name") == "viewport" for a in page.of("meta"))
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for a in page.of("a") if a["href"].startswith("#")} <= set(ids)


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "'&amp;$facts${x}"])
def test_whatever_anybody_named_is_only_text(toy, record, hostile):
    number = replace(toy["toy"].numbers["two"], where=hostile, setting=hostile, why_atol=hostile, unit=hostile)
    papers = {"toy": replace(toy["toy"], title=hostile, authors=hostile, arxiv=hostile, numbers={"two": number})}
    points = [{"update": i, hostile: i**0.5} for i in range(5)]
    facts = {"settings": {hostile: hostile}, "artifacts": {hostile: hostile}, "environment": {hostile: hostile}}
    facts |= {"experiment": hostile, "commit": hostile, "tier": hostile, "peak_bytes_of": hostile, "curve": points}
    plain, ours = (Page(report(papers, [record(**facts, subject=s)])) for s in ({"a": "b:c"}, {"a": hostile}))
    assert [tag for tag, _ in ours.tags] == [tag for tag, _ in plain.tags]
    assert [set(a) for _, a in ours.tags] == [set(a) for _, a in plain.tags]
    assert ours.stray == ours.open == []
    assert len(ours.of("script")) == 1
    assert not any(name.startswith("on") for _, attributes in ours.tags for name in attributes)
    assert hostile in ours.text
    assert any(a.get("data-subject") == f"a={hostile}" for a in ours.of("tr"))


def test_the_same_input_gives_the_same_page(toy, records, monkeypatch):
    def drawing(ctx):
        figure = Figure(figsize=(2, 1))
        figure.subplots().plot([0, 1])
        return figure

    draw(monkeypatch, drawing)
    assert report(toy, records) == report(toy, records)


def test_no_records_and_no_papers_still_give_a_page(toy):
    page = Page(report(toy, []))
    assert page.text.count("not measured") >= 5
    assert "No records yet" in page.text
    assert page.stray == page.open == []
    assert "0 numbers of 0 papers" in Page(report({}, [])).text


def test_records_of_a_number_that_no_paper_has_count_for_the_machines_alone(toy, record):
    text = report(toy, [record("renamed", 1.0, environment={"cpu": "Abacus 3000"})])
    assert "Abacus 3000" in text
    assert "renamed" not in text


def test_machines_group_the_records_by_what_they_ran_on(toy, record):
    here, there = {"cpu": "Abacus", "threads": 1}, {"cpu": "Slide rule", "threads": 1}
    rows = [
        record(environment=here, commit="a" * 40),
        record(environment=here | {"threads": 2}, commit="b" * 40, dirty=True),
        record(environment=there),
    ]
    page = Page(report(toy, rows))
    assert {"machine-1", "machine-2"} <= {a.get("id") for a in page.of("tr")}
    assert "threads 1 or 2" in page.text
    assert "aaaaaaaaaa, bbbbbbbbbb with changes" in page.text


@pytest.mark.parametrize(
    ("value", "x"),
    [(2.0, 64.0), (2.005, 84.0), (1.995, 44.0), (1.985, 4.0), (2.0025, 74.0)],
)
def test_a_measured_point_lies_in_units_of_the_tolerance(toy, record, value, x):
    drawn = report_svg.tolerance(judge(toy["toy"].numbers["two"], [record(value=value)]))
    assert '<rect class="band" x="44.0" y="3" width="40.0"' in drawn
    assert float(re.search(r'<circle class="point" cx="([\d.]+)"', drawn)[1]) == pytest.approx(x, abs=0.051)


def test_a_point_far_off_becomes_an_arrow_with_its_distance(toy, record):
    below = report_svg.tolerance(judge(toy["toy"].numbers["two"], [record(value=1.9)]))
    assert "<circle" not in below
    assert 'd="M0 10l7' in below
    assert "20\N{MULTIPLICATION SIGN}" in below
    assert "0.1 things below the printed value" in below
    exact = report_svg.tolerance(judge(toy["toy"].numbers["pair"], [record("pair", [1, 3.5])]))
    assert 'd="M128 10l-7' in exact  # the second value is off; the first is where it should be
    assert '<circle class="point" cx="64.0"' in exact


def test_the_confidence_interval_is_drawn_to_scale(toy, record):
    verdict = judge(toy["toy"].numbers["noisy"], [record("noisy", v, seed=i) for i, v in enumerate((9.8, 10.0, 10.5))])
    low, high = (64 + 20 * (end - 10) for end in (verdict.low, verdict.high))
    assert f'd="M{low:.1f} 10H{high:.1f}' in report_svg.tolerance(verdict)


def test_a_known_gap_is_drawn_around_the_tolerance(toy, record):
    number = replace(toy["toy"].numbers["two"], known_gap="another copy", gap=0.01)
    verdict = judge(number, [record(value=1.991)])
    assert verdict.kind == "known gap"
    assert '<rect class="gap" x="24.0" y="3" width="80.0"' in report_svg.tolerance(verdict)


def test_a_curve_is_drawn_against_each_clock_with_its_level_and_the_printed_value(toy, records):
    plots = [a["aria-label"] for a in Page(report(toy, records)).of("svg", "plot")]
    assert len(plots) == 2
    assert plots[0].startswith("score from 9.02 to 9.97, update to 190")
    assert "cpu seconds to 19.25" in plots[1]
    assert all("chance 8.5" in plot and "printed 10" in plot for plot in plots)


def test_seeds_at_the_same_points_are_thin_lines_under_their_interquartile_mean_and_its_interval(toy, records):
    text = report(toy, records)
    assert text.count('<path class="seed" d="M52') == 10  # five seeds against each clock
    assert text.count('<path class="line" d="M52') == text.count('<path class="area line" d="M52') == 2
    assert "interquartile mean of the seeds, with its 95 % bootstrap interval" in text
    ends = [curve(s)[-1]["score"] for s in range(5)]
    value, low, high = (part[0] for part in band([[end] for end in ends]))
    assert (value, ends[0], ends[-1]) == pytest.approx((9.97, 9.95, 9.99))
    assert f"interval at the end {low:.4g} to {high:.4g}" in text


def test_seeds_at_points_of_their_own_are_lines_of_their_own(toy, record):
    rows = [[{"seconds": i + s, "score": float(i)} for i in range(3)] for s in range(2)]
    (figure,) = curves_of(toy, [record("noisy", 9.0, seed=s, curve=rows[s]) for s in range(2)])
    assert figure.count('<path class="line" d="M') == 2
    assert "area" not in figure
    assert "the first of 2 seeds" in figure


def test_one_runs_error_is_a_band_of_two_standard_errors_and_no_plot(toy, record):
    rows = [{"step": i, "score": 10.0 * i, "score_error": 1.0} for i in range(3)]
    (figure,) = curves_of(toy, [record("noisy", 9.0, seed=0, curve=rows)])
    (shown,) = Page(figure).of("svg", "plot")
    assert "interval at the end 18.04 to 21.96" in shown["aria-label"]
    assert "1.96 standard errors" in figure


def test_the_papers_words_name_the_axes_and_the_key_that_is_judged(toy, record):
    rows = [{"step": i, "value": 1.0 + i, "score": 9.0 + i} for i in range(3)]
    labels = {"judged": "score", "score": "average score, points", "step": "agent steps"}
    found = curves_of(toy, [record("noisy", 10.4, seed=0, curve=rows)], labels)
    first, second = Page(found[0]).of("svg", "plot")
    assert first["aria-label"].startswith("average score, points from 9 to 11, agent steps to 2")
    assert "printed 10" in first["aria-label"]  # though the record is not the curve's last value
    assert second["aria-label"].startswith("value from 1 to 3")
    assert "printed" not in second["aria-label"]


def test_several_printed_values_of_one_unit_are_told_apart_and_other_units_are_left_out(toy, record):
    noisy = toy["toy"].numbers["noisy"]
    ours = [
        replace(noisy, key="net_first_error", value=1.5, unit="%"),
        replace(noisy, key="net_last_error", value=1.25, unit="%"),
        replace(noisy, key="net_size", value=2.0, unit="times"),
    ]
    rows = [{"step": i, "error": 3.0 - i} for i in range(3)]
    verdicts = [judge(n, [record(n.key, 1.4, seed=0, experiment="net", curve=rows)]) for n in ours]
    (figure,) = report_curves.curves(verdicts, {"judged": "error"})
    assert "printed first error 1.5" in figure
    assert "printed last error 1.25" in figure
    assert "printed size" not in figure


def test_a_tracked_value_is_not_called_printed(toy, record):
    tracked = replace(toy["toy"].numbers["noisy"], tracked=True)
    rows = [{"step": i, "score": 9.0 + i / 2} for i in range(3)]
    verdict = judge(tracked, [record("noisy", 10.0, seed=0, curve=rows)])
    for labels in ({}, {"judged": "score"}):
        (figure,) = report_curves.curves([verdict], labels)
        assert "tracked 10" in figure
        assert "printed" not in figure
    assert "measured as tracked" in report_svg.tolerance(verdict)


def test_many_values_of_one_unit_are_left_to_the_table_but_for_the_first(toy, record):
    noisy = toy["toy"].numbers["noisy"]
    many = [replace(noisy, key=f"part_{name}", value=float(place)) for place, name in enumerate("abcde")]
    rows = [{"step": i, "score": 1.0 + i} for i in range(3)]
    verdicts = [judge(n, [record(n.key, 3.0, seed=0, experiment="net", curve=rows)]) for n in many]
    (figure,) = report_curves.curves(verdicts, {"judged": "score"})
    assert figure.count("level target") == 2  # a line and its name
    assert "printed 0" in figure


def test_of_three_lines_only_the_judged_one_is_drawn_against_time_as_well(toy, record):
    rows = [{"step": i, "episodes": i, "seconds": 2.0 * i, "a": i + 0.5, "b": i / 2, "c": i / 3} for i in range(3)]
    (figure,) = curves_of(toy, [record("noisy", 9.0, seed=0, curve=rows)], {"judged": "b"})
    shown = [a["aria-label"].split("; ")[0] for a in Page(figure).of("svg", "plot")]
    assert [text[0] for text in shown] == ["b", "a", "c", "b"]
    assert [text.rpartition(", ")[2] for text in shown] == ["step to 2"] * 3 + ["seconds to 4"]


BACKDROP = Backdrop("Theirs <i>", "step", "score", [0, 1, 2, 3, 4, 5], [[0, 1, 2, 3, 4, 5], [2, 3, 4, 5, 6, 7]])


def test_somebody_elses_curves_lie_behind_as_far_as_ours_go_and_are_named(toy, record):
    rows = [{"step": i, "value": 1.0 + i, "score": 9.0 + i} for i in range(4)]
    (figure,) = curves_of(toy, [record("noisy", 9.0, seed=0, curve=rows)], behind=lambda stem, name: [BACKDROP])
    value, score = Page(figure).of("svg", "plot")
    assert "Theirs <i> ends at 4" in score["aria-label"]
    assert "Theirs" not in value["aria-label"]
    assert "Theirs &lt;i&gt;</span>" in figure
    assert figure.index('class="area context" d="M52') < figure.index('<path class="context" d="M52')
    short = [{"step": i / 4, "score": 9.0 + i} for i in range(4)]
    (figure,) = curves_of(toy, [record("noisy", 9.0, seed=0, curve=short)], behind=lambda stem, name: [BACKDROP])
    assert "Theirs" not in figure


def test_backdrops_are_read_where_their_files_are_and_never_fetched(toy, monkeypatch, tmp_path):
    calls = []

    def draws(ctx, experiment):
        calls.append((experiment.name, sorted(ctx.files("pixels"))))
        return BACKDROP if len(calls) == 1 else 1 / 0

    registry = {"pixels": Artifact("pixels", "Pixels", "none", (File("pixels.bin", "", 1),))}
    monkeypatch.setattr(Store, "from_environment", classmethod(lambda cls: Store(registry)))
    monkeypatch.setattr(Store, "_fetch", lambda *_: pytest.fail("a report fetches nothing"))
    monkeypatch.setattr(report_behind, "backdrops", lambda stem: (Source(stem, ("pixels",), draws),))
    monkeypatch.setenv("DMBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DMBENCH_DATA", str(tmp_path))
    assert report_behind.behind("toy", "noisy") == []
    (tmp_path / "pixels.bin").write_bytes(b"x")
    assert report_behind.behind("toy", "noisy") == [BACKDROP]
    assert report_behind.behind("toy", "noisy") == []  # it failed, and is left out
    assert calls == [("noisy", ["pixels.bin"])] * 2
    assert report_behind.behind("toy", "no such experiment") == []


def curves_of(papers, records, labels=None, behind=lambda stem, name: []):
    return report_curves.curves([judge(papers["toy"].numbers["noisy"], records)], labels, behind)


def test_a_curves_ends_lie_in_the_corners_of_its_frame(toy, record):
    rows = [{"epoch": 0, "loss": 4.0}, {"epoch": 2, "loss": 1.0}, {"epoch": 4, "loss": 0.0}]
    (figure,) = report_curves.curves([judge(toy["toy"].numbers["noisy"], [record("noisy", 9.0, seed=0, curve=rows)])])
    assert 'd="M52.0 22.0L192.0 134.5L332.0 172.0"' in figure


def test_the_printed_value_is_drawn_above_the_level_that_a_gain_is_counted_from(toy, record):
    gain = record("two", 9.95 - 8.5, curve=curve())
    (figure,) = report_curves.curves([judge(toy["toy"].numbers["two"], [gain])])
    assert "printed 10.5" in figure
    other = record("two", 1.7, curve=curve())
    (figure,) = report_curves.curves([judge(toy["toy"].numbers["two"], [other])])
    assert "printed" not in figure


def test_a_level_belongs_beside_the_line_that_shares_its_last_word(toy, record):
    rows = [{"step": i, "psnr_a": 1.0 + i, "psnr_b": 2.0 + i, "floor_a": 0.5, "floor": 0.25} for i in range(3)]
    (figure,) = report_curves.curves([judge(toy["toy"].numbers["two"], [record(curve=rows)])])
    first, second = Page(figure).of("svg", "plot")
    assert "floor a 0.5" in first["aria-label"]
    assert "floor a" not in second["aria-label"]
    assert "floor 0.25" in second["aria-label"]


def test_what_counts_seconds_but_falls_is_no_clock(toy, record):
    rows = [{"epoch": i, "seconds": seconds} for i, seconds in enumerate((3.0, 9.0, 4.0))]
    (figure,) = report_curves.curves([judge(toy["toy"].numbers["two"], [record(curve=rows)])])
    (plot,) = Page(figure).of("svg", "plot")
    assert plot["aria-label"].startswith("seconds from 3 to 4, epoch to 2")


@pytest.mark.parametrize(
    "rows",
    [
        [{"step": 1, "a": 1.0}],
        [{"step": 1, "a": 1.0}, {"step": 2}],
        [{"step": 1, "a": 1.0}, {"step": 2, "a": float("nan")}],
        [{"step": 1, "a": 1.0}, {"step": 2, "a": "high"}],
        ["a", "b"],
    ],
)
def test_a_curve_that_is_none_is_left_out(toy, record, rows):
    assert "<figure" not in report(toy, [record(curve=rows)])


def test_a_long_curve_is_thinned_and_keeps_its_end(record):
    rows = report_curves.points(record(curve=curve(points=100_000)))
    assert len(rows) <= report_curves.LONGEST + 1
    assert rows[-1]["update"] == 999_990


def test_a_picture_is_embedded_with_its_words(toy, monkeypatch):
    def drawing(ctx):
        """A drawing."""
        assert ctx.subject("double")(2.0) == 4.0
        ctx.note(unit="mm")
        ctx.progress(1, 2)
        return Figure(figsize=(2, 1))

    draw(monkeypatch, drawing)
    (image,) = Page(report(toy, [])).of("img")
    assert image["src"].startswith("data:image/png;base64,iVBOR")
    assert image["alt"] == "A drawing."
    assert (image["width"], image["height"]) == ("200", "100")
    assert Page(report(toy, [], draw=False)).of("img") == []
    assert "dmbench tables --pictures" in report(toy, [], draw=False)


def test_a_moving_picture_waits_to_be_asked_for(toy, monkeypatch):
    stream = io.BytesIO()
    frames = [Image.new("L", (30, 20), shade) for shade in (0, 255)]
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    draw(monkeypatch, lambda ctx: stream.getvalue())
    page = Page(report(toy, []))
    (image,) = page.of("img")
    assert image["src"].startswith("data:image/gif;base64,R0lGOD")
    assert (image["width"], image["height"]) == ("30", "20")
    assert "open" not in page.of("details")[-1]
    assert page.stray == page.open == []
    draw(monkeypatch, lambda ctx: b"no GIF")
    assert "A drawing: failed: ValueError: gave bytes that are no GIF" in Page(report(toy, [])).text


def test_a_picture_over_cases_is_one_for_each_with_its_words_and_artifacts():
    def drawing(ctx, game):
        """Of {game}.

        Seen {game}.
        """
        return game

    drawing.__module__ = "dmbench.experiments._toy_pictures"
    first, second = picture("agent_{game}", over={"game": ("go", "chess")})(drawing).pictures
    assert (first.stem, first.name, first.title, first.artifacts) == ("toy", "drawing_go", "Of go.", ("agent_go",))
    assert (second.words, second.function(None, **second.case)) == ("Of chess. Seen chess.", "chess")


def test_a_picture_that_fails_leaves_a_line_and_the_rest(toy, records, monkeypatch):
    def drawing(ctx):
        raise RuntimeError("no <ink>\nat all")

    draw(monkeypatch, drawing)
    page = Page(report(toy, records))
    assert "A drawing: failed: RuntimeError: no <ink>" in page.text
    assert "at all" not in page.text
    assert len(page.of("svg", "plot")) == 2


def test_a_picture_too_large_for_the_page_leaves_a_line(toy, monkeypatch):
    monkeypatch.setattr(report_pictures, "LARGEST", 100)
    draw(monkeypatch, lambda ctx: Figure(figsize=(2, 1)))
    assert "100 allowed" in Page(report(toy, [])).text


def test_a_picture_without_its_files_names_the_command_and_fetches_nothing(toy, monkeypatch):
    registry = {
        "pixels": Artifact("pixels", "Pixels", "none", (File("nowhere/pixels.bin", "https://example.org/p", 1),)),
        "ours": Artifact(
            "ours", "Ours", "none", (File("nowhere/ours.bin", ""),), made_by="dmbench run toy --tier full"
        ),
    }
    monkeypatch.setattr(Store, "from_environment", classmethod(lambda cls: Store(registry)))
    monkeypatch.setattr(Store, "_fetch", lambda *_: pytest.fail("a report fetches nothing"))
    draw(monkeypatch, lambda ctx: Figure(), "pixels", "ours")
    expected = "not drawn; get it with dmbench data fetch pixels, dmbench run toy --tier full"
    assert expected in Page(report(toy, [])).text
    draw(monkeypatch, lambda ctx: Figure(), "pixel")
    assert "unknown artifact pixel: did you mean pixels?" in Page(report(toy, [])).text


def test_a_module_that_cannot_be_imported_leaves_a_line(toy, monkeypatch):
    def broken(stem):
        raise SyntaxError("in line 3")

    monkeypatch.setattr(report_pictures, "pictures", broken)
    assert "toy: failed: SyntaxError: in line 3" in Page(report(toy, [])).text


def test_no_file_of_the_report_names_a_stem():
    stems = [*discovery.papers(), *discovery.stems_with_experiments()]
    folder = report_pictures.Path(report_pictures.__file__).parent
    for path in folder.glob("report*"):
        words = set(re.findall(r"[\w-]+", path.read_text(encoding="utf-8").lower()))
        assert words.isdisjoint(stems), path
