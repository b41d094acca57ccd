"""Launch specifications: everything an executor needs to start one attempt."""

import posixpath

from flyteidl2.core import literals_pb2
from flyteidl2.task import common_pb2

from flyte_server.blobs import LocalBlobs
from flyte_server.domain.errors import NotFound
from flyte_server.domain.records import Action, AttemptKey
from flyte_server.engine.ports import LaunchSpec
from flyte_server.services.directory import Directory, RunFacts
from flyte_server.services.launch import placeholders, templates, variables
from flyte_server.services.launch.templates import Template
from flyte_server.services.recent import Recent
from flyte_server.services.wire import actions as wire_actions
from flyte_server.services.wire import times
from flyte_server.settings import Settings
from flyte_server.store import specs
from flyte_server.store.database import Database

_REMEMBERED_TEMPLATES = 256
_CHECKPOINTS = "_flytecheckpoints"


class StoredLaunchSpecs:
    """Implements `engine.ports.LaunchSpecs` on stored task specs."""

    def __init__(
        self, settings: Settings, database: Database, directory: Directory, blobs: LocalBlobs
    ) -> None:
        self._settings = settings
        self._database = database
        self._directory = directory
        self._blobs = blobs
        self._templates: Recent[str, Template] = Recent(_REMEMBERED_TEMPLATES)

    async def of(self, action: Action) -> LaunchSpec:
        """The specification of the action's current attempt.

        Raises:
            Invalid: the task says nothing that can be started.
            NotFound: its spec or run is gone.
        """
        facts = await self._directory.by_id(action.run_id)
        template = await self._template(action)
        values = _values(facts, action)
        if placeholders.needs_inputs((*template.command, *template.args)):
            values |= await self._inputs(action)
        chosen = variables.chosen(self._settings, template, facts.environment)
        run = facts.run
        return LaunchSpec(
            attempt=AttemptKey(action.run_id, action.name, action.attempt, action.token),
            task_name=action.task_name,
            environment=action.environment,
            run_name=run.name,
            command=placeholders.render(template.command, values),
            args=placeholders.render(template.args, values),
            env=chosen | variables.protocol(self._settings, run, action),
            output_prefix=values["outputprefix"],
            log_path=log_path(self._settings, facts, action.name, action.attempt),
            host_key=variables.host_key(template, action, chosen),
            cpus=template.cpus,
            image=template.image,
            bounds=action.policy.bounds,
            pool=action.policy.pool and action.policy.pool.of(action.run_id),
            labels=run.labels,
        )

    async def _template(self, action: Action) -> Template:
        if action.spec_digest is None:
            raise NotFound(
                f"Action {action.name!r} has no stored task spec; nothing can be started."
            )
        known = self._templates.get(action.spec_digest)
        if known is not None:
            return known
        spec = await self._database.read(specs.load, action.spec_digest)
        return self._templates.put(action.spec_digest, templates.template(spec))

    async def _inputs(self, action: Action) -> dict[str, str]:
        inputs = common_pb2.Inputs.FromString(await self._blobs.read(action.input_uri))
        return {
            f"inputs.{literal.name.lower()}": _text(literal.value.scalar.primitive)
            for literal in inputs.literals
            if literal.value.scalar.HasField("primitive")
        }


def log_path(settings: Settings, facts: RunFacts, action: str, attempt: int) -> str:
    """The file with the output of an attempt's process."""
    run = facts.run
    return str(settings.logs / run.project / run.domain / run.name / action / f"{attempt}.log")


def _values(facts: RunFacts, action: Action) -> dict[str, str]:
    """What the placeholders mean; names in lower case."""
    run = facts.run
    directory = posixpath.join(action.output_base, action.name)
    output_prefix = wire_actions.output_uri(action)
    previous = posixpath.join(directory, str(action.attempt - 1), _CHECKPOINTS)
    raw = posixpath.join(directory, "raw")
    if facts.raw_data_prefix:
        raw = posixpath.join(facts.raw_data_prefix, run.name, action.name)
    return {
        "input": action.input_uri,
        "inputprefix": posixpath.dirname(action.input_uri),
        "outputprefix": output_prefix,
        "rawoutputdataprefix": raw,
        "checkpointoutputprefix": posixpath.join(output_prefix, _CHECKPOINTS),
        "prevcheckpointprefix": previous if action.attempt > 1 else "",
        "runname": run.name,
        "actionname": action.name,
        "runstarttime": times.rfc3339(facts.start_time),
        "perretryuniquekey": f"{run.name}-{action.name}-{action.attempt}",
        "namespace": f"{run.project}-{run.domain}",
    }


def _text(primitive: literals_pb2.Primitive) -> str:
    """A simple value as a command line shows it."""
    kind = primitive.WhichOneof("value")
    if kind is None:
        return ""
    value = getattr(primitive, kind)
    if kind in {"datetime", "duration"}:
        return value.ToJsonString()
    return str(value).lower() if kind == "boolean" else str(value)
