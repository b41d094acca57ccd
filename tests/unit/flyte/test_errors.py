"""The error tree: what goes over the wire and comes back."""

import pickle

import pytest

from flyte import errors
from flyte._wire.failing import codes


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ValueError", errors.RuntimeUserError),
        ("OOMKilled", errors.OOMError),
        ("Interrupted", errors.TaskInterruptedError),
        ("PrimaryContainerNotFound", errors.PrimaryContainerNotFoundError),
        ("RetriesExhausted|ValueError", errors.RetriesExhaustedError),
        ("ContainersNotReady|ImagePullBackOff", errors.ImagePullBackOffError),
        ("InvalidImageName", errors.InvalidImageNameError),
        ("MaxRuntimeExceeded", errors.MaxRuntimeExceededError),
        ("MaxQueuedTimeExceeded", errors.MaxQueuedTimeExceededError),
        ("DeadlineExceeded", errors.DeadlineExceededError),
        ("Aborted", errors.ActionAbortedError),
    ],
)
def test_code_of_kind_user_selects_the_class(code: str, expected: type[Exception]) -> None:
    error = codes.from_code(code, "why", "user", "worker-1")
    assert type(error) is expected
    assert (error.code, error.root_cause, error.worker, str(error)) == (
        code,
        "why",
        "worker-1",
        "why",
    )


def test_kind_decides_before_parts_of_the_code() -> None:
    assert type(codes.from_code("OOMKilled", "m", "SYSTEM")) is errors.RuntimeSystemError
    assert type(codes.from_code("OOMKilled", "m", "unknown")) is errors.RuntimeUnknownError
    assert type(codes.from_code("x", "m", "something new")) is errors.RuntimeUnknownError


def test_timeout_and_abort_mean_the_same_whoever_is_blamed() -> None:
    assert type(codes.from_code("Aborted", "m", "system")) is errors.ActionAbortedError


@pytest.mark.parametrize(
    "error",
    [
        errors.OOMError("OOMKilled", "needs more than 2Gi"),
        errors.MaxRuntimeExceededError("ran for 3 s"),
        errors.ActionAbortedError("by ann"),
        errors.WorkerLostError("WorkerLost", "host went away"),
        errors.RuntimeUnknownError("odd", "nobody knows"),
    ],
)
def test_an_error_comes_back_as_itself(error: errors.BaseRuntimeError) -> None:
    code, message, kind, _ = codes.to_code(error)
    again = codes.from_code(code, message, kind)
    assert type(again) is type(error)
    assert codes.to_code(again) == codes.to_code(error)


def test_users_exception_is_named_by_its_class() -> None:
    assert codes.to_code(ValueError("no rows")) == ("ValueError", "no rows", "user", True)
    assert codes.to_code(KeyError()).message == "KeyError()"


def test_only_non_recoverable_errors_end_the_retries() -> None:
    assert not codes.to_code(errors.NonRecoverableError("give up")).recoverable
    assert codes.to_code(errors.CustomError("NoData", "empty")).recoverable


@pytest.mark.parametrize(
    "error",
    [
        errors.RuntimeDataValidationError("inputs.x", "not a number", "env.f"),
        errors.InvalidPackageError("gti", "no such package"),
        errors.NonRecoverableError("no", code="Mine"),
        errors.BaseRuntimeError("c", "system", "m", "w"),
    ],
)
def test_errors_survive_pickling(error: errors.BaseRuntimeError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))


def test_custom_error_keeps_what_it_was_made_of() -> None:
    cause = LookupError("nothing there")
    error = errors.CustomError.from_exception(cause)
    assert (error.code, str(error), error.__cause__) == ("LookupError", "nothing there", cause)


def test_wrong_declarations_and_calls_are_also_what_python_would_raise() -> None:
    assert issubclass(errors.DefinitionError, ValueError)
    assert issubclass(errors.TaskInputError, TypeError)


def test_tree_in_the_docstring_is_complete() -> None:
    drawn = errors.__doc__ or ""
    missing = [
        name
        for name, value in vars(errors).items()
        if isinstance(value, type)
        and issubclass(value, Exception)
        and not name.startswith("_")
        and name not in drawn
    ]
    assert not missing
