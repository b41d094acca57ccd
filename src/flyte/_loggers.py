"""The two loggers: one for the code of tasks, one for the SDK itself.

In a task's process what `logger` is told goes to the attempt's log as structured records; the control plane keeps
level, message and fields apart, and shows `INFO trained loss=0.1`:

    flyte.logger.info("trained", extra={"loss": 0.1})
"""

import json
import logging
import sys

system_logger = logging.getLogger("flyte")
"""What the SDK has to say; its modules log below it."""

logger = logging.getLogger("flyte.user")
"""For user code."""

RECORDS_VARIABLE = "FLYTE_LOG_RECORDS"
"""Set in processes whose output is an attempt's log."""
_MARK = "\x1e"
"""Begins a JSON object among lines (RFC 7464)."""
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class RecordFormatter(logging.Formatter):
    """One JSON object per record, of which whoever keeps the log makes a structured one."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        document = {
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "fields": fields,
        }
        return f"{_MARK}{json.dumps(document, default=repr)}"


class _ToStderr(logging.Handler):
    """Writes to what `sys.stderr` is at the moment, each record at once."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(RecordFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(f"{self.format(record)}\n")
            sys.stderr.flush()
        except Exception:  # noqa: BLE001 - as every handler: what cannot be logged must not end the task
            self.handleError(record)


def write_records() -> None:
    """Let `logger` write structured records to stderr, from INFO on unless it has a level of its own."""
    logger.handlers[:] = [_ToStderr()]
    logger.propagate = False
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
