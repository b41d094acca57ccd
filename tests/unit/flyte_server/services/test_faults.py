"""Refusals as Connect errors."""

import logging

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError

from flyte_server.domain import errors
from flyte_server.services import faults


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.NotFound("x"), Code.NOT_FOUND),
        (errors.AlreadyExists("x"), Code.ALREADY_EXISTS),
        (errors.Invalid("x"), Code.INVALID_ARGUMENT),
        (errors.Aborted("x"), Code.ABORTED),
        (errors.Conflict("x"), Code.FAILED_PRECONDITION),
        (errors.Unavailable("x"), Code.UNAVAILABLE),
        (faults.Unsupported("x"), Code.UNIMPLEMENTED),
        (ConnectError(Code.RESOURCE_EXHAUSTED, "x"), Code.RESOURCE_EXHAUSTED),
    ],
)
def test_every_refusal_has_its_code_and_keeps_its_sentence(error: Exception, code: Code) -> None:
    found = faults.connect_error(error, where="S.M")
    assert (found.code, found.message) == (code, "x")


def test_every_refusal_of_the_domain_is_known() -> None:
    internal = {errors.StaleWrite}
    for kind in errors.ControlPlaneError.__subclasses__():
        made = kind("x", code="Nowhere") if kind is errors.CannotLaunch else kind("x")
        found = faults.connect_error(made, where="S.M")
        assert (found.code is Code.INTERNAL) == (kind in internal), kind


def test_an_unexpected_error_is_logged_and_only_its_reference_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        found = faults.connect_error(KeyError("secret"), where="RunService.CreateRun")
    assert found.code is Code.INTERNAL
    assert "secret" not in found.message
    assert "RunService.CreateRun" in found.message
    (record,) = caplog.records
    reference = found.message.partition("reference ")[2].partition(" ")[0]
    assert reference in record.getMessage()
    assert record.exc_info is not None
