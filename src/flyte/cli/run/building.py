"""The making of an image, line by line, as whoever does it logs it."""

import logging
from collections.abc import Generator
from contextlib import contextmanager

import click

from flyte.cli.options import RootOptions

_LOGGER = "flyte.images"


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        click.echo(record.getMessage(), err=True)


@contextmanager
def shown(root: RootOptions) -> Generator[None]:
    """What is said of images while the block runs goes to stderr, unless the reader wants no progress."""
    logger = logging.getLogger(_LOGGER)
    level, handler = logger.level, _Lines(logging.INFO)
    logger.propagate = False
    if not (root.as_json or root.no_progress):
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = True
