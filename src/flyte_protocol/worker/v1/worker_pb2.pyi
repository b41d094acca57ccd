from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AttemptRef(_message.Message):
    __slots__ = ("run_id", "action", "number", "token")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    run_id: int
    action: str
    number: int
    token: str
    def __init__(self, run_id: _Optional[int] = ..., action: _Optional[str] = ..., number: _Optional[int] = ..., token: _Optional[str] = ...) -> None: ...

class RegisterRequest(_message.Message):
    __slots__ = ("worker", "pool", "protocol", "held", "pid")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    worker: str
    pool: str
    protocol: int
    held: _containers.RepeatedCompositeFieldContainer[AttemptRef]
    pid: int
    def __init__(self, worker: _Optional[str] = ..., pool: _Optional[str] = ..., protocol: _Optional[int] = ..., held: _Optional[_Iterable[_Union[AttemptRef, _Mapping]]] = ..., pid: _Optional[int] = ...) -> None: ...

class RegisterResponse(_message.Message):
    __slots__ = ("session", "beat_ms", "forget")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    BEAT_MS_FIELD_NUMBER: _ClassVar[int]
    FORGET_FIELD_NUMBER: _ClassVar[int]
    session: str
    beat_ms: int
    forget: _containers.RepeatedCompositeFieldContainer[AttemptRef]
    def __init__(self, session: _Optional[str] = ..., beat_ms: _Optional[int] = ..., forget: _Optional[_Iterable[_Union[AttemptRef, _Mapping]]] = ...) -> None: ...

class LeaseRequest(_message.Message):
    __slots__ = ("worker", "session", "after", "free", "wait_ms")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    FREE_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    worker: str
    session: str
    after: int
    free: int
    wait_ms: int
    def __init__(self, worker: _Optional[str] = ..., session: _Optional[str] = ..., after: _Optional[int] = ..., free: _Optional[int] = ..., wait_ms: _Optional[int] = ...) -> None: ...

class LeaseResponse(_message.Message):
    __slots__ = ("orders",)
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    orders: _containers.RepeatedCompositeFieldContainer[Order]
    def __init__(self, orders: _Optional[_Iterable[_Union[Order, _Mapping]]] = ...) -> None: ...

class Order(_message.Message):
    __slots__ = ("number", "assign", "cancel", "drain")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    ASSIGN_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    number: int
    assign: Assignment
    cancel: Cancel
    drain: Drain
    def __init__(self, number: _Optional[int] = ..., assign: _Optional[_Union[Assignment, _Mapping]] = ..., cancel: _Optional[_Union[Cancel, _Mapping]] = ..., drain: _Optional[_Union[Drain, _Mapping]] = ...) -> None: ...

class Assignment(_message.Message):
    __slots__ = ("attempt", "args", "env", "output_prefix", "log_path", "hidden_env", "hidden_files")
    class EnvEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class HiddenEnvEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: bytes
        def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...
    class HiddenFilesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: bytes
        def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    ARGS_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_PREFIX_FIELD_NUMBER: _ClassVar[int]
    LOG_PATH_FIELD_NUMBER: _ClassVar[int]
    HIDDEN_ENV_FIELD_NUMBER: _ClassVar[int]
    HIDDEN_FILES_FIELD_NUMBER: _ClassVar[int]
    attempt: AttemptRef
    args: _containers.RepeatedScalarFieldContainer[str]
    env: _containers.ScalarMap[str, str]
    output_prefix: str
    log_path: str
    hidden_env: _containers.ScalarMap[str, bytes]
    hidden_files: _containers.ScalarMap[str, bytes]
    def __init__(self, attempt: _Optional[_Union[AttemptRef, _Mapping]] = ..., args: _Optional[_Iterable[str]] = ..., env: _Optional[_Mapping[str, str]] = ..., output_prefix: _Optional[str] = ..., log_path: _Optional[str] = ..., hidden_env: _Optional[_Mapping[str, bytes]] = ..., hidden_files: _Optional[_Mapping[str, bytes]] = ...) -> None: ...

class Cancel(_message.Message):
    __slots__ = ("attempt", "grace_ms", "reason")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    GRACE_MS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    attempt: AttemptRef
    grace_ms: int
    reason: str
    def __init__(self, attempt: _Optional[_Union[AttemptRef, _Mapping]] = ..., grace_ms: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class Drain(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReportRequest(_message.Message):
    __slots__ = ("worker", "session", "started", "ended")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    worker: str
    session: str
    started: _containers.RepeatedCompositeFieldContainer[Started]
    ended: _containers.RepeatedCompositeFieldContainer[Ended]
    def __init__(self, worker: _Optional[str] = ..., session: _Optional[str] = ..., started: _Optional[_Iterable[_Union[Started, _Mapping]]] = ..., ended: _Optional[_Iterable[_Union[Ended, _Mapping]]] = ...) -> None: ...

class ReportResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Started(_message.Message):
    __slots__ = ("attempt", "at")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    attempt: AttemptRef
    at: int
    def __init__(self, attempt: _Optional[_Union[AttemptRef, _Mapping]] = ..., at: _Optional[int] = ...) -> None: ...

class Ended(_message.Message):
    __slots__ = ("attempt", "at", "started_at", "failure", "usage")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    attempt: AttemptRef
    at: int
    started_at: int
    failure: Failure
    usage: Usage
    def __init__(self, attempt: _Optional[_Union[AttemptRef, _Mapping]] = ..., at: _Optional[int] = ..., started_at: _Optional[int] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("code", "message", "blame", "recoverable")
    class Blame(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        BLAME_UNSPECIFIED: _ClassVar[Failure.Blame]
        BLAME_USER: _ClassVar[Failure.Blame]
        BLAME_SYSTEM: _ClassVar[Failure.Blame]
    BLAME_UNSPECIFIED: Failure.Blame
    BLAME_USER: Failure.Blame
    BLAME_SYSTEM: Failure.Blame
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    BLAME_FIELD_NUMBER: _ClassVar[int]
    RECOVERABLE_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    blame: Failure.Blame
    recoverable: bool
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., blame: _Optional[_Union[Failure.Blame, str]] = ..., recoverable: bool = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("peak_memory", "cpu_seconds", "peak_gpu_memory")
    PEAK_MEMORY_FIELD_NUMBER: _ClassVar[int]
    CPU_SECONDS_FIELD_NUMBER: _ClassVar[int]
    PEAK_GPU_MEMORY_FIELD_NUMBER: _ClassVar[int]
    peak_memory: int
    cpu_seconds: float
    peak_gpu_memory: int
    def __init__(self, peak_memory: _Optional[int] = ..., cpu_seconds: _Optional[float] = ..., peak_gpu_memory: _Optional[int] = ...) -> None: ...
