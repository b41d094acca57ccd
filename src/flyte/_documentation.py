"""Documentation: what a task says about itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Documentation:
    """Description of a task, shown beside it; without one the docstring of its function is shown.

    Example:
        >>> @env.task(docs=flyte.Documentation("Trains one model."))
        ... async def train(...): ...
    """

    description: str
