"""Exceptions over the wire: the class, the text and the traceback of user code arrive."""

from flyteidl2.core import execution_pb2
from flyteidl2.workflow import run_definition_pb2

from flyte import errors
from flyte._kit.aio import drive
from flyte._wire import failures


async def user_code(error: BaseException) -> None:
    try:
        int("no number")
    except ValueError as cause:
        raise error from cause


def raised(error: BaseException) -> BaseException:
    """The exception as the runtime catches it: raised by user code, through frames of the SDK."""
    try:
        drive(user_code(error))
    except BaseException as caught:  # noqa: BLE001 - any kind is a case here
        return caught
    raise AssertionError


def test_a_users_error_arrives_as_a_user_error_with_its_traceback() -> None:
    document = failures.error_document(raised(KeyError("row")))

    assert document.error.code == "KeyError"
    assert document.error.origin == execution_pb2.ExecutionError.USER
    assert document.error.kind == execution_pb2.ContainerError.RECOVERABLE
    error = failures.from_error_document(document)
    assert isinstance(error, errors.RuntimeUserError)
    assert (error.code, str(error)) == ("KeyError", "'row'")
    (note,) = error.__notes__
    assert "in user_code" in note
    assert "no number" in note  # what it was raised from
    assert "aio.py" not in note  # not our own frames


def test_an_error_without_frames_is_its_message_alone() -> None:
    document = failures.error_document(ValueError("no rows"))

    assert document.error.message == "no rows"
    assert not hasattr(failures.from_error_document(document), "__notes__")


def test_an_exception_group_keeps_its_members() -> None:
    group = ExceptionGroup("several", [ValueError("one"), raised(TypeError("two"))])

    error = failures.from_error_document(failures.error_document(raised(group)))

    assert str(error) == "several (2 sub-exceptions)"
    assert "TypeError: two" in error.__notes__[0]


def test_a_non_recoverable_error_is_final() -> None:
    document = failures.error_document(errors.NonRecoverableError("stop"))

    assert document.error.kind == execution_pb2.ContainerError.NON_RECOVERABLE


def test_a_system_error_stays_one() -> None:
    document = failures.error_document(errors.StorageError("disk is full"))

    assert document.error.origin == execution_pb2.ExecutionError.SYSTEM
    assert isinstance(failures.from_error_document(document), errors.RuntimeSystemError)


def test_a_long_message_loses_its_middle() -> None:
    text = "start " + "ä" * failures.LONGEST_MESSAGE + " end"
    message = failures.error_document(ValueError(text)).error.message

    assert len(message.encode()) <= failures.LONGEST_MESSAGE
    assert message.startswith("start ä")
    assert message.endswith("ä end")
    assert failures.is_cut(message)


def test_a_megabyte_is_whole() -> None:
    text = "start " + "ä" * 1_000_000 + " end"
    message = failures.error_document(ValueError(text)).error.message

    assert message == text
    assert not failures.is_cut(message)


def test_a_message_that_is_no_valid_text_still_travels() -> None:
    assert failures.error_document(ValueError("\ud800")).error.message == "?"


def test_what_a_parent_is_told() -> None:
    kinds = execution_pb2.ExecutionError
    told = kinds(code="OOMKilled", message="too much", kind=kinds.USER, worker="w1")

    error = failures.from_execution_error(told)
    assert isinstance(error, errors.OOMError)
    assert (error.code, str(error), error.worker) == ("OOMKilled", "too much", "w1")
    assert isinstance(
        failures.from_execution_error(kinds(message="?", kind=kinds.UNKNOWN)),
        errors.RuntimeUnknownError,
    )


def test_what_a_client_is_told() -> None:
    kinds = run_definition_pb2.ErrorInfo
    message = "bad\n\nTraceback (most recent call last):\n  File x\nValueError: bad"
    error = failures.from_error_info(
        kinds(code="ValueError", message=message, kind=kinds.KIND_USER)
    )

    assert (type(error), str(error)) == (errors.RuntimeUserError, "bad")
    assert failures.split(message) == ("bad", message.removeprefix("bad\n\n"))
    system = kinds(code="NodeLost", message="gone", kind=kinds.KIND_SYSTEM)
    assert isinstance(failures.from_error_info(system), errors.RuntimeSystemError)
