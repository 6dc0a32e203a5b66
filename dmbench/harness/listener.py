"""What a run tells while it goes on."""

from dmbench.harness.measure import Outcome, Task


class Listener:
    """The base class keeps quiet. Progress of a task may arrive after its end."""

    def started(self, task: Task) -> None:
        """Tell that a task has begun."""

    def progressed(self, task: Task, done: float, total: float) -> None:
        """Tell how far a task is."""

    def said(self, line: str) -> None:
        """Tell what a run's machines have to say."""

    def finished(self, outcome: Outcome) -> None:
        """Tell what a task has come to."""
