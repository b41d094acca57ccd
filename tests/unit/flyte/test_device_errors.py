"""Failures of accelerators: what they carry, over the wire and through a pickle."""

import asyncio
import pickle
from typing import Any

import pytest

from flyte import errors
from flyte._wire.failing import codes


def test_faults_of_gpus_come_back_from_the_wire_by_their_code() -> None:
    for code in errors.GPU_FAULT_CODES:
        user = codes.from_code(code, "m", "user")
        assert type(user) is errors.GPUFaultUserError
        assert user.code == code
        system = codes.from_code(code, "m", "system", "w")
        assert type(system) is errors.GPUFaultSystemError
        assert (system.kind, system.worker, system.xid) == ("system", "w", None)


def test_a_fault_says_which_device_and_which_number() -> None:
    fault = errors.GPUFaultSystemError(
        "GpuXidError", "fell off", fault_kind="xid", fault_code=79, node="n1", gpu_index=3
    )
    assert (fault.xid, fault.sxid, fault.node, fault.gpu_index) == (79, None, "n1", 3)
    again = pickle.loads(pickle.dumps(fault))
    assert type(again) is errors.GPUFaultSystemError
    assert (str(again), again.xid) == ("fell off", 79)
    assert isinstance(fault, errors.RuntimeSystemError)


def test_errors_of_metal_devices_have_one_code_each() -> None:
    for code, named in errors.APPLE_SILICON_ERRORS_BY_CODE.items():
        error = named("no such device")
        assert (error.code, error.kind) == (code, "user")
        told = codes.to_code(error)
        assert told.recoverable is named.recoverable
        assert type(codes.from_code(told.code, told.message)) is named
        assert type(pickle.loads(pickle.dumps(error))) is named
        assert f"{named.__module__}.{named.__name__}".startswith("flyte.errors.AppleSilicon")


def test_an_error_in_the_place_of_a_result_is_raised_by_arithmetic() -> None:
    results: list[Any] = [1, errors.OOMError("OOMKilled", "too much"), 3]
    with pytest.raises(errors.OOMError, match="too much"):
        sum(results)
    with pytest.raises(errors.OOMError):
        results[1] + 1


def test_there_are_no_other_names() -> None:
    with pytest.raises(AttributeError, match="GPUNonsense"):
        _ = errors.GPUNonsense  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("error", "passes"), [(BlockingIOError(11, "again"), False), (ValueError("x"), True)]
)
async def test_only_the_harmless_polling_error_is_silenced(error: Exception, passes: bool) -> None:
    loop = asyncio.get_running_loop()
    told: list[Any] = []
    handler: Any = errors.silence_polling_error

    class Loop:
        def default_exception_handler(self, context: dict[str, Any]) -> None:
            told.append(context["exception"])

    handler(Loop(), {"exception": error})
    assert bool(told) is passes
    assert loop.is_running()
