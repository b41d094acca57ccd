"""Arrays as the bytes of `.npy`, NumPy's own, documented form, and back."""

import io
import math
from typing import Any

import numpy as np
import numpy.lib.format as npy

from flyte.types import _framing
from flyte.types._nodes.base import Mismatch

_ALIGNMENT = 64
"""Bytes: where an array's data begins, so that vector instructions may be used on it in place."""


def check_storable(array: "np.ndarray[Any, Any]") -> None:
    if not isinstance(array, np.memmap) and type(array) is not np.ndarray:
        # Only here: this loads numpy.ma, which every forked child would pay for anew.
        if isinstance(array, np.ma.MaskedArray):
            raise Mismatch("ndarray", "a masked array", MASKED)
        fix = "convert it with numpy.asarray()"
        raise Mismatch("ndarray", f"its subclass {type(array).__name__}", fix)
    if array.dtype.hasobject or array.dtype.char == "T":
        raise Mismatch("an array of numbers, times or text", f"dtype {array.dtype}", _OBJECTS)


_OBJECTS = "convert it with .astype(), to 'U' for text, or return a list"
MASKED = "pass its data and its mask (array.data, array.mask), or array.filled()"


def parts(array: "np.ndarray[Any, Any]", tag: str = "") -> list[Any]:
    """An array as `.npy`: header and data, the data not copied if it lies in one piece.

    With a tag the header is filled up, so that the data is aligned inside of the literal.
    """
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        array = np.ascontiguousarray(array)
    out = io.BytesIO()
    npy.write_array_header_2_0(out, npy.header_data_from_array_1_0(array))
    header = out.getvalue()
    header = _filled(header, _missing(len(header), array.nbytes, tag))
    # Bytes in the order of memory; not every dtype (datetime64) has a buffer of its own.
    flat = array.reshape(-1, order="C" if array.flags.c_contiguous else "F")
    return [header, flat.view(np.uint8).data if flat.nbytes else b""]


def _missing(header: int, data: int, tag: str) -> int:
    """How many blanks bring the data to an aligned place in the literal."""
    if not tag:
        return 0
    return next(
        blanks
        for blanks in range(2 * _ALIGNMENT)  # twice: one blank more may make the framing longer
        if not (_framing.binary_offset(header + blanks + data, tag) + header + blanks) % _ALIGNMENT
    )


def _filled(header: bytes, blanks: int) -> bytes:
    """A header with more blanks; its length is in bytes 8 to 12, and it ends with a line break."""
    length = (len(header) - 12 + blanks).to_bytes(4, "little")
    return header[:8] + length + header[12:-1] + b" " * blanks + b"\n"


def array_of(payload: memoryview, *, copy: bool) -> Any:
    """The array of `.npy` bytes: on these bytes, or on a copy of them."""
    try:
        head = io.BytesIO(bytes(payload[:_HEADER_LIMIT]))
        major, _ = npy.read_magic(head)
        read = npy.read_array_header_1_0 if major == 1 else npy.read_array_header_2_0
        shape, fortran, dtype = read(head, max_header_size=_HEADER_LIMIT)
        count = math.prod(shape)
        data: Any = payload[head.tell() : head.tell() + count * dtype.itemsize]
        data = bytearray(data) if copy else data
        empty = not count * dtype.itemsize
        flat: Any = np.empty(count, dtype) if empty else np.frombuffer(data, dtype, count)
        array = flat.reshape(shape, order="F" if fortran else "C")
    except (ValueError, TypeError) as error:
        raise Mismatch("an array", f"{len(payload)} bytes", f"they are no .npy: {error}") from error
    return array if array.flags.aligned else array.copy(order="K")


_HEADER_LIMIT = 1 << 16


def dumps(value: Any) -> bytes | None:
    """The bytes of an array or scalar inside a tree; None for other objects of NumPy."""
    # The first byte tells scalars from arrays without axes; text is no array, which would cut off NULs at its end.
    match value:
        case np.str_():
            return b"s" + value.encode(errors="surrogatepass")
        case np.bytes_():
            return b"b" + value
        case np.generic() if not value.dtype.hasobject:
            return b"".join((b"g", *parts(np.asarray(value))))
        case np.ndarray():
            check_storable(value)
            return b"".join((b"a", *parts(value.view(np.ndarray))))
        case _:
            return None


def loads(data: bytes) -> Any:
    """The array or scalar of such bytes."""
    match data[:1]:
        case b"s":
            return np.str_(data[1:].decode(errors="surrogatepass"))
        case b"b":
            return np.bytes_(data[1:])
        case first:
            found = array_of(memoryview(data)[1:], copy=True)
            return found if first == b"a" else found[()]
