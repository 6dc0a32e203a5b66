"""Backdrops of the report: read where their artifacts lie on this machine, and left out elsewhere."""

from dmbench.harness.artifacts import Store
from dmbench.harness.discovery import backdrops, experiments
from dmbench.harness.drawing import Backdrop
from dmbench.harness.report_pictures import Drawing


def behind(stem: str, name: str) -> list[Backdrop]:
    """Return what is drawn behind the curves of a stem's experiment; nothing is fetched for it.

    Whatever goes wrong leaves it out: a report never fails for somebody else's curves.
    """
    try:
        chosen = next(e for e in experiments(stem) if e.name == name)
        store = Store.from_environment()
        found = []
        for source in backdrops(stem):
            if all(len(store.local(a)) == len(store.artifact(a).files) for a in source.artifacts):
                files = {a: store.files(a) for a in source.artifacts}
                found.append(source.function(Drawing(stem, files), chosen))
        return [one for one in found if one is not None and len(one.runs) > 1]
    except Exception:  # anybody's code; a damaged file is named by `dmbench data verify`
        return []
