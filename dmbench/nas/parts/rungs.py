"""How many points get how much of a resource: successive halving, and Hyperband's brackets of it.

Source: Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar (2018), JMLR 18(185), arXiv:1603.06560, Algorithm 1 and
Table 1. R is the most resource of a point; one point in eta is kept.
"""

import math
from typing import NamedTuple

ROUNDING = 1e-9  # 3^4 is not to be a hair below 81


class Rung(NamedTuple):
    """So many points, each with so much of the resource."""

    points: int
    resource: float


def brackets(most: float, eta: float = 3.0) -> list[list[Rung]]:
    """Return Hyperband's brackets, the one of most points first, from R = `most` and a least resource of 1.

    Raises: ValueError: eta is not above 1, or R below 1.
    """
    if not 1 <= most < math.inf:
        raise ValueError(f"need a finite most resource of 1 or more: {most}")
    check_eta(eta)
    last = 0
    while eta ** (last + 1) <= most * (1 + ROUNDING):
        last += 1
    return [
        halving(math.ceil((last + 1) * eta**s / (s + 1) - ROUNDING), most / eta**s, s + 1, eta)
        for s in reversed(range(last + 1))
    ]


def halving(points: int, resource: float, rungs: int, eta: float = 3.0) -> list[Rung]:
    """Return the rungs of successive halving: one point in eta goes on, with eta times the resource.

    Raises: ValueError: no point, rung or resource, eta is not above 1, or no point is left for the last rung.
    """
    if points < 1 or rungs < 1 or not 0 < resource < math.inf:
        raise ValueError(f"need a point, a rung and a resource: {points}, {rungs}, {resource}")
    check_eta(eta)
    found = [Rung(math.floor(points / eta**i + ROUNDING), resource * eta**i) for i in range(rungs)]
    if found[-1].points < 1:
        raise ValueError(f"{points} points leave none for rung {rungs}: begin with {math.ceil(eta ** (rungs - 1))}")
    return found


def check_eta(eta: float) -> None:
    """Raise ValueError unless it is finite and above 1."""
    if not 1 < eta < math.inf:
        raise ValueError(f"need an eta above 1, of how many points one is kept: {eta}")
