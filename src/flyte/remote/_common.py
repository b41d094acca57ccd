"""What the handles have in common: their message as a dictionary, and errors for names that do not exist."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from google.protobuf import json_format

from flyte import errors


class ToJSONMixin:
    """`to_dict` and `to_json` for handles around a message `pb2`."""

    pb2: Any

    def to_dict(self) -> dict[str, Any]:
        """The message behind the handle, in plain values."""
        return json_format.MessageToDict(self.pb2) if self.pb2 is not None else {}

    def to_json(self) -> str:
        """The message behind the handle, as JSON."""
        return json.dumps(self.to_dict(), indent=2)


@contextmanager
def named(what: str, next_step: str) -> Generator[None]:
    """Inside the block, "not found" means that `what` does not exist.

    Raises:
        ActionNotFoundError: with the next step.
    """
    try:
        yield
    except errors.UnionRpcError as error:
        if error.code == "not_found":
            raise errors.ActionNotFoundError(f"{what} does not exist; {next_step}") from error
        raise
