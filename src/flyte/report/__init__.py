"""A page that a task writes about itself: tabs of HTML in one self-contained file, live while the task runs.

What lives here: `Report`, its tabs, and the functions that write into the report of the running task (`_verbs`); how
the page looks (`_page` with `page.html` and `frame.html`) and when it is written (`_publishing`, `_live`).
What does not: who shows it, and how the bytes get to the store.
"""

from flyte.report._report import Report
from flyte.report._timeline import Timeline, abbreviate, duration_ms
from flyte.report._verbs import current_report, flush, get_tab, log, replace

__all__ = [
    "Report",
    "Timeline",
    "abbreviate",
    "current_report",
    "duration_ms",
    "flush",
    "get_tab",
    "log",
    "replace",
]
