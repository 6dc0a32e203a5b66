"""Where things are: the numbers that come with dmbench, and the folder that a run writes to."""

import os
from pathlib import Path

from dmbench.harness.errors import UsageError

PACKAGE = Path(__file__).resolve().parents[1]


def checkout() -> Path | None:
    """Return the root of the checkout that this dmbench runs from, or None if it was installed."""
    root = PACKAGE.parent
    return root if (root / "reference_results" / "papers").is_dir() else None


def reference() -> Path:
    """Return the folder with `papers/` and `artifacts.toml`."""
    root = checkout()
    return root / "reference_results" if root else PACKAGE / "reference_results"


def results_folder(chosen: Path | None = None, own: bool = True) -> Path:
    """Return the folder that holds `measured/` and `tables/`.

    In order: `chosen`; `DMBENCH_RESULTS`; the checkout's own reference_results, when the working folder lies inside
    the checkout and `own` implementations are measured; `./dmbench-results`.

    Raises:
        UsageError: the choice is there and is no folder.
    """
    folder = chosen or (Path(os.environ["DMBENCH_RESULTS"]) if os.environ.get("DMBENCH_RESULTS") else None)
    if folder is None:
        root = checkout()
        inside = root is not None and Path.cwd().resolve().is_relative_to(root)
        folder = reference() if inside and own else Path("dmbench-results")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"results folder {folder} is a file: name a folder with --results")
    return folder


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file by new content as a whole or not at all, also when the disk is full or the process is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def shown(path: Path) -> str:
    """Return the path as a user would type it: relative to the working folder where it lies inside."""
    try:
        return str(path.resolve().relative_to(Path.cwd().resolve()))
    except ValueError:
        return str(path)
