"""`auth_metadata`: who asks, for the calls of one block."""

from collections.abc import Generator
from contextlib import contextmanager

from flyte import _session


@contextmanager
def auth_metadata(*kv: tuple[str, str]) -> Generator[None]:
    """Send headers with every call of a block; `flyte.init_passthrough` must have been called.

    A service that many people use passes on who of them asks.  Blocks in other threads and tasks are apart.

    Args:
        *kv: names of headers with their values.

    Example:
        >>> flyte.init_passthrough("https://flyte.example.com")
        >>> with flyte.remote.auth_metadata(("authorization", f"Bearer {token}")):
        ...     run = flyte.remote.Run.get("r1")
    """
    with _session.passing_on({name.lower(): value for name, value in kv}):
        yield
