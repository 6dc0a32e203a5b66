"""How far a chain may be grown by morphisms: which layers may be made wider, where one may be inserted, and of what.

Shapes: none; layers are `dmbench.nas.network_morphism.Layer`. A segment is what lies between two pools.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from dmbench.nas.network_morphism import Chain, Layer, deepen, widen

Widen = Callable[..., Chain]
Deepen = Callable[..., Chain]


@dataclass(frozen=True)
class Growth:
    """The limits of growing.

    ladder: filters that a layer may have, rising. windows: of layers that are inserted, odd. longest: layers of a
    segment, at most. A layer is inserted before another, so that the last one of a segment stays the last. noise: of
    `widen`; without it copies of a filter have equal gradients, and stay copies for ever.
    Raises: ValueError: the ladder does not rise, or there is no window, or no room for a layer.
    """

    ladder: tuple[int, ...] = (4, 8, 16)
    windows: tuple[int, ...] = (3, 5)
    longest: int = 3
    noise: float = 0.1

    def __post_init__(self) -> None:
        rises = all(low < high for low, high in zip(self.ladder, self.ladder[1:], strict=False))
        if not self.ladder or not rises or not self.windows or self.longest < 1:
            raise ValueError(
                f"need filters that rise, a window and room: {self.ladder}, {self.windows}, {self.longest}"
            )

    def wider(self, layers: Sequence[Layer], index: int) -> int | None:
        """Return the next number of filters of a layer, None where it has the most."""
        return next((filters for filters in self.ladder if filters > layers[index].filters), None)

    def widenable(self, layers: Sequence[Layer]) -> list[int]:
        """Return which layers may be made wider."""
        return [index for index in range(len(layers)) if self.wider(layers, index) is not None]

    def room(self, layers: Sequence[Layer]) -> list[int]:
        """Return the layers after which one may be inserted."""
        segment = segments(layers)
        return [index for index in range(len(layers) - 1) if segment.count(segment[index + 1]) < self.longest]

    def morph(
        self,
        net: Chain,
        generator: torch.Generator | None = None,
        *,
        widen: Widen = widen,
        deepen: Deepen = deepen,
    ) -> Chain:
        """Return a network grown by one morphism at random: wider or deeper, each as likely where both may be.

        widen, deepen: what grows it. A network that may not grow is returned as it is.
        """
        places = [self.widenable(net.layers), self.room(net.layers)]
        kinds = [kind for kind in (0, 1) if places[kind]]
        if not kinds:
            return net
        kind = kinds[_draw(len(kinds), generator)]
        index = places[kind][_draw(len(places[kind]), generator)]
        if kind:
            return deepen(net, index, self.windows[_draw(len(self.windows), generator)])
        return widen(net, index, self.wider(net.layers, index), generator, noise=self.noise)


def segments(layers: Sequence[Layer]) -> list[int]:
    """Return the segment of each layer: how many pools lie before it."""
    return [sum(layer.pooled for layer in layers[:index]) for index in range(len(layers))]


def _draw(below: int, generator: torch.Generator | None) -> int:
    return int(torch.randint(below, (), generator=generator))
