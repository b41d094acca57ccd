"""What every host's main does: read options, prepare the process, let the supervisor run."""

import argparse
import faulthandler
import os
import sys
import warnings
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

from flyte._entrypoints import processes
from flyte._entrypoints.starters import Starter
from flyte._entrypoints.supervisor import Options, Supervisor


def serve(argv: Sequence[str], starter: Starter) -> None:
    """Be a host until nobody needs it any more."""
    options = _options(argv)
    _prepare_streams()
    faulthandler.enable()  # a child that crashes in C code leaves a Python traceback in its log
    # Python 3.12 warns of threads below Python; those of BLAS libraries are prepared for a fork.
    warnings.filterwarnings("ignore", message=".*multi-threaded, use of fork.*")
    processes.adopt_orphans()
    Supervisor(options, starter).run()


def _options(argv: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(description="Starts and supervises task processes.")
    parser.add_argument("--home", type=Path, required=True, help="the control plane's directory")
    parser.add_argument("--id", dest="host_id", required=True, help="name of this host")
    parser.add_argument(
        "--connection", type=int, help="descriptor of a socket to the control plane"
    )
    parser.add_argument("--linger", dest="linger_seconds", type=float, default=300.0)
    return Options(**vars(parser.parse_args(argv)))


def _prepare_streams() -> None:
    """No input; and every line of output leaves at once, so that a log can be followed."""
    null = os.open(os.devnull, os.O_RDONLY)
    if null != 0:
        os.dup2(null, 0)
        os.close(null)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(line_buffering=True, encoding="utf-8", errors="backslashreplace")
