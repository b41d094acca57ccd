"""Every error that the SDK raises on purpose.

::

    RuntimeError
    ├── BaseRuntimeError                      has code, kind, root_cause, worker
    │   ├── RuntimeSystemError                the platform failed; trying again may help
    │   │   ├── UnionRpcError                 the control plane could not be talked to
    │   │   │   └── ControlPlaneUnreachableError  start it, or correct its address
    │   │   ├── StorageError                  a file could not be read or written
    │   │   │   ├── StorageNotFoundError      correct the address, or make the object again
    │   │   │   ├── StorageAccessError        correct the credentials, or what they allow
    │   │   │   ├── StorageFullError          make room on the disk or in the quota
    │   │   │   ├── StorageTimeoutError       try again, or allow it more time
    │   │   │   └── DataCorruptionError       make the object again: its content has changed
    │   │   ├── WorkerLostError               the process that ran the task, or its host, is gone
    │   │   ├── KilledError                   somebody outside ended the task's process
    │   │   └── ServerStartError              the embedded control plane could not be started
    │   ├── RuntimeUnknownError               nobody knows whose failure it is
    │   ├── GPUFaultError                     run it again, on another device
    │   │   ├── GPUFaultSystemError           (also a RuntimeSystemError) the hardware failed
    │   │   └── GPUFaultUserError             (also a RuntimeUserError) the task's code brought it about
    │   ├── InitializationError               call flyte.init() first
    │   ├── LogsNotYetAvailableError          ask again a little later
    │   └── RuntimeUserError                  user code failed; `code` is its exception's class
    │       ├── AppleSiliconError             a task could not use the Metal device of a Mac
    │       │   ├── AppleSiliconNotAvailableError       run it where there is one
    │       │   ├── AppleSiliconHostExecFailedError     see why the Mac did not start the work
    │       │   ├── AppleSiliconDaemonStartFailedError  see why the process with the model did not start
    │       │   ├── AppleSiliconDaemonOOMError          take a smaller model
    │       │   ├── AppleSiliconModelNotFoundError      bring the model to the Mac first
    │       │   └── AppleSiliconBridgeUnreachableError  let the container reach the Mac
    │       ├── OOMError                      give the task more memory
    │       ├── DiskFullError                 make room, or give the task more disk
    │       ├── CrashedError                  native code ended the process; look at its stack
    │       ├── ProcessExitError              return from the task instead of ending its process
    │       │   └── NoOutputsError            the process ended well, but without outputs
    │       ├── CannotScheduleError           ask for what the machine has
    │       ├── TaskInterruptedError          the machine was taken away
    │       ├── PrimaryContainerNotFoundError name the main container of the pod
    │       ├── InvalidImageNameError         correct the name of the image
    │       ├── ImagePullBackOffError         let the cluster pull the image
    │       ├── RetriesExhaustedError         the last retry failed too
    │       ├── NotInTaskContextError         use it inside a task
    │       ├── CustomError                   raise it to fail with a code of your own
    │       ├── NonRecoverableError           raise it to fail without further retries
    │       ├── TaskTimeoutError              a time limit was hit
    │       │   ├── MaxQueuedTimeExceededError    the task waited too long
    │       │   ├── MaxRuntimeExceededError       one attempt ran too long
    │       │   └── DeadlineExceededError         all attempts together took too long
    │       ├── DefinitionError               (also a ValueError) correct a declaration
    │       ├── TaskInputError                (also a TypeError) correct the arguments of a call
    │       ├── RuntimeDataValidationError    correct a value: it does not fit its type
    │       │   └── UnserializableError       return a value that can be stored
    │       ├── RestrictedTypeError           use another type in the signature
    │       ├── InlineIOMaxBytesBreached      pass large values as files
    │       ├── ConfigError                   correct the configuration file
    │       ├── ModuleLoadError               make the task's module importable
    │       ├── CodeBundleError               correct what goes into the code bundle
    │       ├── DeploymentError               correct what is deployed
    │       ├── ParameterMaterializationError find the value of a parameter, or bring it where it is needed
    │       ├── ImageBuildError               correct the image
    │       ├── InvalidPackageError           correct the name of a system package
    │       ├── ActionAbortedError            somebody aborted the action
    │       ├── ConditionTimedoutError        nobody answered in time
    │       ├── ConditionFailedError          look at the control plane's log
    │       ├── ConditionAlreadyExistsError   give the condition another name
    │       ├── ConditionNotFoundError        correct the name of the condition
    │       ├── RemoteTaskNotFoundError       deploy the task first
    │       ├── RemoteTaskUsageError          call the deployed task as it allows
    │       ├── SlowDownError                 ask less often
    │       │   └── ResourceExhaustedError    wait until the control plane has room
    │       ├── OnlyAsyncIOSupportedError     use the async form of this input or output
    │       ├── SyncTaskCallInAsyncContextError   write `await task.aio(…)`
    │       └── TraceDoesNotAllowNestedTasksError call the task outside of the traced function
    └── ActionNotFoundError                   correct the name of the run or action

On the wire an error is a code, a message and a kind: see `flyte._wire.failing.codes`.
"""

from typing import TYPE_CHECKING, Any

from flyte.errors import _base, _devices
from flyte.errors._base import (
    BaseRuntimeError,
    RuntimeSystemError,
    RuntimeUserError,
)

if TYPE_CHECKING:
    import asyncio

ErrorKind = _base.ErrorKind
RuntimeUnknownError = _base.RuntimeUnknownError
Trail = _base.Trail

APPLE_SILICON_ERRORS_BY_CODE = _devices.APPLE_SILICON_ERRORS_BY_CODE
GPU_FAULT_CODES = _devices.GPU_FAULT_CODES
AppleSiliconBridgeUnreachableError = _devices.AppleSiliconBridgeUnreachableError
AppleSiliconDaemonOOMError = _devices.AppleSiliconDaemonOOMError
AppleSiliconDaemonStartFailedError = _devices.AppleSiliconDaemonStartFailedError
AppleSiliconError = _devices.AppleSiliconError
AppleSiliconHostExecFailedError = _devices.AppleSiliconHostExecFailedError
AppleSiliconModelNotFoundError = _devices.AppleSiliconModelNotFoundError
AppleSiliconNotAvailableError = _devices.AppleSiliconNotAvailableError
GPUFaultError = _devices.GPUFaultError
GPUFaultSystemError = _devices.GPUFaultSystemError
GPUFaultUserError = _devices.GPUFaultUserError


class InitializationError(BaseRuntimeError):
    """The SDK was used before `flyte.init()` or `flyte.init_from_config()`."""


class LogsNotYetAvailableError(BaseRuntimeError):
    """The action has not written logs yet; ask again a little later."""

    def __init__(self, message: str) -> None:
        super().__init__("LogsNotYetAvailable", "system", message)


class ActionNotFoundError(RuntimeError):
    """There is no action of that name in the run."""


# --- failures of the platform ---------------------------------------------------------------------


class UnionRpcError(RuntimeSystemError):
    """The control plane could not be talked to, or refused; the message names its address.

    Its `code` is the wire's own word: `unavailable`, `not_found`, `already_exists`, …
    """

    @property
    def is_final(self) -> bool:
        """Whether a control plane that is well said no: asking again would give the same answer."""
        return self.code in _FINAL_CODES


class ControlPlaneUnreachableError(UnionRpcError):
    """Nobody answers at the control plane's address; the message names it and says how to start one."""


_FINAL_CODES = frozenset(
    {
        "aborted",
        "already_exists",
        "failed_precondition",
        "invalid_argument",
        "not_found",
        "out_of_range",
        "permission_denied",
        "unauthenticated",
        "unimplemented",
    }
)


class StorageError(RuntimeSystemError):
    """A file could not be read or written; the message names it, the reason and the next step.

    The classes below say more. All of them are of kind system, because none is an exception of user
    code; those that the next attempt would only meet again are not recoverable.
    """

    def __init__(self, message: str) -> None:
        super().__init__(type(self).__name__, message)


class StorageNotFoundError(StorageError):
    """There is no such file, object or bucket, or no longer; another attempt would not find it."""


class StorageAccessError(StorageError):
    """The store refuses the credentials, or does not allow them this; another attempt would too."""


class StorageFullError(StorageError):
    """A disk or a quota is full; nothing was left behind, and what was there before was kept."""


class StorageTimeoutError(StorageError):
    """A store did not answer, or stopped answering, for longer than it is given."""


class DataCorruptionError(StorageError):
    """Content is not what was written: the message has the checksum expected and the one found.

    Raised after the transfer was tried again, so it is what is stored that has changed.
    """


class WorkerLostError(RuntimeSystemError):
    """The process that ran the task, or its host, is gone; the message says which and what is known of its end."""


class KilledError(RuntimeSystemError):
    """Somebody outside of the task ended its process by a signal: a person, the kernel, the machine's shutdown."""


class ServerStartError(RuntimeSystemError):
    """The embedded control plane could not be started; the message says why and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__("ServerStartError", message)


# --- what became of a task ------------------------------------------------------------------------


class OOMError(RuntimeUserError):
    """A task ran out of memory; call it again with more: `task.override(resources=…)`."""


class DiskFullError(RuntimeUserError):
    """A task found no room on a disk, or used more than its own bound."""


class CrashedError(RuntimeUserError):
    """Native code ended the task's process (SIGSEGV, SIGABRT, …); the evidence has the stack of the moment."""


class ProcessExitError(RuntimeUserError):
    """A task's process ended by itself, without a result."""


class NoOutputsError(ProcessExitError):
    """A task's process ended with exit code 0, but wrote no outputs, as `os._exit(0)` does."""


class CannotScheduleError(RuntimeUserError):
    """A task asks for more than any machine here has; the message has both figures."""


class TaskInterruptedError(RuntimeUserError):
    """A task's machine was taken away, as happens on a spot node."""


class PrimaryContainerNotFoundError(RuntimeUserError):
    """The pod has no container of the name that the pod template calls the primary one."""


class InvalidImageNameError(RuntimeUserError):
    """The name of the image is not valid."""


class ImagePullBackOffError(RuntimeUserError):
    """The cluster cannot pull the image: it does not exist, or the pull secret is missing."""


class RetriesExhaustedError(RuntimeUserError):
    """The last retry failed too."""


class NotInTaskContextError(RuntimeUserError):
    """Something that needs a running task was used outside of one."""


class CustomError(RuntimeUserError):
    """An error of user code with a code of its own, which callers can branch on.

    Example:
        >>> raise flyte.errors.CustomError("NoData", "table orders is empty on 2026-01-01")
    """

    @classmethod
    def from_exception(cls, e: Exception) -> "CustomError":
        """A `CustomError` whose code is the class name of `e`, and `e` its cause."""
        error = cls(type(e).__name__, str(e))
        error.__cause__ = e
        return error


class NonRecoverableError(RuntimeUserError):
    """Raise it in a task to fail at once, whatever retries are left."""

    def __init__(self, message: str, code: str = "NonRecoverableError") -> None:
        super().__init__(code, message)


class TaskTimeoutError(RuntimeUserError):
    """A time limit of the task's `Timeout` was hit."""

    def __init__(self, message: str, code: str = "TaskTimeoutError") -> None:
        super().__init__(code, message)


class MaxQueuedTimeExceededError(TaskTimeoutError):
    """The task waited longer than `Timeout.max_queued_time` before it started."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "MaxQueuedTimeExceeded")


class MaxRuntimeExceededError(TaskTimeoutError):
    """An attempt ran longer than `Timeout.max_runtime`."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "MaxRuntimeExceeded")


class DeadlineExceededError(TaskTimeoutError):
    """All attempts and the waiting between them took longer than `Timeout.deadline`."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "DeadlineExceeded")


class _NamedError(RuntimeUserError):
    """An error of user code whose code is the name of its class."""

    def __init__(self, message: str) -> None:
        super().__init__(type(self).__name__, message)


class ActionAbortedError(_NamedError):
    """Somebody aborted the action from outside."""


# --- declarations, calls and values ---------------------------------------------------------------


class DefinitionError(_NamedError, ValueError):
    """A declaration is wrong: an environment, a task, resources, an image, an override.

    Raised where the declaration is made, not later on a cluster; the message names the field.
    """


class TaskInputError(_NamedError, TypeError):
    """A call's arguments do not fit the task: one is missing, unknown or given twice."""


class RuntimeDataValidationError(RuntimeUserError):
    """A value does not fit its declared type, or cannot be stored.

    Args:
        var: which value, as a path: `inputs.rows[3].price`, `outputs.o0`.
        e: what is wrong with it.
        task_name: full name of the task, if known.
    """

    def __init__(self, var: str, e: Exception | str, task_name: str = "") -> None:
        place = f"{task_name}: {var}" if task_name else var
        super().__init__("DataValidationError", f"{place}: {e}")


class UnserializableError(RuntimeDataValidationError):
    """A value has a part that cannot be stored; the message has its path and type."""


class RestrictedTypeError(_NamedError):
    """A type that tasks may not have in their signature was used."""


class InlineIOMaxBytesBreached(_NamedError):  # noqa: N818 - an official name
    """Values are larger than the task's `max_inline_io_bytes` in all; pass them as files."""


class OnlyAsyncIOSupportedError(_NamedError):
    """Blocking input or output was used where only the async form works."""


class SyncTaskCallInAsyncContextError(_NamedError):
    """A plain task was called on a running event loop; write `await task.aio(…)`."""


class TraceDoesNotAllowNestedTasksError(_NamedError):
    """A task was called inside a traced function; call it outside, or drop `@flyte.trace`."""


# --- code, images, configuration ------------------------------------------------------------------


class ConfigError(_NamedError):
    """The configuration is wrong; the message names the file and the entry."""


class ModuleLoadError(_NamedError):
    """A module with tasks cannot be imported; the message carries the module's own error."""


class CodeBundleError(_NamedError):
    """The code bundle could not be made."""


class DeploymentError(_NamedError):
    """Deploying failed, or what it needs is not there."""


class ParameterMaterializationError(_NamedError):
    """The value of a parameter could not be found, or not be brought to where it is needed."""


class ImageBuildError(_NamedError):
    """Building an image failed."""


class InvalidPackageError(RuntimeUserError):
    """A system package of an image does not exist."""

    def __init__(self, package_name: str, original_error: str) -> None:
        super().__init__(
            "InvalidPackageError",
            f"system package {package_name!r} cannot be installed; correct its name in "
            "with_apt_packages(): "
            f"{original_error}",
        )
        self.package_name = package_name
        self.original_error = original_error


# --- the control plane says no --------------------------------------------------------------------


class ConditionTimedoutError(_NamedError):
    """Nobody answered a condition within its timeout."""


class ConditionFailedError(_NamedError):
    """The control plane could not go on with a condition."""


class ConditionAlreadyExistsError(_NamedError):
    """The task has asked a condition of that name already; give every condition a name of its own."""


class ConditionNotFoundError(_NamedError):
    """There is no such condition; list those of a run with `flyte get condition RUN`."""


class RemoteTaskNotFoundError(_NamedError):
    """There is no deployed task of that name and version."""

    CODE = "RemoteTaskNotFoundError"


class RemoteTaskUsageError(_NamedError):
    """A deployed task was called in a way that it does not allow."""

    CODE = "RemoteTaskUsageError"


class SlowDownError(_NamedError):
    """The control plane asks to be called less often."""


class ResourceExhaustedError(SlowDownError):
    """The control plane has no room for the request now."""


# --- event loops -----------------------------------------------------------------------------------


def silence_polling_error(loop: "asyncio.AbstractEventLoop", context: dict[str, Any]) -> None:
    """Handler of an event loop that says nothing of "resource temporarily unavailable", and passes on all else.

    Libraries of gRPC report that of a queue which they look at again a moment later.

    Args:
        loop: the loop, as `loop.set_exception_handler` calls its handler.
        context: what happened.

    Example:
        >>> asyncio.get_running_loop().set_exception_handler(flyte.errors.silence_polling_error)
    """
    if not isinstance(context.get("exception"), BlockingIOError):
        loop.default_exception_handler(context)
