"""Pictures of the real search: what they draw of records, and which records they take."""

from dataclasses import replace

import pytest

from dmbench.experiments import _network_morphism_pictures as pictures
from dmbench.harness.records import Record

WINNERS = {"start": "4x3/ 4x3/ 4x3", "hill_climbing": "8x3/ 4x5 8x3/ 4x3", "random_search": "16x3/ 4x3/ 4x5 4x3"}


def record(seed, time, number="real_difference", protocol="a", whose=None):
    curve = [{"budget": share, "hill_climbing": 50 + share + seed, "random_search": 60.0} for share in (50, 100)]
    settings = {"winners": WINNERS, "budget": 4e10}
    return Record(
        "network_morphism", number, "real_search", 1.0, seed, "slow", whose or {}, settings, {}, protocol, "", 1.0,
        None, "", "", False, {}, curve, time=time,
    )  # fmt: skip


@pytest.fixture
def records(monkeypatch):
    """Records in place of the committed ones, by stem."""
    found = {"network_morphism": [record(0, "1"), record(1, "2")], "eas": []}
    monkeypatch.setattr(pictures, "read", lambda folder, stems: ([r for stem in stems for r in found[stem]], []))
    return found


def test_the_newest_record_of_each_seed_and_of_the_newest_protocol_is_drawn(records):
    old = [record(5, "0", protocol="b"), record(0, "0")]
    other = [record(2, "9", number="real_start"), record(0, "9", whose={"widen": "mine:widen"})]
    records["network_morphism"] += [*old, *other]
    assert [(r.seed, r.time) for r in pictures.latest("network_morphism")] == [(0, "1"), (1, "2")]


def test_means_over_seeds_are_drawn_with_intervals(records):
    axes = pictures.real_searches(None).axes[0]
    lines = {line.get_label(): line.get_ydata().tolist() for line in axes.lines}
    assert lines == {"hill climbing by morphisms, 2 seeds": [100.5, 150.5], "random search, 2 seeds": [60.0, 60.0]}
    assert len(axes.collections) == 2
    assert axes.get_xlabel() == "% of 40 billion multiply-accumulates"


def test_a_box_is_a_layer_as_high_as_it_has_filters(records):
    figure = pictures.winners(None)
    assert [[box.get_height() for box in axes.patches] for axes in figure.axes] == [
        [4, 4, 4],
        [8, 4, 8, 4],
        [16, 4, 4, 4],
    ]
    assert [text.get_text() for text in figure.axes[1].texts] == ["8, 3x3", "4, 5x5", "8, 3x3", "4, 3x3"]
    assert "15 thousand" in figure.axes[0].get_title(loc="left")


def test_eas_is_drawn_where_it_is_recorded(records):
    run = record(0, "1", number="real_search")
    settings = {"winners": {"eas": "8x3/ 8x3/ 8x3"}, "budget": 4e10}
    curve = [{"budget": share, "eas": 70.0} for share in (50, 100)]
    records["eas"] = [replace(run, stem="eas", settings=settings, curve=curve)]
    assert len(pictures.winners(None).axes) == 4
    assert "EAS, 1 seed" in [line.get_label() for line in pictures.real_searches(None).axes[0].lines]


def test_without_a_record_the_command_is_told(records):
    records["network_morphism"] = []
    with pytest.raises(ValueError, match="no real search is recorded: dmbench run network_morphism"):
        pictures.latest("network_morphism")
