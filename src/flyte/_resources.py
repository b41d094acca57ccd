"""Resources: what a task needs of a machine, checked where it is written down.

Amounts have the grammar of Kubernetes, so that what is accepted here is accepted by every executor.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

from flyte import errors
from flyte._devices import AMD_GPU as AMD_GPU
from flyte._devices import APPLE_SILICON as APPLE_SILICON
from flyte._devices import GPU as GPU
from flyte._devices import HABANA_GAUDI as HABANA_GAUDI
from flyte._devices import TPU as TPU
from flyte._devices import Device as Device
from flyte._devices import DeviceClass as DeviceClass
from flyte._devices import Neuron as Neuron
from flyte._devices import parse as parse_device

CPU = int | float | str
_QUANTITY = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>\d*)(?:\.(?P<part>\d*))?"
    r"(?:(?P<suffix>[numkMGTPE]|[KMGTPE]i)|[eE](?P<exponent>[+-]?\d{1,2}))?"
)
_NANO = 10**9
_SUFFIXES = {
    "": _NANO, "n": 1, "u": 10**3, "m": 10**6,
    **{suffix: _NANO * 1000**power for power, suffix in enumerate("kMGTPE", start=1)},
    **{f"{suffix}i": _NANO * 1024**power for power, suffix in enumerate("KMGTPE", start=1)},
}  # fmt: skip
"""What a suffix multiplies with, in billionths."""


def billionths(text: str) -> int | None:
    """An amount in Kubernetes' grammar as billionths of one, rounded up; None when it is not one.

    Example:
        >>> billionths("500m")
        500000000
        >>> billionths("1Ki") == billionths("1024") == billionths("1.024e3")
        True
    """
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return None
    whole, part = match["whole"], match["part"] or ""
    if not (whole or part):
        return None
    numerator = int(whole + part) * _SUFFIXES[match["suffix"] or ""]
    denominator = 10 ** len(part)
    exponent = int(match["exponent"] or 0)
    if exponent >= 0:
        numerator *= 10**exponent
    else:
        denominator *= 10**-exponent
    amount = -(-numerator // denominator)
    return -amount if match["sign"] == "-" else amount


@dataclass(frozen=True, slots=True)
class Resources:
    """What a task needs of a machine.

    One value is the request (and in effect the limit); of a pair, `cpu` and `memory` take the first
    as request and the second as limit.

    Args:
        cpu: cores: `2`, `0.5`, `"500m"`, `(1, 2)`.
        memory: bytes: `"4Gi"`, `("512Mi", "2Gi")`.
        gpu: a number of any GPUs, a string such as `"A100:4"`, or a device from `GPU()`, `TPU()`,
            `Neuron()`, ….
        disk: bytes of scratch space: `"10Gi"`.
        shm: bytes of shared memory: `"2Gi"`, or `"auto"` for as much as the machine allows.

    Raises:
        DefinitionError: (a ValueError) when a value cannot be read or a request is above its limit;
            the message names the field.

    Example:
        >>> resources = Resources(cpu=(1, 2), memory="1Gi", gpu=GPU("A100", 1), shm="auto")
        >>> resources.get_shared_memory()
        ''
    """

    cpu: CPU | tuple[CPU, CPU] | None = None
    memory: str | tuple[str, str] | None = None
    gpu: str | int | Device | None = None
    disk: str | None = None
    shm: str | Literal["auto"] | None = None

    def __post_init__(self) -> None:
        _check_pair("cpu", self.cpu, _check_cores)
        _check_pair("memory", self.memory, _check_bytes)
        if self.disk is not None:
            _check_bytes("disk", self.disk)
        if self.shm is not None and self.shm not in ("auto", ""):
            _check_bytes("shm", self.shm)
        _check_gpu(self.gpu)

    def get_device(self) -> Device | None:
        """The accelerators asked for; a bare number means GPUs of any model."""
        if isinstance(self.gpu, Device):
            return self.gpu
        if isinstance(self.gpu, str):
            return parse_device(self.gpu)
        return Device(self.gpu, "GPU") if self.gpu else None

    def get_shared_memory(self) -> str | None:
        """Size of the shared memory; empty for `auto`, None when none was asked for."""
        return "" if self.shm == "auto" else self.shm

    def requests(self) -> dict[str, str]:
        """What is asked for, as texts, by `cpu`, `memory`, `gpu` and `disk`; only what was given.

        Example:
            >>> Resources(cpu=(1, 2), memory="1Gi").requests()
            {'cpu': '1', 'memory': '1Gi'}
        """
        device = self.get_device()
        amounts = {
            "cpu": _first(self.cpu),
            "memory": _first(self.memory),
            "gpu": device.quantity if device else None,
            "disk": self.disk,
        }
        return {name: str(amount) for name, amount in amounts.items() if amount is not None}

    def limits(self) -> dict[str, str]:
        """The limits that were given as the second of a pair, as texts.

        Example:
            >>> Resources(cpu=(1, 2), memory="1Gi").limits()
            {'cpu': '2'}
        """
        pairs = {"cpu": self.cpu, "memory": self.memory}
        return {name: str(pair[1]) for name, pair in pairs.items() if isinstance(pair, tuple)}


def resources(where: str, value: Any) -> Resources | None:
    """Resources as an argument gives them; None stays None.

    Raises:
        DefinitionError: when it is something else.
    """
    if value is not None and not isinstance(value, Resources):
        raise errors.DefinitionError(
            f"{where}: resources must be flyte.Resources(…), got {type(value).__name__}: {value!r}"
        )
    return value


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) else value


def _check_pair(field: str, value: Any, check: Any) -> None:
    if value is None:
        return
    if not isinstance(value, tuple):
        check(field, value)
        return
    if len(value) != 2:
        raise errors.DefinitionError(
            f"{field} tuple must have exactly two elements, request and limit, got {value!r}"
        )
    if None in value:
        raise errors.DefinitionError(
            f"{field} pair elements must both be set, got None in {value!r}"
        )
    request, limit = (check(field, part) for part in value)
    if request > limit:
        raise errors.DefinitionError(
            f"{field} request must be less than or equal to its limit, got ({value[0]}, "
            f"{value[1]}); "
            "swap them or raise the limit"
        )


def _check_cores(field: str, value: Any) -> int:
    amount = None
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        amount = billionths(str(value))
    if amount is None:
        raise errors.DefinitionError(
            f"{field} must be a core count or a Kubernetes quantity string such as 1, 0.5 or "
            "'100m', "
            f"got {type(value).__name__}: {value!r}"
        )
    return _check_sign(field, value, amount)


def _check_bytes(field: str, value: Any) -> int:
    amount = billionths(value) if isinstance(value, str) else None
    if amount is None:
        raise errors.DefinitionError(
            f"{field} must be a Kubernetes quantity string such as '1Gi', '512Mi' or '2G', "
            f"got {type(value).__name__}: {value!r}"
        )
    return _check_sign(field, value, amount)


def _check_sign(field: str, value: Any, amount: int) -> int:
    if amount < 0:
        raise errors.DefinitionError(f"{field} must be greater than or equal to 0, got {value!r}")
    return amount


def _check_gpu(value: Any) -> None:
    if value is None or isinstance(value, Device):
        return
    if isinstance(value, str):
        parse_device(value)
    elif not isinstance(value, int) or isinstance(value, bool):
        raise errors.DefinitionError(
            "gpu must be an accelerator string such as 'A100:4', a device count, or a "
            "GPU()/TPU()/Device() instance, "
            f"got {type(value).__name__}: {value!r}"
        )
    elif value < 0:
        raise errors.DefinitionError(f"gpu must be greater than or equal to 0, got {value}")
