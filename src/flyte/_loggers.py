"""The two loggers: one for the code of tasks, one for the SDK itself."""

import logging

system_logger = logging.getLogger("flyte")
"""What the SDK has to say; its modules log below it."""

logger = logging.getLogger("flyte.user")
"""For user code."""
