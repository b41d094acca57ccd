"""Tracebacks with the user's frames alone."""

import asyncio
import sys

import pytest

from flyte._wire.failing import tracebacks


def deeper(password: str) -> None:
    rows = "x" * 1000
    raise ValueError(rows[:2])


async def task() -> None:
    await asyncio.gather(asyncio.to_thread(deeper, "xyzzy"))


def failed() -> BaseException:
    with pytest.raises(ValueError, match="xx") as caught:
        asyncio.run(task())
    return caught.value


def test_frames_in_the_middle_and_at_the_end_are_left_out_too() -> None:
    files = {frame.filename for frame in tracebacks.report(failed()).stack}
    assert files == {__file__}
    assert tracebacks.place(failed()) == "test_tracebacks.py:13 in deeper"


def test_groups_and_causes_likewise() -> None:
    group = ExceptionGroup("several", [failed()])
    group.__cause__ = failed()
    text = tracebacks.text(group)
    assert "in deeper" in text
    assert "/asyncio/" not in text
    assert tracebacks.place(group) == "test_tracebacks.py:13 in deeper"


def test_local_variables_are_short_and_without_secrets() -> None:
    text = tracebacks.text(failed(), with_locals=True)
    assert "password = (hidden)" in text
    assert "xyzzy'" not in text
    assert "… (1002 characters)" in text
    assert "rows" not in tracebacks.text(failed()).replace("rows[:2]", "")


def test_what_never_was_in_user_code_has_none() -> None:
    assert tracebacks.text(ValueError("no")) == ""
    assert tracebacks.place(ValueError("no")) == ""


def caught(error: BaseException | None) -> BaseException:
    try:
        if error is not None:
            raise error  # noqa: TRY301 - a statement of user code
        raised_by_c: dict[str, int] = {}
        raised_by_c["a"]
    except BaseException as found:  # noqa: BLE001 - any kind is a case here
        return found
    sys.exit("unreachable")


def test_who_raised_it() -> None:
    assert tracebacks.is_raised_by_user(caught(KeyboardInterrupt()))
    assert not tracebacks.is_raised_by_user(caught(None))
    assert not tracebacks.is_raised_by_user(KeyboardInterrupt())
