"""The small chains that real searches choose among: as a space of points, as layers, as text, and what each costs.

Three segments, with a pool between them: the first is one layer, each other one to three layers. Each layer has 4, 8 or
16 filters; the last of a segment looks through 3 x 3, any before it through 3 x 3 or 5 x 5. This is what morphisms by
`GROWTH` reach from `FIRST`, the smallest. A segment's length is drawn first, so that all lengths are as likely.
"""

from collections.abc import Sequence
from typing import Any

from dmbench.nas.network_morphism import Chain, Layer
from dmbench.nas.parts.decision import Decision, Point
from dmbench.nas.parts.discrete import Space
from dmbench.nas.parts.growth import Growth, segments

GROWTH = Growth(ladder=(4, 8, 16), windows=(3, 5), longest=3)
FIRST = (Layer(4, pooled=True), Layer(4, pooled=True), Layer(4))
SIDE = 14  # of a picture
EXTRA = GROWTH.longest - 1  # layers of a segment before its last one


def real_space() -> Space:
    """Return the space. Decisions on layers that a point does not have change nothing."""
    decisions = [Decision("0.filters", GROWTH.ladder)]
    for segment in (1, 2):
        decisions.append(Decision(f"{segment}.more", tuple(range(EXTRA + 1))))
        for layer in range(EXTRA):
            decisions.append(Decision(f"{segment}.{layer}.filters", GROWTH.ladder))
            decisions.append(Decision(f"{segment}.{layer}.window", GROWTH.windows))
        decisions.append(Decision(f"{segment}.filters", GROWTH.ladder))

    def network(values: Sequence[Any]) -> Chain:
        return Chain(layers_of(values))

    return Space("small chains", decisions, network)


def layers_of(values: Sequence[Any]) -> list[Layer]:
    """Return the layers of a point's values."""
    found = [Layer(values[0], pooled=True)]
    width = 2 + 2 * EXTRA
    for segment in (1, 2):
        more, *parts, filters = values[1 + (segment - 1) * width :][:width]
        found += [Layer(parts[2 * layer], parts[2 * layer + 1]) for layer in range(more)]
        found.append(Layer(filters, pooled=segment == 1))
    return found


def point_of(space: Space, layers: Sequence[Layer]) -> Point:
    """Return a point of such layers. Raises: ValueError: they lie outside of the space."""
    values: list[Any] = [layers[0].filters]
    for segment in (1, 2):
        mine = [one for one, place in zip(layers, segments(layers), strict=True) if place == segment]
        if not 1 <= len(mine) <= EXTRA + 1:
            raise ValueError(f"outside of {space.name}: a segment has 1 to {EXTRA + 1} layers: {spelled(layers)}")
        *before, last = mine
        values.append(len(before))
        for layer in range(EXTRA):
            one = before[layer] if layer < len(before) else Layer(GROWTH.ladder[0], GROWTH.windows[0])
            values += [one.filters, one.window]
        values.append(last.filters)
    words = (f"{one.name}={value}" for one, value in zip(space.decisions, values, strict=True))
    point = space.decode(" ".join(words))
    if layers_of(space.values(point)) != list(layers):
        raise ValueError(f"outside of {space.name}: {spelled(layers)}")
    return point


def spelled(layers: Sequence[Layer]) -> str:
    """Write layers as text: filters x window, and / for a pool."""
    return " ".join(f"{one.filters}x{one.window}{'/' if one.pooled else ''}" for one in layers)


def read_layers(text: str) -> list[Layer]:
    """Read what `spelled` wrote. Raises: ValueError: a word is no layer."""
    found = []
    for word in text.split():
        filters, _, window = word.removesuffix("/").partition("x")
        if not filters.isdecimal() or not window.isdecimal():
            raise ValueError(f"a layer is written as filters x window, such as 8x3/: {word}")
        found.append(Layer(int(filters), int(window), word.endswith("/")))
    return found


def macs(layers: Sequence[Layer], side: int = SIDE, inputs: int = 1, classes: int = 10) -> int:
    """Count multiply-accumulates of a picture of `side` x `side` through a chain: its convolutions and linear layer."""
    total = 0
    for layer in layers:
        total += side**2 * inputs * layer.filters * layer.window**2
        inputs = layer.filters
        side = side // 2 if layer.pooled else side
    return total + inputs * classes
