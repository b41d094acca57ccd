"""What a task's process says about itself, and what it takes for its end."""

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from google.protobuf.struct_pb2 import Struct, Value

from flyte._client.fencing import Attempt, is_over

ENVIRONMENT = {
    "FLYTE_INTERNAL_EXECUTION_PROJECT": "p",
    "FLYTE_INTERNAL_EXECUTION_DOMAIN": "development",
    "RUN_NAME": "r1",
    "ACTION_NAME": "c1",
    "FLYTE_ATTEMPT_NUMBER": "1",
    "FLYTE_ATTEMPT_TOKEN": "secret",
}


def reason(text: str) -> Struct:
    return Struct(fields={"reason": Value(string_value=text)})


def test_attempts_are_counted_from_one() -> None:
    attempt = Attempt.of_environment(ENVIRONMENT)
    assert attempt is not None
    assert attempt.header == "p/development/r1/c1/2/secret"


@pytest.mark.parametrize("missing", ["RUN_NAME", "FLYTE_ATTEMPT_TOKEN"])
def test_who_has_no_token_says_nothing(missing: str) -> None:
    known = {name: value for name, value in ENVIRONMENT.items() if name != missing}
    assert Attempt.of_environment(known) is None


@pytest.mark.parametrize(
    ("error", "ends"),
    [
        (ConnectError(Code.ABORTED, "over", [reason("ATTEMPT_OVER")]), True),
        (ConnectError(Code.ABORTED, "the run was stopped"), False),
        (ConnectError(Code.ABORTED, "another", [reason("OTHER")]), False),
        (ConnectError(Code.UNAVAILABLE, "stopping", [reason("ATTEMPT_OVER")]), False),
    ],
)
def test_only_the_control_planes_own_word_ends_a_process(error: ConnectError, ends: bool) -> None:
    assert is_over(error) is ends
