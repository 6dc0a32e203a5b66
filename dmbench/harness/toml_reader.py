"""Reading TOML strictly: every complaint is one line that names the file, the key and the reason."""

import math
from decimal import Decimal
from pathlib import Path
from typing import Any

from dmbench.harness.errors import NumbersError
from dmbench.harness.paths import shown


class Reader:
    """Checks one file's content."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def error(self, key: str, reason: str) -> NumbersError:
        return NumbersError(f"{shown(self.path)}: {key}: {reason}" if key else f"{shown(self.path)}: {reason}")

    def table(self, key: str, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.error(key, "is missing" if value is None else f"must be a table: {value!r}")
        return value

    def known(self, key: str, table: dict[str, Any], known: set[str], required: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        if unknown := sorted(set(table) - known):
            raise self.error(f"{key}.{unknown[0]}".lstrip("."), f"is not a known key: {', '.join(sorted(known))}")
        if missing := sorted(required - set(table)):
            raise self.error(f"{key}.{missing[0]}".lstrip("."), "is missing")

    def text(self, key: str, value: object) -> str:
        if not isinstance(value, str) or not value.strip():
            raise self.error(key, f"must be text: {value!r}")
        return value

    def texts(self, key: str, value: object) -> dict[str, str]:
        """Return a table of texts, in its order."""
        return {name: self.text(f"{key}.{name}", text) for name, text in self.table(key, value).items()}

    def finite(self, key: str, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise self.error(key, f"must be a number: {value!r}")
        if not math.isfinite(value):
            raise self.error(key, f"must be finite: {value}")
        return float(value)
