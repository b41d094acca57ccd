"""What is said of a replica that went beyond a bound of its environment."""

from flyte_server.engine.ports import DISK_FULL, OUT_OF_MEMORY, Overrun

_MEBIBYTE = 2**20


def beyond(overrun: Overrun) -> str:
    """Why it was ended.

    Example:
        >>> beyond(Overrun(OUT_OF_MEMORY, peak=300 * _MEBIBYTE, limit=256 * _MEBIBYTE))
        'used 300 MiB of memory, more than the 256 MiB that its environment may use'
    """
    if overrun.cause in (OUT_OF_MEMORY, DISK_FULL):
        kind = "memory" if overrun.cause == OUT_OF_MEMORY else "scratch disk"
        peak, limit = overrun.peak // _MEBIBYTE, overrun.limit // _MEBIBYTE
        return f"used {peak} MiB of {kind}, more than the {limit} MiB that its environment may use"
    return f"had {overrun.peak} processes and threads, more than {overrun.limit}"
