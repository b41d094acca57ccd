"""The text of a failure: its parts, its shape, and where a failure of others began."""

import pytest

from flyte import errors
from flyte._wire import failures
from flyte._wire.failing import messages
from flyte._wire.failing.messages import Told

TRACEBACK = 'Traceback (most recent call last):\n  File "/code/train.py", line 12, in fit\nValueError: no rows'


def raised(error: BaseException) -> BaseException:
    try:
        raise error  # noqa: TRY301 - as user code does
    except BaseException as caught:  # noqa: BLE001 - any kind is a case here
        return caught


@pytest.mark.parametrize(
    "told",
    [
        Told("no rows"),
        Told("no rows", TRACEBACK),
        Told("no rows\n\nnor columns", TRACEBACK, "look at train.py:12 in fit"),
        Told("It crashed.", "evidence: Fatal Python error\n\nThread 1", "look at it"),
        Told(
            "no",
            "",
            "",
            errors.Trail(("a1", "b2"), "env.leaf", "ValueError", "no: rows", "t.py:1 in f"),
        ),
        Told("no", "", "go", errors.Trail(("a1",), "env.leaf", "Killed", "")),
    ],
)
def test_the_parts_come_back(told: Told) -> None:
    assert messages.read(str(told)) == told


def test_the_order_is_always_the_same() -> None:
    trail = errors.Trail(("a1", "b2"), "env.leaf", "ValueError", "no rows", "train.py:12 in fit")
    assert str(Told("no rows", TRACEBACK, "look at it", trail)) == (
        "child a1 → b2 (env.leaf) failed at train.py:12 in fit: ValueError: no rows\n\n"
        f"no rows\n\n{TRACEBACK}\n\nnext: look at it"
    )


@pytest.mark.parametrize(
    "text", ["", "no rows", "next: nothing", "child of mine failed: sad", "\n\n"]
)
def test_what_others_wrote_is_a_summary(text: str) -> None:
    assert messages.read(text) == Told(text)


def travelled(error: BaseException) -> errors.BaseRuntimeError:
    """An error as the parent of a failed task gets it."""
    return failures.from_error_document(failures.error_document(error))


def test_a_failure_on_its_way_up_names_where_it_began() -> None:
    leaf = travelled(raised(ValueError("no rows")))
    messages.from_child(leaf, "b2", "env.leaf")
    middle = travelled(raised(leaf))
    messages.from_child(middle, "a1", "env.middle")
    root = travelled(raised(middle))

    assert root.trail is not None
    assert (root.trail.actions, root.trail.task) == (("a1", "b2"), "env.leaf")
    assert root.headline.startswith("child a1 → b2 (env.leaf) failed at test_messages.py:")
    assert root.headline.endswith(" in raised: ValueError: no rows")
    assert (root.code, str(root)) == ("ValueError", "no rows"), "as the first one"
    assert root.evidence.count("Traceback (most recent call last):") == 1, "not the cascade"
    assert root.evidence.count("called from:") == 1
    assert root.next_step.startswith("look at test_messages.py:")


@pytest.mark.parametrize("kind", ["group", "cause", "context"])
def test_what_was_made_of_a_childs_failure_names_it_too(kind: str) -> None:
    leaf = travelled(raised(ValueError("no rows")))
    messages.from_child(leaf, "b2", "env.leaf")
    made: BaseException = RuntimeError("given up")
    if kind == "group":
        made = ExceptionGroup("several", [raised(leaf)])
    elif kind == "cause":
        made.__cause__ = leaf
    else:
        made.__context__ = leaf
    told = travelled(raised(made))
    assert told.trail is not None
    assert told.trail.actions == ("b2",)
    assert str(told).startswith("several" if kind == "group" else "given up")


def test_a_failure_that_was_set_aside_is_not_named() -> None:
    leaf = travelled(raised(ValueError("no rows")))
    messages.from_child(leaf, "b2", "env.leaf")
    made = RuntimeError("another matter")
    made.__context__, made.__suppress_context__ = leaf, True
    assert travelled(raised(made)).trail is None


def test_an_exception_that_cannot_be_shown_still_travels() -> None:
    class Unspeakable(Exception):  # noqa: N818
        def __str__(self) -> str:
            raise RuntimeError

    told = travelled(raised(Unspeakable()))
    assert told.code == "Unspeakable"
    assert "__str__ raised RuntimeError" in str(told)
