"""Accelerators: which there are, in which numbers and parts, and how users name them."""

import warnings
from dataclasses import dataclass
from typing import Literal, get_args

from flyte import errors

DeviceClass = Literal["GPU", "TPU", "NEURON", "AMD_GPU", "HABANA_GAUDI", "APPLE_SILICON"]
"""Families of accelerators."""

GPUName = Literal[
    "A2", "A10", "A10G", "A100", "A100_80G", "B200", "H100", "H200", "L4", "L40s", "T4", "V100",
    "RTX_PRO_4500", "RTX_PRO_6000", "GB10",
    "T4 shared", "L4 shared", "A10G shared", "A10 shared", "L40S shared",
]  # fmt: skip
TPUName = Literal["V5E", "V5P", "V6E"]
NeuronName = Literal["Inf1", "Inf2", "Trn1", "Trn1n", "Trn2", "Trn2u"]
AMDName = Literal[
    "MI100", "MI210", "MI250", "MI250X", "MI300A", "MI300X", "MI325X", "MI350X", "MI355X"
]  # fmt: skip
GaudiName = Literal["Gaudi1"]
Quantity = Literal[1, 2, 3, 4, 5, 6, 7, 8]

_V6E = ("1x1", "2x2", "2x4", "4x4", "4x8", "8x8", "8x16", "16x16")
_PARTITIONS: dict[str, tuple[str, ...]] = {
    "A100": ("1g.5gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb"),
    "A100_80G": ("1g.10gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb"),
    "H100": ("1g.10gb", "1g.20gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb"),
    "H200": ("1g.18gb", "1g.35gb", "2g.35gb", "3g.71gb", "4g.71gb", "7g.141gb"),
    "RTX_PRO_6000": ("1g.24gb", "2g.48gb", "4g.96gb"),
    "V5E": _V6E,
    "V5P": (
        "2x2x1", "2x2x2", "2x4x4", "4x4x4", "4x4x8", "4x8x8", "8x8x8", "8x8x16", "8x16x16",
        "16x16x16", "16x16x24",
    ),
    "V6E": _V6E,
}  # fmt: skip
"""Parts (of a GPU) or slices (of a TPU) of each device that can be divided."""

_UP_TO_8 = tuple(range(1, 9))
_TRAINIUM = (1, 4, 8, 16)
_COUNTS: dict[str, tuple[DeviceClass, tuple[int, ...]]] = {
    **dict.fromkeys(get_args(GPUName), ("GPU", _UP_TO_8)),
    **dict.fromkeys(("A2", "RTX_PRO_4500", "GB10"), ("GPU", (1,))),
    **dict.fromkeys((n for n in get_args(GPUName) if n.endswith("shared")), ("GPU", (1,))),
    "RTX_PRO_6000": ("GPU", (1, 2)),
    **dict.fromkeys(get_args(NeuronName), ("NEURON", _TRAINIUM)),
    "Inf1": ("NEURON", tuple(range(1, 17))),
    "Inf2": ("NEURON", tuple(range(1, 13))),
    **dict.fromkeys(get_args(AMDName), ("AMD_GPU", (1,))),
    "Gaudi1": ("HABANA_GAUDI", (1,)),
    "AppleSilicon": ("APPLE_SILICON", (1,)),
}
"""Class and possible numbers of each device that has a string form, such as `A100:4`."""

_OLD_SPELLINGS = {"A100 80G": "A100_80G", "RTX PRO 6000": "RTX_PRO_6000"}


@dataclass(frozen=True, slots=True)
class Device:
    """Accelerators of one kind.

    Args:
        quantity: how many, at least 1.
        device_class: family.
        device: model; None takes any of the family.
        partition: which part of a device, for those that can be divided.
    """

    quantity: int
    device_class: DeviceClass
    device: str | None = None
    partition: str | None = None

    def __post_init__(self) -> None:
        if self.device_class not in get_args(DeviceClass):
            known = ", ".join(get_args(DeviceClass))
            raise errors.DefinitionError(
                f"Invalid device class: {self.device_class}. Use one of {known}"
            )
        name = "GPU" if self.device_class == "GPU" else "Device"
        if isinstance(self.quantity, bool) or not isinstance(self.quantity, int):
            raise errors.DefinitionError(
                f"{name} quantity must be a whole number, got {self.quantity!r}"
            )
        if self.quantity < 1:
            raise errors.DefinitionError(f"{name} quantity must be at least 1, got {self.quantity}")


def GPU(  # noqa: N802 - an official name
    device: GPUName, quantity: Quantity, partition: str | None = None
) -> Device:
    """NVIDIA GPUs.

    Args:
        device: model; `"T4 shared"` and the like are shared with other tasks.
        quantity: how many, 1 to 8.
        partition: a MIG partition, for models that have them.

    Example:
        >>> GPU("A100", 1, "1g.5gb")
        Device(quantity=1, device_class='GPU', device='A100', partition='1g.5gb')
    """
    name = _modern(device)
    _check_name("GPU", name, get_args(GPUName))
    if partition is not None and name.endswith(" shared"):
        raise errors.DefinitionError(
            f"A shared GPU takes no partition, got {partition!r} for {name}. "
            "Request a plain device to use a MIG partition."
        )
    return Device(quantity, "GPU", name, _partition(name, partition))


def TPU(device: TPUName, partition: str | None = None) -> Device:  # noqa: N802 - an official name
    """A Google TPU slice: generation and shape, as `TPU("V5P", "2x2x1")`."""
    _check_name("TPU", device, get_args(TPUName))
    return Device(1, "TPU", device, _partition(device, partition))


def Neuron(device: NeuronName) -> Device:  # noqa: N802 - an official name
    """An AWS Inferentia or Trainium device."""
    _check_name("Neuron", device, get_args(NeuronName))
    return Device(1, "NEURON", device)


def AMD_GPU(device: AMDName) -> Device:  # noqa: N802 - an official name
    """An AMD Instinct GPU."""
    _check_name("AMD GPU", device, get_args(AMDName))
    return Device(1, "AMD_GPU", device)


def HABANA_GAUDI(device: GaudiName) -> Device:  # noqa: N802 - an official name
    """An Intel Habana Gaudi accelerator."""
    _check_name("Habana Gaudi", device, get_args(GaudiName))
    return Device(1, "HABANA_GAUDI", device)


def APPLE_SILICON() -> Device:  # noqa: N802 - an official name
    """The Metal GPU of the Mac on which the control plane runs."""
    return Device(1, "APPLE_SILICON", "AppleSilicon")


def parse(text: str) -> Device:
    """The device of a string such as `A100:4`.

    Raises:
        DefinitionError: when there is no such device, or not in that number.
    """
    name, _, count = text.partition(":")
    name = _modern(name)
    known = _COUNTS.get(name)
    if known is None:
        raise errors.DefinitionError(
            f"gpu must be one of {', '.join(_COUNTS)}, with its number as in 'A100:1', got {text!r}"
        )
    device_class, counts = known
    if not count and device_class == "APPLE_SILICON":
        count = "1"
    if count not in map(str, counts):
        numbers = ", ".join(f"{name}:{n}" for n in counts)
        raise errors.DefinitionError(f"gpu must be one of {numbers}, got {text!r}")
    return Device(int(count), device_class, name)


def _check_name(kind: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise errors.DefinitionError(f"Invalid {kind} type: {name}. Must be one of {known}")


def _partition(name: str, partition: str | None) -> str | None:
    known = _PARTITIONS.get(name)
    if partition is not None and known is not None and partition not in known:
        raise errors.DefinitionError(
            f"Invalid partition for {name}: {partition}. Must be one of {known}"
        )
    return partition


def _modern(name: str) -> str:
    modern = _OLD_SPELLINGS.get(name, name)
    if modern != name:
        warnings.warn(f"write {modern!r} instead of {name!r}", DeprecationWarning, stacklevel=4)
    return modern
