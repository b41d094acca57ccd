"""Large copies into memory of huge pages.

Fresh memory is given page by page: 50 MB are 12,000 traps into the kernel, which take several times as long as the
copying itself.  Linux gives pages of 2 MiB where it is asked for them (and where it is not set to `never`).
"""

import ctypes
import mmap
import sys

_WORTHWHILE = 8 * 1024 * 1024
"""Bytes; smaller blocks may lie in memory that was used before, and are quick enough."""

# Prototypes of our own: the attributes of `ctypes.pythonapi` are shared by everybody in the process.
_new_bytes = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_ssize_t)(
    ("PyBytes_FromStringAndSize", ctypes.pythonapi)
)
_address = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object)(
    ("PyBytes_AsString", ctypes.pythonapi)
)


def to_bytes(content: memoryview) -> bytes:
    """The same as `bytes(content)`.

    The object is made without content, as the C API allows to whoever then fills it; nobody else has seen it yet.
    """
    size = content.nbytes
    if size < _WORTHWHILE or sys.platform != "linux":
        return bytes(content)
    made: bytes = _new_bytes(None, size)
    address = _address(made)
    _wish_for_huge_pages(address, size)
    memoryview((ctypes.c_char * size).from_address(address)).cast("B")[:] = content
    return made


def _wish_for_huge_pages(address: int, size: int) -> None:
    """Only a wish: where it is not granted, the pages are small."""
    start = -(-address // mmap.PAGESIZE) * mmap.PAGESIZE
    length = (address + size - start) // mmap.PAGESIZE * mmap.PAGESIZE
    ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), mmap.MADV_HUGEPAGE)
