"""CleanRL's dqn_atari.py as a peer: the published script, unaltered, in a Python of its own, 8 updates at a time.

The script is not part of dmbench: CONTRIBUTING.md says how to get it, and DMBENCH_CLEANRL names the Python that has it.
Here it is started by that Python with this very file, and held up wherever it has made another 8 updates of its
optimiser, which are 32 agent steps. So only its loop is timed, past the random play, and in turn with ours.
"""

import atexit
import json
import os
import subprocess
import sys
import tempfile
import time

UPDATES = 8


class _CleanRL:
    """A run of 32 agent steps and 8 updates, by the network of 2015 with Adam, one environment, in its own process."""

    def __init__(self, memory: int, begin: int, threads: int, device: str) -> None:
        python = os.environ.get("DMBENCH_CLEANRL", "")
        if not python:
            raise NotImplementedError("CleanRL is not here: name its Python in DMBENCH_CLEANRL (CONTRIBUTING.md)")
        self._folder = tempfile.TemporaryDirectory(prefix="dmbench-")  # where it writes its logs
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115  # as long as the process lives
        options = {"buffer-size": memory, "learning-starts": begin, "cuda": device != "cpu"}
        options |= {"total-timesteps": 10**8, "exploration-fraction": 1e-5}  # epsilon falls over 1,000 steps
        self._process = subprocess.Popen(
            [
                python,
                os.path.abspath(__file__),
                str(threads),
                *(f"--{name}={value}" for name, value in options.items()),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            cwd=self._folder.name,
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
        )
        atexit.register(self._process.kill)
        self._reply()

    def __call__(self) -> None:
        self._ask("wall")

    def sample(self, clock: str) -> float:
        """Return the seconds of the next run, by its own clock: "CPU time" or "wall"."""
        return self._ask(clock)

    def peak_bytes(self) -> int:
        """Return the most that one run's tensors occupy, as `dmbench.harness.device.peak_bytes` has it."""
        return int(self._ask("bytes"))

    def __del__(self) -> None:
        if hasattr(self, "_process"):
            self._process.kill()

    def _ask(self, what: str) -> float:
        try:
            self._process.stdin.write(what.encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it has ended: its last words are the reason
        return self._reply()

    def _reply(self) -> float:
        line = self._process.stdout.readline()
        if not line:
            self._complaints.seek(0)
            words = self._complaints.read().decode(errors="replace").strip().splitlines()
            raise NotImplementedError(f"CleanRL does not run: {words[-1] if words else 'it ended without a word'}")
        return json.loads(line)


def _main(threads: str, *options: str) -> None:
    """Run the script; answer each line of the input, which says what to measure, once 8 more updates are made."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the script prints is no answer
    import importlib.util
    import runpy

    import ale_py  # noqa: F401  # tells gymnasium of its games
    import torch

    torch.set_num_threads(int(threads))
    spec = importlib.util.find_spec("cleanrl")
    if spec is None:
        raise SystemExit("pip install --no-deps --ignore-requires-python cleanrl==1.2.0")
    measure = _measures(torch)

    def measured():
        """Answer once for the updates since the last line, and take the next line."""
        answer = 0.0
        while True:
            print(json.dumps(answer), file=replies, flush=True)
            finish = measure(sys.stdin.readline().strip())
            for _ in range(UPDATES):
                yield
            answer = finish()

    turns, step = measured(), torch.optim.Adam.step

    def counted(self, *args, **kwargs):
        result = step(self, *args, **kwargs)
        next(turns)
        return result

    torch.optim.Adam.step = counted
    sys.argv = ["dqn_atari.py", *options]
    runpy.run_path(os.path.join(spec.submodule_search_locations[0], "dqn_atari.py"), run_name="__main__")


def _measures(torch):
    def measure(what):
        if not what:  # the other side is gone
            os._exit(0)
        if what == "bytes" and torch.cuda.is_available():
            before = torch.cuda.memory_allocated()
            torch.cuda.reset_peak_memory_stats()
            return lambda: torch.cuda.max_memory_allocated() - before
        if what == "bytes":
            profiler = torch.autograd.profiler.profile(profile_memory=True)
            profiler.__enter__()
            return lambda: _peak(profiler)
        now = time.process_time if what == "CPU time" else time.perf_counter
        begin = now()

        def seconds():
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            return now() - begin

        return seconds

    return measure


def _peak(profiler):
    profiler.__exit__(None, None, None)
    events = [event for event in profiler.kineto_results.events() if event.name() == "[memory]"]
    total = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        total += event.nbytes()
        peak = max(peak, total)
    return peak


if __name__ == "__main__":
    _main(*sys.argv[1:])
