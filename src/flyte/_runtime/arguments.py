"""What the control plane tells a task process: the arguments and variables of `a0`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from flyte import errors
from flyte._context import CodeBundle
from flyte._ids import ROOT_ACTION, ActionID
from flyte._wire import loading
from flyte._wire.caching.keys import DISABLE_CACHE

DEFAULT_ENDPOINT = "host.docker.internal:8090"

_PLACEHOLDER = re.compile(r"\{\{.*\}\}")
SECRETS_VARIABLE = "FLYTE_SECRETS"
"""Names of the variables whose values are secret, with commas; there is one if the task asks for any secret."""
PARK_VARIABLE = "FLYTE_PARK_SECONDS"
"""How long a task waits for conditions alone before it gives its process back; set by our control plane."""
SECRETS_DIR = "FLYTE_SECRETS_DEFAULT_DIR"
"""Variable with the folder of the secrets that are files."""

_EPOCH = datetime.fromtimestamp(0, UTC)
_OPTIONS = frozenset(
    {
        "--inputs", "--outputs-path", "--version", "--raw-data-path", "--checkpoint-path",
        "--prev-checkpoint", "--run-name", "--name", "--run-start-time", "--image-cache",
        "--tgz", "--pkl", "--dest", "--resolver", "--project", "--domain", "--org",
    }
)  # fmt: skip
_FLAGS = frozenset({"--debug", "--interactive-mode"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskArguments:
    """One attempt of one action, as the control plane describes it.

    Hashable and made of plain values, so that a host can compare and a test can write one down.
    """

    action: ActionID
    inputs: str
    """Address of `inputs.pb` itself."""
    outputs_path: str
    """Prefix of this attempt: `outputs.pb` or `error.pb` is written under it."""
    version: str = ""
    raw_data_path: str = ""
    checkpoint_path: str | None = None
    prev_checkpoint: str | None = None
    run_start_time: datetime = _EPOCH
    run_base: str = ""
    """Parent of the directories of all actions of the run."""
    attempt_number: int = 0
    """0 for the first attempt."""
    code_bundle: CodeBundle | None = None
    image_cache: str | None = None
    sys_path: tuple[str, ...] = ()
    """Folders of the code that were on the client's `sys.path`, relative to its root."""
    resolver: str = loading.RESOLVER
    loader_args: tuple[str, ...] = ()
    park_seconds: float = 0.0
    """After so long a process that waits for nothing but conditions is given back; 0: never."""
    disable_run_cache: bool = False
    """Whether nothing that the task calls uses the cache."""
    endpoint: str = DEFAULT_ENDPOINT
    insecure: bool = False
    insecure_skip_verify: bool = False
    home: str | None = None
    """`FLYTE_HOME`, where unpacked bundles are shared; None: the worker has a disk to itself."""
    wants_secrets: bool = False
    """Whether its code must not be imported before its secrets are there."""
    hidden: tuple[str, ...] = field(default=(), repr=False)
    """Values of its secrets: never to be told anybody."""
    storage_options: tuple[tuple[str, str], ...] = field(default=())
    """Settings of the object store, in the words of `flyte.storage`."""


def parse(argv: Sequence[str], env: Mapping[str, str]) -> TaskArguments:
    """Read the arguments of `a0`, with or without the leading command, and its variables.

    Placeholders that the backend left unrendered fall back to the environment; an unrendered start
    time is the epoch, a constant, because it must be the same in every attempt.

    Raises:
        flyte.errors.ConfigError: naming the option or variable that is missing or cannot be read.

    Example:
        >>> argv = ["a0", "--inputs", "/d/inputs.pb", "--outputs-path", "/d/1"]
        >>> parse(argv, {"RUN_NAME": "r1"}).inputs
        '/d/inputs.pb'
    """
    options, loader_args = _split(argv)
    return TaskArguments(
        action=_action(options, env),
        inputs=_required(options, "--inputs"),
        outputs_path=_required(options, "--outputs-path"),
        version=options.get("--version", ""),
        raw_data_path=options.get("--raw-data-path", ""),
        checkpoint_path=options.get("--checkpoint-path"),
        prev_checkpoint=options.get("--prev-checkpoint"),
        run_start_time=_start_time(options.get("--run-start-time")),
        run_base=env.get("_U_RUN_BASE", ""),
        attempt_number=_number(env, "FLYTE_ATTEMPT_NUMBER"),
        code_bundle=_code_bundle(options),
        image_cache=options.get("--image-cache"),
        sys_path=tuple(entry for entry in env.get("_F_SYS_PATH", "").split(":") if entry),
        resolver=options.get("--resolver", loading.RESOLVER),
        loader_args=tuple(loader_args),
        disable_run_cache=_flag(env, DISABLE_CACHE),
        park_seconds=_seconds(env, PARK_VARIABLE),
        endpoint=env.get("_U_EP_OVERRIDE", DEFAULT_ENDPOINT),
        insecure=_flag(env, "_U_INSECURE"),
        insecure_skip_verify=_flag(env, "_U_INSECURE_SKIP_VERIFY"),
        home=env.get("FLYTE_HOME"),
        wants_secrets=SECRETS_VARIABLE in env,
        hidden=_hidden(env),
        storage_options=_storage_options(env),
    )


def _split(argv: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Options with a usable value, and the words that belong to the resolver."""
    words = iter(argv[1:] if argv and argv[0].rpartition("/")[2] == "a0" else argv)
    options: dict[str, str] = {}
    loader_args: list[str] = []
    for word in words:
        name, equals, value = word.partition("=")
        if name in _OPTIONS:
            value = value if equals else next(words, "")
            if value not in {"", '""'} and not _PLACEHOLDER.fullmatch(value):
                options[name] = value
        elif word.startswith("--") and word not in _FLAGS:
            raise errors.ConfigError(
                f"a0 does not know the option {name}; the task was registered by another version "
                "of flyte: "
                "run or deploy it again with the version that the worker has"
            )
        elif word not in _FLAGS:
            loader_args.append(word)
    return options, loader_args


def _required(options: Mapping[str, str], name: str) -> str:
    if name not in options:
        raise errors.ConfigError(
            f"a0 needs the option {name}; it is started by a control plane, use `flyte run` to run "
            "a task yourself"
        )
    return options[name]


def _action(options: Mapping[str, str], env: Mapping[str, str]) -> ActionID:
    return ActionID(
        name=options.get("--name") or env.get("ACTION_NAME") or ROOT_ACTION,
        run_name=options.get("--run-name") or env.get("RUN_NAME"),
        project=options.get("--project") or env.get("FLYTE_INTERNAL_EXECUTION_PROJECT"),
        domain=options.get("--domain") or env.get("FLYTE_INTERNAL_EXECUTION_DOMAIN"),
        org=options.get("--org") or env.get("_U_ORG_NAME"),
    )


def _code_bundle(options: Mapping[str, str]) -> CodeBundle | None:
    tgz, pkl = options.get("--tgz"), options.get("--pkl")
    if tgz is None and pkl is None:
        return None
    return CodeBundle(
        computed_version=options.get("--version", ""),
        destination=options.get("--dest", "."),
        tgz=tgz,
        pkl=pkl,
    )


def _start_time(text: str | None) -> datetime:
    if text is None:
        return _EPOCH
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise errors.ConfigError(
            f"a0 cannot read --run-start-time {text!r}; it must be an RFC 3339 time such as "
            "2025-01-31T12:00:00Z"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _seconds(env: Mapping[str, str], name: str) -> float:
    try:
        return float(env.get(name) or 0)
    except ValueError:
        raise errors.ConfigError(f"{name}={env[name]!r} is no number of seconds") from None


def _number(env: Mapping[str, str], name: str) -> int:
    text = env.get(name) or "0"
    if not text.isdecimal():
        raise errors.ConfigError(f"{name} is {text!r}; it must be a whole number")
    return int(text)


def _flag(env: Mapping[str, str], name: str) -> bool:
    return env.get(name, "").strip().lower() in {"1", "true", "t", "yes", "y", "on"}


def _hidden(env: Mapping[str, str]) -> tuple[str, ...]:
    """Values of secrets: in variables, and in files."""
    names = env.get(SECRETS_VARIABLE, "").split(",")
    folder = env.get(SECRETS_DIR)
    files = [path for path in Path(folder).rglob("*") if path.is_file()] if folder else []
    values = [env[name] for name in names if env.get(name)]
    return (*values, *(path.read_text("utf-8", "surrogateescape") for path in files))


def _storage_options(env: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The variables a backend sets for an S3-compatible store, as options of `flyte.storage`."""
    names = {
        "FLYTE_AWS_ENDPOINT": "endpoint",
        "FLYTE_AWS_ACCESS_KEY_ID": "access_key_id",
        "FLYTE_AWS_SECRET_ACCESS_KEY": "secret_access_key",
        "AWS_REGION": "region",
    }
    return tuple((option, env[name]) for name, option in names.items() if env.get(name))
