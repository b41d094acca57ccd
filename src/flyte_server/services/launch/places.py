"""Where a task's process runs: in the environment that its image asks for, or in that of whoever started the run."""

from collections.abc import Mapping

from flyte_server.domain.errors import CannotLaunch, Invalid, NotFound
from flyte_server.environments import recipe
from flyte_server.environments.keeper import Environments
from flyte_server.services.launch.templates import Template

INTERPRETER = "VIRTUAL_ENV"
SOURCES = "_F_SOURCES"
"""Folder whose entries a task finds in its working directory, as if they had been copied into its image."""


class Places:
    """Looks up, and if need be has made, the environments of images.

    Args:
        environments: those of this machine.
    """

    def __init__(self, environments: Environments) -> None:
        self._environments = environments

    async def of(
        self, template: Template, run_id: int, chosen: Mapping[str, str]
    ) -> dict[str, str]:
        """The variables of a task, with those of its image: they lie below the task's and the run's own, but for the
        interpreter.

        Args:
            template: the task.
            run_id: the run that wants it.
            chosen: variables that task and run chose.

        Raises:
            CannotLaunch: the environment is gone with its recipe, or cannot be made.
        """
        digest = recipe.digest_of(template.image)
        if digest is None:
            return dict(chosen)
        try:
            found = await self._environments.prepared(digest, run_id)
        except (Invalid, NotFound) as error:
            raise CannotLaunch(str(error), code="EnvironmentFailed") from error
        variables = {**found.variables, **chosen, INTERPRETER: str(found.prefix)}
        if found.sources.exists():
            variables[SOURCES] = str(found.sources)
        return variables
