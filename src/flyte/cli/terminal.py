"""Tables with colours and a live view of a run; rich is loaded here, for terminals only."""

from collections import deque
from collections.abc import Generator, Iterable
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table as RichTable
from rich.text import Text

from flyte._phases import ActionPhase
from flyte.cli.render import Progress, Table, summary
from flyte.remote._progress import Snapshot

_STYLES = {
    ActionPhase.SUCCEEDED: "green",
    ActionPhase.RECOVERED: "green",
    ActionPhase.FAILED: "bold red",
    ActionPhase.TIMED_OUT: "bold red",
    ActionPhase.ABORTED: "magenta",
    ActionPhase.RUNNING: "cyan",
}
_STYLE_BY_WORD = {phase.value: style for phase, style in _STYLES.items()}


class TerminalScreen:
    """A screen with colours."""

    def __init__(self) -> None:
        self._out = Console(highlight=False)
        self._err = Console(stderr=True, highlight=False)

    def table(self, table: Table) -> None:
        shown = RichTable(box=SIMPLE_HEAD, pad_edge=False, show_header=any(table.columns))
        for column in table.columns:
            shown.add_column(column, overflow="fold")
        for row in table.rows:
            shown.add_row(*(Text(cell, style=_STYLE_BY_WORD.get(cell, "")) for cell in row))
        self._out.print(shown)

    @contextmanager
    def progress(self) -> Generator[Progress, None, None]:
        with Live(console=self._err, transient=True, refresh_per_second=10) as live:
            yield LiveTable(live)

    def lines(self, texts: Iterable[str], *, title: str, most: int) -> None:
        last: deque[str] = deque(maxlen=most)
        with Live(console=self._out, refresh_per_second=10) as live:
            for text in texts:
                last.append(text)
                live.update(Panel(Text("\n".join(last)), title=escape(title), title_align="left"))


class LiveTable:
    """Counts by task and state that replace each other in place; lines that stay go above it."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, snapshot: Snapshot) -> None:
        rows = snapshot.counts.items()
        phases = [phase for phase in ActionPhase if any(phase in counts for _, counts in rows)]
        table = RichTable(box=SIMPLE_HEAD, pad_edge=False, caption=summary(snapshot))
        table.add_column(snapshot.run_name)
        for phase in phases:
            table.add_column(phase.value, justify="right", style=_STYLES.get(phase, ""))
        for task, counts in rows:
            table.add_row(escape(task), *(str(counts.get(phase, "")) for phase in phases))
        self._live.update(table)

    def say(self, line: str) -> None:
        self._live.console.print(Text(line, style="red"))
