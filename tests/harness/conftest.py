"""A toy stem, so that the harness is tested on numbers that anyone can check by hand."""

import itertools
import sys
import types

import pytest

from dmbench.harness import discovery
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Subject, experiment
from dmbench.harness.numbers import read_paper
from dmbench.harness.records import Record

PAPER = """
[paper]
title = "On Toys"
authors = "Doe"
year = 1999

[numbers.two]
value = 2.00
unit = "things"
better = "higher"
where = "Table 1"
setting = "as it is"
atol = 0.005
why_atol = "half of the last printed digit"

[numbers.noisy]
value = 10
unit = "points"
better = "higher"
where = "Table 2"
setting = "five seeds"
atol = 1
why_atol = "the paper's own spread"

[numbers.pair]
value = [1, 2.5]
unit = "things"
better = "exact"
where = "Table 3"
setting = "both"
atol = 0
why_atol = "counts"

[numbers.breaks]
value = 1
unit = "things"
better = "exact"
where = "Table 4"
setting = "an experiment that fails"
atol = 0
why_atol = "a count"

[numbers.elsewhere]
value = 5
unit = "things"
better = "exact"
where = "Table 5"
setting = "needs a machine that nobody has"
atol = 0
why_atol = "a count"
unchecked = "nobody has the machine"
"""


def double(x):
    """The toy implementation under test."""
    return 2 * x


def check_double(implementation):
    if not isinstance(implementation(1.0), float):
        raise ContractError(f"returned {type(implementation(1.0)).__name__}, not a float")


DOUBLE = Subject("double", double, "double(x) returns a float", check_double)


def two(ctx):
    """Double one."""
    ctx.note(x=1.0)
    return {"two": ctx.subject("double")(1.0)}


def noisy(ctx):
    """Ten, give or take a little, in three steps that a kill may part."""
    state = ctx.load() or {"done": 0}
    for step in range(state["done"], 3):
        ctx.point(step=step, value=float(step))
        ctx.save({"done": step + 1})
        ctx.progress(step + 1, 3)
        if getattr(ctx, "stop_after", None) == step:
            raise KeyboardInterrupt
    return {"noisy": 10 + 0.1 * (ctx.seed - 2)}


def pair(ctx):
    """One and a half more."""
    return {"pair": [1, 2.5]}


def breaks(ctx):
    """Fail."""
    raise RuntimeError("the wheel came off\nand rolled away")


@pytest.fixture
def toy(monkeypatch, tmp_path):
    """The stem `toy`, its numbers and experiments; returns its papers."""
    module = types.ModuleType("dmbench.experiments.toy")
    for function in (two, noisy, pair, breaks):
        monkeypatch.setattr(function, "__module__", module.__name__)
        setattr(module, function.__name__, function)
    experiment("two", tier="quick", subjects=(DOUBLE,))(two)
    experiment("noisy", tier="slow", seeds=5)(noisy)
    experiment("pair", tier="quick")(pair)
    experiment("breaks", tier="full")(breaks)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(discovery, "stems_with_experiments", lambda: ("toy",))
    monkeypatch.setattr(discovery, "_sources", lambda path, seen: set())
    discovery.experiments.cache_clear()
    discovery.code_hash.cache_clear()
    path = tmp_path / "papers" / "toy.toml"
    path.parent.mkdir()
    path.write_text(PAPER)
    found = {"toy": read_paper(path)}
    monkeypatch.setattr(discovery, "papers", lambda folder=None: found)
    yield found
    discovery.experiments.cache_clear()
    discovery.code_hash.cache_clear()


@pytest.fixture
def record():
    """Make a record with one call; each is a second younger than the one before."""
    clock = itertools.count()

    def make(number="two", value=2.0, seed=None, **changes):
        second = next(clock)
        facts = {
            "stem": "toy",
            "experiment": number,
            "tier": "quick",
            "subject": {},
            "settings": {},
            "artifacts": {},
            "protocol": "p",
            "code": "c",
            "seconds": 1.0,
            "peak_bytes": 1,
            "peak_bytes_of": "process",
            "commit": "",
            "dirty": False,
            "environment": {"torch": "2.13.0"},
            "time": f"2026-01-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}+00:00",
        }
        return Record(number=number, value=value, seed=seed, **(facts | changes))

    return make
