"""A handle of a run that happened in the caller's own process."""

from dataclasses import dataclass, field
from typing import Literal

from flyte import errors
from flyte._ids import ROOT_ACTION
from flyte._kit.immediate import immediate
from flyte._phases import ActionPhase
from flyte.config import _read
from flyte.remote._data import ActionInputs, ActionOutputs
from flyte.report import _live


@dataclass(frozen=True)
class LocalRun:
    """A finished run in this process: what `flyte.run` gives in local mode, with the methods of `remote.Run`.

    It exists only if the task succeeded: a failure is raised by `flyte.run` at once, where a debugger can look at it.
    There are no actions and no logs to look up; the task printed where the caller prints.  What was called, and how it
    ended, stands in the run's journal, so that `flyte.rerun(name, recover=True)` can go on from it.
    """

    name: str
    _inputs: ActionInputs = field(repr=False)
    _outputs: ActionOutputs = field(repr=False)

    @property
    def phase(self) -> ActionPhase:
        """Always `SUCCEEDED`."""
        return ActionPhase.SUCCEEDED

    @property
    def url(self) -> str:
        """Empty: no console knows this run."""
        return ""

    def done(self) -> bool:
        """Always True."""
        return True

    @immediate
    def sync(self) -> "LocalRun":
        """This handle."""
        return self

    @immediate
    def wait(
        self, quiet: bool = False, wait_for: Literal["terminal", "running"] = "terminal"
    ) -> None:
        """Return at once: the run has ended."""

    @immediate
    def inputs(self) -> ActionInputs:
        """The run's inputs, a dictionary."""
        return self._inputs

    @immediate
    def outputs(self) -> ActionOutputs:
        """The run's outputs: a tuple that knows the names `o0`, `o1`, … or the declared ones."""
        return self._outputs

    @immediate
    def get_report(self, attempt: int | None = None) -> str:
        """The report that the run's first action has written (`flyte.report`): an HTML document.

        Args:
            attempt: number of the attempt, from 1 (default: the latest that has written one).

        Raises:
            RuntimeUserError: there is none (code `NoReport`).
        """
        reports = _live.local(_read.flyte_home() / "local" / self.name, ROOT_ACTION)
        chosen = [each for each in reports if attempt in (None, int(each.parent.name))]
        if not chosen:
            raise errors.RuntimeUserError(
                "NoReport",
                f"run {self.name} has written no report; a task writes one with flyte.report.log()",
            )
        return chosen[-1].read_text(encoding="utf-8")

    @immediate
    def raise_for_status(self) -> None:
        """Return at once: the run succeeded."""

    @immediate
    def first_failure(self) -> None:
        """None: the run succeeded."""

    @immediate
    def abort(self, reason: str = "Manually aborted from the SDK api.") -> None:
        """Return at once: the run has ended."""
