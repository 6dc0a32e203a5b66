"""What it costs to have a cell measured by a worker process of dask.distributed: handing out, answer, record."""

import tempfile
import time
from pathlib import Path

from dmbench.harness.cluster import Where, on_cluster
from dmbench.harness.listener import Listener
from dmbench.harness.measure import Settings, Task
from dmbench.harness.records import append

CELLS = 10_000
EMPTY = Task("sigmoid", "neuron", ("neuron", "neuron_gradient"), "quick", None)  # three products: nearly nothing


class Cells:
    """Seconds for so many cells that have nearly nothing to do, from the first answer to the last record."""

    params = ([1, 2],)
    param_names = ("workers",)
    timeout = 600

    def track_seconds_for_10000_cells(self, workers):
        """Count from the first answers: the start of processes is not a cell's."""
        tasks = [Task(EMPTY.stem, EMPTY.experiment, EMPTY.numbers, EMPTY.tier, seed) for seed in range(CELLS)]
        begun, counted, measured = 0.0, 0, 0
        with tempfile.TemporaryDirectory() as folder:
            for outcomes in on_cluster(tasks, Settings(Path(folder)), Listener(), Where(workers=workers)):
                append(Path(folder), [record for outcome in outcomes for record in outcome.records])
                measured += sum(bool(outcome.records) for outcome in outcomes)
                if begun:
                    counted += len(outcomes)
                elif outcomes:
                    begun = time.perf_counter()
            seconds = time.perf_counter() - begun
        if measured < CELLS:
            raise RuntimeError(f"{CELLS - measured} of {CELLS} cells were not measured")
        return seconds * CELLS / counted

    track_seconds_for_10000_cells.unit = "s"
