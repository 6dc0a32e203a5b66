"""One side of a comparison, a process: times the components of one commit with the suites and the harness of another.

Started as a file: bench_worker.py COMPONENTS CHECKOUT. Everything of dmbench but `harness` and `peers` comes from the
folder COMPONENTS; these two and benchmarks/ come from CHECKOUT, so that both sides are measured alike. It answers
each line of JSON on its standard input by one on its standard output.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any

MEASURES = ("dmbench.harness", "dmbench.peers")  # as modules are named


class Places:
    """A finder of modules: packages at places of their own, before `sys.path` is looked at."""

    def __init__(self, places: Mapping[str, Path]) -> None:
        self._places = places

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return where a package is, or None for one that is not ours to place."""
        folder = self._places.get(name)
        if folder is None:
            return None
        return spec_from_file_location(name, folder / "__init__.py", submodule_search_locations=[str(folder)])


class Bench:
    """Answers to what a comparison asks; holds one case at a time."""

    def __init__(self, components: Path, checkout: Path, device: str) -> None:
        places = {name: checkout.joinpath(*name.split(".")) for name in (*MEASURES, "benchmarks")}
        finder: Any = Places({"dmbench": components / "dmbench"} | places)
        sys.meta_path.insert(0, finder)
        from dmbench.harness import bench_cases

        self._attempt, self._device = bench_cases.attempt, device
        cases, self._problems = bench_cases.find()
        self._cases = {case.name: case for case in cases}
        self._sample: Callable[[], float] | None = None
        self._suite: Any = None

    def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """Do one thing: `prepare` a case, or take a `sample` of it."""
        if message["do"] == "prepare":
            suite, reason = self._attempt(lambda: self._prepared(message["case"]))
            self._suite = suite
            return (
                {"reason": reason}
                if reason
                else {"reason": "", "peak_bytes": self._peak() if message["weigh"] else None}
            )
        from dmbench.harness.device import sampler

        take = sampler(self._suite.run, self._suite.device, number=message["number"])
        return {"seconds": take()}

    def _prepared(self, name: str) -> Any:
        self._suite = None  # its memory goes first
        if name not in self._cases:
            raise NotImplementedError("; ".join(self._problems) or "its suite has no such case")
        case = self._cases[name]
        suite = case.setup(next(iter(case.implementations), ""), self._device)
        suite.run()
        return suite

    def _peak(self) -> int | None:
        from dmbench.harness.device import peak_bytes

        found, _ = self._attempt(lambda: peak_bytes(self._suite.run, self._suite.device))
        return found if isinstance(found, int) else None


def main(components: str, checkout: str, device: str) -> None:
    """Answer until the input ends."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a component prints is no answer
    bench = Bench(Path(components), Path(checkout), device)
    print(json.dumps({"ready": True}), file=replies, flush=True)
    for line in sys.stdin:
        print(json.dumps(bench.answer(json.loads(line))), file=replies, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
