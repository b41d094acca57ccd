"""The main of a replica: options, streams, signals, and the two loops."""

import argparse
import asyncio
import faulthandler
import logging
import os
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from types import FrameType

from flyte._client.workers import WORKER_TOKEN_VARIABLE, Workers
from flyte._entrypoints import child
from flyte._entrypoints.replica.conversation import Conversation, Identity, NotWantedError
from flyte._entrypoints.replica.crew import Crew
from flyte._entrypoints.replica.ledger import Held, Ledger
from flyte._entrypoints.replica.letters import Letters
from flyte._entrypoints.replica.shared import Shared
from flyte._entrypoints.replica.voices import Voices
from flyte._kit import aio
from flyte_protocol.worker.v1.worker_pb2 import Ended

logger = logging.getLogger("flyte.replica")

_TICK_SECONDS = 0.25
_LONGEST_END_SECONDS = 10.0
"""How long threads and exit functions of user code may hold up the end of an empty replica."""


def main() -> None:
    """Be a replica until nobody needs it any more."""
    options = _options(sys.argv[1:])
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    faulthandler.enable()
    replica = Replica(options)
    code = replica.run()
    faulthandler.dump_traceback_later(_LONGEST_END_SECONDS, exit=True)
    child.leave(code)


class Replica:
    """Joins the loop of user code and the loop on which the control plane is spoken to."""

    def __init__(self, options: argparse.Namespace) -> None:
        home: Path | None = options.home
        self._identity = Identity(
            worker=options.id,
            pool=options.pool,
            pid=os.getpid(),
            concurrency=options.concurrency,
            record=home / "replicas" / f"{options.id}.json" if home else None,
            linger_seconds=options.linger,
        )
        voices = Voices()
        voices.listen()
        told = dict(os.environ)  # noqa: TID251 - a process's edge
        workers = Workers.connect(options.endpoint, home=home, environment=told)
        told.pop(WORKER_TOKEN_VARIABLE, None)  # not for its attempts
        shared = Shared(
            workers=workers,
            environment=told,
            threads=ThreadPoolExecutor(options.concurrency, "flyte-plain"),
            context=copy_context(),
            voices=voices,
            directory=_entered(home / "work" / options.id) if home else None,
        )
        self._foreground = aio.Foreground(_struck)
        self._crew = Crew(self._foreground, shared, self._tell)
        self._shared = shared
        self._ends = Letters(aio.background().call, self._end)
        self._conversation: Conversation | None = None
        self._ledger: Ledger | None = None
        self._code = 0

    def run(self) -> int:
        """Execute what is leased; the exit code once nothing more is to be done."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked_to_end)
        aio.background().submit(self._speak())
        self._foreground.run()
        return self._code

    async def _speak(self) -> None:
        """On the background loop."""
        self._ledger = Ledger()
        service = self._shared.workers.service
        self._conversation = Conversation(service, self._identity, self._ledger, self._crew)
        ticking = asyncio.create_task(self._tick())
        try:
            await self._conversation.hold()
        except NotWantedError as reason:
            logger.warning("this replica is not wanted any more: %s", reason)
            self._code = 1
        except BaseException:
            logger.exception("this replica cannot go on")
            self._code = 1
            raise
        finally:
            ticking.cancel()
            self._foreground.end()

    async def _tick(self) -> None:
        """Let lines that are not at their end be seen."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self._shared.voices.tick()

    def _tell(self, held: Held, ended: Ended) -> None:
        """On the loop of user code."""
        self._ends.put((held, ended))

    def _end(self, end: tuple[Held, Ended]) -> None:
        """On the background loop."""
        assert self._ledger is not None, "nothing ends before it was leased"
        self._ledger.end(*end)

    def _asked_to_end(self, number: int, _frame: FrameType | None) -> None:
        if self._conversation is None:
            self._foreground.end()
        else:
            reason = f"the replica was sent {signal.Signals(number).name}"
            aio.background().call(self._conversation.leave, reason)


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Executes attempts that a control plane leases.")
    parser.add_argument("--id", required=True, help="name of this replica")
    parser.add_argument("--pool", required=True, help="key of the pool that it serves")
    parser.add_argument(
        "--endpoint", "--address", required=True, help="where the control plane answers"
    )
    parser.add_argument("--concurrency", type=int, default=1, help="attempts at once")
    parser.add_argument("--home", type=Path, help="the control plane's directory, if it is here")
    parser.add_argument(
        "--linger",
        type=float,
        default=300.0,
        help="seconds for which it waits, with nothing to do, for a control plane that is away",
    )
    return parser.parse_args(argv)


def _entered(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    os.chdir(directory)
    child.add_sources(os.environ)  # noqa: TID251 - a process's edge
    return directory


def _struck(error: BaseException) -> None:
    logger.warning("a task that nobody awaits raised %r; the replica goes on", error)


if __name__ == "__main__":
    main()
