"""Runs that go on from an earlier one: what is taken over, decided before they start and carried out as they ask.

A name of an action is a hash of its caller, task, inputs, group and sequence number, without the run and without the
code.  So an equal call of the new run has the name of the earlier one, also after the function was edited, and its
outputs are taken over in the transaction in which it comes in.  Nothing is copied: the new row refers to the outputs
of the action that really made them.
"""

import logging
import posixpath
from collections.abc import Collection
from dataclasses import replace

from flyte_server.domain import answering, recovery
from flyte_server.domain.errors import Conflict
from flyte_server.domain.phases import Kind, Phase
from flyte_server.domain.records import Action, ActionKey, Run
from flyte_server.domain.recovery import SUCCEEDED, Plan
from flyte_server.engine.ports import Outputs
from flyte_server.engine.unit import Unit
from flyte_server.store import actions
from flyte_server.store.database import Database
from flyte_server.store.rows import Connection

_logger = logging.getLogger(__name__)


class Recoveries:
    """Plans what a run would take over.

    Args:
        database: where the rows of the earlier run are.
        outputs: looks whether outputs are still there.
    """

    def __init__(self, database: Database, outputs: Outputs) -> None:
        self._database = database
        self._outputs = outputs

    async def plan(self, source: Run, forced: Collection[str], *, changed: bool) -> Plan:
        """What would be reused and what executed, if a run recovered `source` now.

        Args:
            source: the earlier run.
            forced: names of actions that are executed all the same.
            changed: whether the root gets other inputs than then.

        Raises:
            errors.Conflict: the earlier run has not ended.
            errors.Invalid: a forced action does not exist.
        """
        return await self._database.read(self._plan, source, frozenset(forced), changed)

    def _plan(
        self, connection: Connection, source: Run, forced: Collection[str], changed: bool
    ) -> Plan:
        found = actions.run_since(connection, source.id, 0)
        _refuse_living(source, found)
        return recovery.plan(
            source.name,
            found,
            forced=forced,
            changed=changed,
            problem=lambda action: problem(self._outputs, action),
        )


def problem(outputs: Outputs, action: Action) -> str | None:
    """Why the outputs of an action that succeeded cannot be used; None if they can."""
    if action.kind is Kind.CONDITION:
        return None  # its answer is in its row
    folder = action.output_uri
    if action.kind is Kind.TRACE:
        folder = posixpath.dirname(folder)
    return outputs.problem(folder, action.policy.output_count)


def taken_over(unit: Unit, run: Run, action: Action) -> Action | None:
    """A new action with the outputs of the earlier run; None: it must be executed."""
    if run.recovery is None or action.name in run.recovery.forced:
        return None
    known = unit.action(ActionKey(run.recovery.run_id, action.name))
    if known is None or known.phase not in SUCCEEDED or known.kind is not action.kind:
        return None
    gone = problem(unit.outputs, known)
    if gone is not None:  # it was there when the run was planned
        _logger.warning(
            "%s of run %s is executed although the run that it recovers has succeeded with it: %s",
            action.name, run.name, gone,
        )  # fmt: skip
        return None
    return _recovered(unit, run, action, known, at=unit.now_us)


def answered_before(unit: Unit, run: Run, action: Action) -> Action:
    """A new condition; with the answer of the earlier run, if that one has it, of the type that is asked for now."""
    recovered = taken_over(unit, run, action)
    if recovered is None or recovered.answer is None:
        return action
    if type(recovered.answer.value) is not answering.TYPES.get(action.policy.answer_type):
        return action
    return replace(recovered, limit_at=None)


def take_traces(unit: Unit, run: Run, parent: Action) -> None:
    """Take over the traced calls of an action that is going to be executed: it finds them in its first snapshot."""
    source = run.recovery
    if source is None or parent.phase.terminal:
        return
    children = actions.children_since(unit.connection, source.run_id, parent.name, 0)
    traces = [
        each
        for each in children
        if each.kind is Kind.TRACE and each.phase in SUCCEEDED and each.name not in source.forced
    ]
    for number, known in enumerate(traces, start=1):
        trace = replace(known, run_id=run.id, version=0, seq=0)
        # Created after the parent, and in the order of then: so are actions listed.
        unit.add(_recovered(unit, run, trace, known, at=unit.now_us + number))


def _recovered(unit: Unit, run: Run, action: Action, known: Action, *, at: int) -> Action:
    return replace(
        action,
        phase=Phase.RECOVERED,
        output_uri=known.output_uri,
        answer=known.answer,
        recovered_from=_maker(unit, run, known),
        created_at=at,
        queued_at=at,
        started_at=at,
        ended_at=at,
    )


def _maker(unit: Unit, run: Run, known: Action) -> str:
    """Who made the outputs of an action, as an action of `run` sees it."""
    source = unit.run(known.run_id)
    if source is None:
        return f"{known.run_id}/{known.name}"
    maker = known.recovered_from or f"{source.name}/{known.name}"
    is_near = (source.project, source.domain) == (run.project, run.domain)
    is_full = maker.count("/") > 1
    return maker if is_near or is_full else f"{source.project}/{source.domain}/{maker}"


def _refuse_living(source: Run, found: Collection[Action]) -> None:
    living = [action for action in found if not action.phase.terminal]
    if living:
        first = living[0]
        raise Conflict(
            f"Run {source.name} cannot be recovered yet: {len(living)} of its actions have not ended (such as"
            f" {first.name}, {first.phase.value.replace('_', ' ')}); wait for them, or abort it with"
            f" 'flyte abort run {source.name}'."
        )
