"""The loop that tells: looks at rows, sends what is due, notes what became of it.

Rows are the truth, the bus only says when to look.  A notice is sent again when the control plane is killed between
sending and noting it, so receivers get a key by which they know it.
"""

import asyncio
import logging

from flyte_server.clock import Clock
from flyte_server.domain import retry
from flyte_server.engine.bus import RUNS, Bus
from flyte_server.mail import Smtp
from flyte_server.services.notices import contents
from flyte_server.services.notices.contents import WebRequest
from flyte_server.services.notices.mailing import mail
from flyte_server.services.notices.posting import NotSent, post
from flyte_server.store import notices
from flyte_server.store.database import Database
from flyte_server.store.notices import Ended, NoticeState

_log = logging.getLogger(__name__)

_PAUSES = (2.0, 2.0, 3600.0)
"""Base, factor and cap (seconds) between two tries."""
_MOST_FAILURES = 31
"""About a day: a receiver that is away for longer has lost interest, and the run can be looked at without it."""
_CLAIM_US = 60 * 1_000_000
"""Longer than any try takes."""
_TICK_SECONDS = 60.0
_GATHER_SECONDS = 0.1
"""Many runs end at once: one look for all of them."""


class Notices:
    """Tells what is due, several receivers at once.

    Args:
        smtp: who takes emails; None: nobody.
        near: whether web requests may go to this machine and to private networks.
    """

    def __init__(
        self, database: Database, bus: Bus, clock: Clock, *, smtp: Smtp | None, near: bool
    ) -> None:
        self._database = database
        self._bus = bus
        self._clock = clock
        self._smtp = smtp
        self._near = near

    async def run(self) -> None:
        """Work until cancelled."""
        with self._bus.subscribe(RUNS) as changes:
            while True:
                due = await self._database.read(notices.due, self._clock.now_us())
                if due:
                    await asyncio.gather(*(self._tell(each) for each in due))
                    continue
                now = self._clock.now_us()
                next_at = await self._database.read(notices.next_due_at, now)
                pause = _TICK_SECONDS if next_at is None else (next_at - now) / 1_000_000
                await changes.wait(min(pause, _TICK_SECONDS))
                await self._clock.sleep(_GATHER_SECONDS)

    async def _tell(self, ended: Ended) -> None:
        notice = ended.notice
        if ended.root.phase not in notice.phases:
            await self._settle(ended, NoticeState.UNWANTED, notice.failures)
            return
        until = self._clock.now_us() + _CLAIM_US
        if not await self._database.write(notices.claim, notice, until):
            return
        try:
            note = await self._send(ended)
        except NotSent as error:
            await self._put_off(ended, str(error))
        except Exception as error:  # noqa: BLE001 - one that breaks must not keep the others from being told
            _log.exception("notification %d of run %s broke", notice.number, ended.run.name)
            await self._put_off(ended, f"{type(error).__name__}: {error}"[:300])
        else:
            await self._settle(ended, NoticeState.SENT, notice.failures, note)

    async def _send(self, ended: Ended) -> str:
        """What was wrong although it was sent."""
        message = contents.message(ended)
        if isinstance(message, WebRequest):
            await post(message, near=self._near)
            return ""
        return await mail(message, self._smtp)

    async def _put_off(self, ended: Ended, error: str) -> None:
        notice = ended.notice
        failures = notice.failures + 1
        name = f"{ended.run.project}/{ended.run.domain}/{ended.run.name}"
        if failures >= _MOST_FAILURES:
            _log.warning(
                "notification %d of run %s is given up after %d tries: %s",
                notice.number,
                name,
                failures,
                error,
            )
            await self._settle(ended, NoticeState.FAILED, failures, error)
            return
        level = logging.WARNING if failures == 1 else logging.INFO
        _log.log(level, "notification %d of run %s is tried again: %s", notice.number, name, error)
        due_at = self._clock.now_us() + retry.backoff_us(*_PAUSES, failures=failures)
        await self._database.write(
            notices.put_off, notice, failures=failures, due_at=due_at, error=error
        )

    async def _settle(
        self, ended: Ended, state: NoticeState, failures: int, error: str = ""
    ) -> None:
        await self._database.write(
            notices.settle,
            ended.notice,
            state,
            self._clock.now_us(),
            failures=failures,
            error=error,
        )
