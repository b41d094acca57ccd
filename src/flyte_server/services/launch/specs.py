"""Launch specifications: everything an executor needs to start one attempt."""

import posixpath
from collections.abc import Mapping
from dataclasses import replace

from flyteidl2.core import literals_pb2
from flyteidl2.task import common_pb2

from flyte_server import blobs
from flyte_server.auth.tokens import Tokens
from flyte_server.blobs import LocalBlobs
from flyte_server.domain.errors import NotFound
from flyte_server.domain.records import Action, AttemptKey, Run
from flyte_server.engine.ports import Hidden, LaunchSpec
from flyte_server.services.directory import Directory, RunFacts
from flyte_server.services.launch import placeholders, secrets, templates, variables
from flyte_server.services.launch.places import Places
from flyte_server.services.launch.raw import RawPlaces
from flyte_server.services.launch.secrets import TaskSecrets
from flyte_server.services.launch.templates import Template
from flyte_server.services.recent import Recent
from flyte_server.services.wire import actions as wire_actions
from flyte_server.services.wire import times
from flyte_server.settings import Settings
from flyte_server.store import actions as attempts
from flyte_server.store.catalogue import specs
from flyte_server.store.database import Database

_REMEMBERED_TEMPLATES = 256
_CHECKPOINTS = "_flytecheckpoints"


class StoredLaunchSpecs:
    """Implements `engine.ports.LaunchSpecs` on stored task specs."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        directory: Directory,
        blobs: LocalBlobs,
        secrets: TaskSecrets,
        places: Places | None = None,
        *,
        gives_devices: bool = False,
        tokens: Tokens | None = None,
    ) -> None:
        self._settings = settings
        self._database = database
        self._directory = directory
        self._blobs = blobs
        self._secrets = secrets
        self._places = places
        self._raw = RawPlaces(settings, blobs, directory)
        self._tokens = tokens
        self._gives_devices = gives_devices
        """Whether accelerators of this machine belong to one attempt each: then each sees its own, and no others."""
        self._templates: Recent[str, Template] = Recent(_REMEMBERED_TEMPLATES)
        self._host_keys: Recent[tuple[str | None, str, int, str], str] = Recent(
            _REMEMBERED_TEMPLATES
        )

    async def of(self, action: Action) -> LaunchSpec:
        """The specification of the action's current attempt.

        Raises:
            Invalid: the task says nothing that can be started.
            NotFound: its spec or run is gone.
            CannotLaunch: a secret that it asks for is nowhere, or its environment cannot be made.
        """
        facts = await self._directory.by_id(action.run_id)
        template = await self._template(action)
        chosen = variables.chosen(self._settings, template, facts.environment)
        if self._places is not None:
            chosen = await self._places.of(template, action.run_id, chosen)
        raw = self._raw.of(facts, action, template, chosen)
        values = _values(facts, action, raw.prefix)
        if placeholders.needs_inputs((*template.command, *template.args)):
            values |= await self._inputs(action)
        hidden = await self._hidden(template, facts)
        if template.secrets:
            chosen = {**chosen, variables.SECRETS: secrets.values_in(template.secrets)}
        devices = await self._devices(action)
        is_shown = self._gives_devices and action.policy.pool is None
        shown = variables.accelerators(devices) if is_shown else {}
        run = facts.run
        return LaunchSpec(
            attempt=AttemptKey(action.run_id, action.name, action.attempt, action.token),
            task_name=action.task_name,
            environment=action.environment,
            run_name=run.name,
            command=placeholders.render(template.command, values),
            args=placeholders.render(template.args, values),
            env={**chosen, **variables.protocol(self._settings, run, action), **shown, **raw.env},
            output_prefix=values["outputprefix"],
            log_path=log_path(self._settings, facts, action.name, action.attempt),
            host_key=self._host_key(template, action, chosen),
            cpus=template.cpus,
            image=template.image,
            bounds=action.policy.bounds,
            needs=action.policy.needs,
            devices=devices,
            pool=action.policy.pool and action.policy.pool.of(action.run_id),
            hidden=replace(hidden, env={**hidden.env, **raw.hidden, **self._token(run, action)}),
            labels=run.labels,
        )

    def _host_key(self, template: Template, action: Action, chosen: Mapping[str, str]) -> str:
        """The same for all actions of a task in a run, unless its environment was made anew elsewhere."""
        interpreter = chosen.get(variables.INTERPRETER, "")
        asked = (action.spec_digest, action.environment, action.run_id, interpreter)
        known = self._host_keys.get(asked)
        if known is not None:
            return known
        return self._host_keys.put(asked, variables.host_key(template, action, chosen))

    def _token(self, run: Run, action: Action) -> dict[str, str]:
        if self._tokens is None:
            return {}
        return {variables.TOKEN: self._tokens.mint(variables.claims(run, action))}

    async def _hidden(self, template: Template, facts: RunFacts) -> Hidden:
        run = facts.run
        if not template.secrets:
            return Hidden()
        return await self._secrets.of(template.secrets, project=run.project, domain=run.domain)

    async def _devices(self, action: Action) -> tuple[str, ...]:
        """The accelerators that the claim chose for the current attempt; those of a pool belong to its processes."""
        if not action.policy.needs.devices or action.policy.pool is not None:
            return ()
        found = await self._database.read(attempts.attempts, action.run_id, action.name)
        return found[-1].devices if found else ()

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
    return f"{settings.logs}/{run.project}/{run.domain}/{run.name}/{action}/{attempt}.log"


def _values(facts: RunFacts, action: Action, raw: str) -> dict[str, str]:
    """What the placeholders mean; names in lower case."""
    run = facts.run
    directory = posixpath.join(action.output_base, action.name)
    output_prefix = wire_actions.output_uri(action)
    return {
        "input": action.input_uri,
        "inputprefix": posixpath.dirname(action.input_uri),
        "outputprefix": output_prefix,
        "rawoutputdataprefix": raw,
        "checkpointoutputprefix": posixpath.join(output_prefix, _CHECKPOINTS),
        "prevcheckpointprefix": _previous_checkpoint(directory, action.attempt),
        "runname": run.name,
        "actionname": action.name,
        "runstarttime": times.rfc3339(facts.start_time),
        "perretryuniquekey": f"{run.name}-{action.name}-{action.attempt}",
        "namespace": f"{run.project}-{run.domain}",
    }


def _previous_checkpoint(directory: str, attempt: int) -> str:
    """The checkpoint of the latest attempt that has saved one: the last may have ended before it did; empty: none."""
    for number in range(attempt - 1, 0, -1):
        found = posixpath.join(directory, str(number), _CHECKPOINTS)
        if blobs.local_path(found).exists():
            return found
    return ""


def _text(primitive: literals_pb2.Primitive) -> str:
    """A simple value as a command line shows it."""
    kind = primitive.WhichOneof("value")
    if kind is None:
        return ""
    value = getattr(primitive, kind)
    if kind in {"datetime", "duration"}:
        return value.ToJsonString()
    return str(value).lower() if kind == "boolean" else str(value)
