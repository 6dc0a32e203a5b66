"""MATLAB 5 files, in which authors of the 2010s released their weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def read_mat(path: Path) -> Mapping[str, Any]:
    """Read the variables of a MATLAB 5 file.

    Raises:
        ValueError: it is truncated or no MATLAB file.
    """
    from scipy.io import loadmat  # 0.2 s to import, and only weights need it

    with path.open("rb") as stream:
        try:
            return loadmat(stream)  # type: ignore[arg-type]
        except Exception as error:  # scipy raises whatever the damaged bytes led it to
            reason = str(error).split("\n")[0]
            raise ValueError(f"{path}: truncated, or no MATLAB file ({reason}): fetch it again") from error
