"""What a search remembers to learn from again: points and what they reached, drawn at random."""

import torch

from dmbench.nas.parts.decision import Point


class Memory:
    """All that was told; what was told first is never forgotten."""

    def __init__(self) -> None:
        self.kept: list[tuple[Point, float]] = []

    def add(self, point: Point, accuracy: float) -> None:
        """Remember a point."""
        self.kept.append((point, accuracy))

    def draw(self, count: int, generator: torch.Generator | None = None) -> list[tuple[Point, float]]:
        """Draw so many, with replacement. Raises: ValueError: nothing was remembered."""
        if not self.kept:
            raise ValueError("nothing was remembered: tell before you draw")
        places = torch.randint(len(self.kept), (count,), generator=generator).tolist()
        return [self.kept[place] for place in places]
