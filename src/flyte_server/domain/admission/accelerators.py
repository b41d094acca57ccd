"""Which accelerators answer a request: by class, model and partition.

A task names a model as on the wire (`nvidia-tesla-t4`, `H200`), the driver by its product (`Tesla T4`, `NVIDIA H200`,
`NVIDIA A100-SXM4-80GB`).  A device answers when its product has all words of the request that mean something.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from flyte_server.domain.needs import Needs

NVIDIA = "NVIDIA_GPU"
_MEANINGLESS = frozenset({"nvidia", "tesla", "geforce", "quadro", "gpu"})


@dataclass(frozen=True, slots=True)
class Device:
    """One accelerator, or one partition of one."""

    id: str
    """As CUDA_VISIBLE_DEVICES takes it: `GPU-…` or `MIG-…`."""
    model: str
    """Product name of the driver."""
    partition: str = ""
    """MIG profile such as `1g.5gb`; empty: the whole device."""
    memory: int = 0
    """Bytes."""
    device_class: str = NVIDIA

    def answers(self, needs: Needs) -> bool:
        """Whether it is of the kind that is asked for."""
        return (
            self.device_class == needs.device_class
            and self.partition == needs.partition
            and _words(needs.device) <= _words(self.model)
        )

    @property
    def kind(self) -> str:
        """For people.

        Example:
            >>> Device("MIG-1", "NVIDIA A100-SXM4-40GB", "1g.5gb").kind
            'NVIDIA A100-SXM4-40GB partition 1g.5gb'
        """
        return f"{self.model} partition {self.partition}" if self.partition else self.model


def answering(devices: Iterable[Device], needs: Needs) -> list[Device]:
    """The devices that answer a request."""
    return [device for device in devices if device.answers(needs)]


def wanted(needs: Needs) -> str:
    """What is asked for, for people.

    Example:
        >>> wanted(Needs(devices=1, device="nvidia-tesla-t4", device_class="NVIDIA_GPU"))
        '1 T4'
    """
    model = needs.device.removeprefix("nvidia-").removeprefix("tesla-").upper()
    classed = "GPU" if needs.device_class == NVIDIA else needs.device_class
    partition = f" partition {needs.partition}" if needs.partition else ""
    plural = "s" if not model and not partition and needs.devices > 1 else ""
    return f"{needs.devices} {model or classed}{partition}{plural}"


def counted(devices: Sequence[Device]) -> str:
    """What there is, for people.

    Example:
        >>> counted([Device("a", "Tesla T4"), Device("b", "Tesla T4")])
        '2 x Tesla T4'
    """
    kinds = Counter(device.kind for device in devices)
    return ", ".join(f"{count} x {kind}" for kind, count in kinds.items()) or "none"


@lru_cache(maxsize=256)
def _words(name: str) -> frozenset[str]:
    return frozenset(re.split(r"[^a-z0-9]+", name.lower())) - _MEANINGLESS - {""}
