"""The storage errors on the wire: by code, and whether another attempt may help."""

import pickle

import pytest

from flyte import errors
from flyte._wire.failing import codes


@pytest.mark.parametrize(
    ("kind", "recoverable"),
    [
        (errors.StorageError, True),
        (errors.StorageNotFoundError, False),
        (errors.StorageAccessError, False),
        (errors.StorageFullError, True),
        (errors.StorageTimeoutError, True),
        (errors.DataCorruptionError, False),
    ],
)
def test_a_storage_error_comes_back_as_itself(
    kind: type[errors.StorageError], recoverable: bool
) -> None:
    error = kind("cannot read s3://b/k: because")
    code, message, origin, again = codes.to_code(error)
    assert (code, origin, again) == (kind.__name__, "system", recoverable)
    assert type(codes.from_code(code, message, origin)) is kind
    assert type(pickle.loads(pickle.dumps(error))) is kind


def test_a_users_error_of_the_same_name_stays_the_users() -> None:
    found = codes.from_code("StorageNotFoundError", "m", "user")
    assert type(found) is errors.RuntimeUserError
