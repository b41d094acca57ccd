"""Failures of accelerators: faults of GPUs, and of the Metal devices of a Mac.

They are names of `flyte.errors`, like all others.
"""

from types import MappingProxyType
from typing import Any

from flyte.errors._base import (
    BaseRuntimeError,
    ErrorKind,
    RuntimeSystemError,
    RuntimeUserError,
)

GPU_FAULT_CODES = (
    "GpuXidError",
    "GpuFallenOffBus",
    "GpuEccUncorrectable",
    "GpuRowRemapPending",
    "GpuNvlinkError",
    "GpuGspError",
)
"""Codes on the wire that mean a fault of a GPU."""


class GPUFaultError(BaseRuntimeError):
    """A GPU failed under a task; another attempt may get another device.

    Args:
        code: one of `GPU_FAULT_CODES`.
        kind: whose failure it is.
        message: one sentence for the reader.
        worker: which worker reported it.
        fault_kind: which numbering `fault_code` belongs to: `xid` (of a device) or `sxid` (of a switch).
        fault_code: the driver's number.
        fault_name: the driver's name of it.
        severity: how bad it is, in the reporter's words.
        gpu_uuid: which device.
        gpu_index: its number on the node.
        node: where it is.
        pci_bus_id: its address on the bus.
        process: which process used it.

    Example:
        >>> try:
        ...     await train(batch)
        ... except flyte.errors.GPUFaultError as fault:
        ...     print(fault.node, fault.xid)
    """

    __module__ = "flyte.errors"

    def __init__(  # noqa: PLR0913 - an official signature
        self,
        code: str,
        kind: ErrorKind,
        message: str,
        worker: str | None = None,
        *,
        fault_kind: str | None = None,
        fault_code: int | None = None,
        fault_name: str | None = None,
        severity: str | None = None,
        gpu_uuid: str | None = None,
        gpu_index: int | None = None,
        node: str | None = None,
        pci_bus_id: str | None = None,
        process: str | None = None,
    ) -> None:
        BaseRuntimeError.__init__(self, code, kind, message, worker)
        self.fault_kind = fault_kind
        self.fault_code = fault_code
        self.fault_name = fault_name
        self.severity = severity
        self.gpu_uuid = gpu_uuid
        self.gpu_index = gpu_index
        self.node = node
        self.pci_bus_id = pci_bus_id
        self.process = process

    @property
    def xid(self) -> int | None:
        """The driver's number of a fault of a device; None for another kind of fault."""
        return self._number("xid")

    @property
    def sxid(self) -> int | None:
        """The driver's number of a fault of a switch; None for another kind of fault."""
        return self._number("sxid")

    def _number(self, kind: str) -> int | None:
        return self.fault_code if (self.fault_kind or "").lower() == kind else None


class GPUFaultSystemError(GPUFaultError, RuntimeSystemError):
    """A fault of the hardware or its driver: not the task's doing."""

    __module__ = "flyte.errors"

    def __init__(self, code: str, message: str, worker: str | None = None, **fault: Any) -> None:
        GPUFaultError.__init__(self, code, "system", message, worker, **fault)


class GPUFaultUserError(GPUFaultError, RuntimeUserError):
    """A fault that the task's own code brought about, such as an access to memory that is not its own."""

    __module__ = "flyte.errors"

    def __init__(self, code: str, message: str, worker: str | None = None, **fault: Any) -> None:
        GPUFaultError.__init__(self, code, "user", message, worker, **fault)


class AppleSiliconError(RuntimeUserError):
    """A task could not use the Metal device of a Mac; base of the errors that say why."""

    __module__ = "flyte.errors"
    code_name = "APPLE_SILICON_ERROR"
    recoverable = True

    def __init__(self, message: str, worker: str | None = None) -> None:
        super().__init__(self.code_name, message, worker)


class AppleSiliconNotAvailableError(AppleSiliconError):
    """The machine has no such device."""

    __module__ = "flyte.errors"
    code_name = "APPLE_SILICON_NOT_AVAILABLE"
    recoverable = False


class AppleSiliconHostExecFailedError(AppleSiliconError):
    """The work could not be started on the Mac itself."""

    __module__ = "flyte.errors"
    code_name = "APPLE_SILICON_HOST_EXEC_FAILED"
    recoverable = False


class AppleSiliconDaemonStartFailedError(AppleSiliconError):
    """The process that holds the model on the Mac did not start."""

    __module__ = "flyte.errors"
    code_name = "APPLE_SILICON_DAEMON_START_FAILED"
    recoverable = False


class AppleSiliconDaemonOOMError(AppleSiliconError):
    """The process on the Mac ran out of memory; a smaller model may fit."""

    __module__ = "flyte.errors"
    code_name = "APPLE_SILICON_DAEMON_OOM"


class AppleSiliconModelNotFoundError(AppleSiliconError):
    """The process on the Mac has no such model."""

    __module__ = "flyte.errors"
    code_name = "APPLE_SILICON_MODEL_NOT_FOUND"
    recoverable = False


class AppleSiliconBridgeUnreachableError(AppleSiliconError):
    """The container cannot reach the Mac that it runs on."""

    __module__ = "flyte.errors"
    code_name = "APPLE_SILICON_BRIDGE_UNREACHABLE"


APPLE_SILICON_ERRORS_BY_CODE: "MappingProxyType[str, type[AppleSiliconError]]" = MappingProxyType(
    {
        named.code_name: named
        for named in (
            AppleSiliconNotAvailableError,
            AppleSiliconHostExecFailedError,
            AppleSiliconDaemonStartFailedError,
            AppleSiliconDaemonOOMError,
            AppleSiliconModelNotFoundError,
            AppleSiliconBridgeUnreachableError,
        )
    }
)
"""The errors of Metal devices by the code that the wire has for them."""
