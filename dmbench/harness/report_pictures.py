"""Pictures of the report: each stem's own figures, drawn where their artifacts lie on this machine."""

import io
from base64 import b64encode
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import torch

from dmbench.harness.artifacts import Store
from dmbench.harness.discovery import experiments, pictures
from dmbench.harness.drawing import Picture
from dmbench.harness.errors import DmbenchError

LARGEST = 2_000_000  # bytes of PNG a picture
RESOLUTIONS = (160, 110, 75)  # dots an inch, the finest that fits is taken


@dataclass
class Drawing:
    """What draws is given (dmbench.harness.experiment.Context): files and our own parts to read."""

    stem: str
    found: dict[str, dict[str, Path]]
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    seed: int | None = None

    def files(self, artifact: str) -> dict[str, Path]:
        return self.found[artifact]

    def subject(self, name: str) -> Any:
        parts = (s for e in experiments(self.stem) for s in e.subjects if s.name == name)
        part = next(parts, None)
        if part is None:
            raise LookupError(f"no experiment of {self.stem} has a part called {name}")
        return part.default

    def note(self, **settings: object) -> None:
        """Nothing is recorded."""

    def progress(self, done: float, total: float) -> None:
        """Nobody watches."""

    def point(self, **values: float) -> None:
        """Nothing is recorded."""

    def load(self) -> dict[str, Any] | None:
        return None

    def save(self, state: dict[str, Any]) -> None:
        """Nothing is kept."""

    def folder(self) -> Path:
        raise LookupError("a picture has no folder of its own")

    def keep(self, name: str, content: bytes) -> Path:
        raise LookupError("a picture leaves no files")


def drawn(stem: str, draw: bool) -> list[str]:
    """Return a <figure> for each picture of a stem, or one line where it cannot be drawn.

    Whatever goes wrong with a picture becomes its line: a report never fails for one.
    """
    try:
        found = pictures(stem)
    except Exception as error:  # a module of experiments that cannot be imported
        return [_line(stem, _reason(error))]
    return [_one(picture, draw) for picture in found]


def _one(picture: Picture, draw: bool) -> str:
    if not draw:
        return _line(picture.title, "left out; draw it with dmbench tables --pictures")
    try:
        store = Store.from_environment()
        if missing := _missing(store, picture):
            return _line(picture.title, f"not drawn; get it with {missing}, then dmbench tables")
        found = {name: store.files(name) for name in picture.artifacts}
        drawn = picture.function(Drawing(picture.stem, found), **picture.case)
        if isinstance(drawn, bytes):
            return _moving(picture, drawn)
        png, width, height = _png(drawn)
    except DmbenchError as error:
        return _line(picture.title, str(error))
    except Exception as error:  # a picture is anybody's code
        return _line(picture.title, _reason(error))
    return (
        f'<figure class="picture"><div class="scroll" tabindex="0" role="group" '
        f'aria-label="{escape(picture.title)}"><img alt="{escape(picture.words or picture.title)}" width="{width}" '
        f'height="{height}" src="data:image/png;base64,{b64encode(png).decode()}"></div>'
        f"<figcaption>{escape(picture.title)}</figcaption></figure>"
    )


def _moving(picture: Picture, gif: bytes) -> str:
    """Return a <figure> of a GIF that moves only once it is asked for."""
    if not gif.startswith(b"GIF8"):
        raise ValueError("gave bytes that are no GIF")
    if len(gif) > LARGEST:
        raise ValueError(f"its GIF has {len(gif):,} bytes, {LARGEST:,} allowed: draw it smaller or shorter")
    width, height = (int.from_bytes(gif[at : at + 2], "little") for at in (6, 8))
    return (
        f'<figure class="moving"><details><summary>{escape(picture.title)}</summary><img loading="lazy" '
        f'alt="{escape(picture.words or picture.title)}" width="{width}" height="{height}" '
        f'src="data:image/gif;base64,{b64encode(gif).decode()}"></details></figure>'
    )


def _missing(store: Store, picture: Picture) -> str:
    """Return the commands that get what is not on this machine; drawing fetches nothing by itself."""
    commands = []
    for name in picture.artifacts:
        artifact = store.artifact(name)
        if len(store.local(name)) < len(artifact.files):
            commands.append(artifact.made_by or f"dmbench data fetch {name}")
    return ", ".join(commands)


def _png(figure: Any) -> tuple[bytes, int, int]:
    """Return a figure's PNG, and its width and height in pixels at 100 dots an inch."""
    for resolution in RESOLUTIONS:
        stream = io.BytesIO()
        # Without its own name and version in it, the same figure gives the same bytes.
        figure.savefig(stream, format="png", dpi=resolution, metadata={"Software": None})
        if stream.tell() <= LARGEST:
            width, height = figure.get_size_inches() * 100
            return stream.getvalue(), round(width), round(height)
    raise ValueError(f"its PNG has {stream.tell():,} bytes, {LARGEST:,} allowed: draw it smaller")


def _reason(error: Exception) -> str:
    return f"failed: {type(error).__name__}: {error}".split("\n")[0]


def _line(title: str, reason: str) -> str:
    return f'<p class="absent"><b>{escape(title)}</b>: {escape(reason)}</p>'
