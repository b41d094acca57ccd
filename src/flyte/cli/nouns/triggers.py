"""`flyte create|get|update|delete|start trigger`: what starts deployed tasks by itself."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

import click

import flyte
from flyte import _session, errors
from flyte._kit import aio
from flyte._wire.triggers import messages
from flyte.cli import options, session
from flyte.cli.render import Table, moment
from flyte.remote import Task, TaskDetails, Trigger, TriggerDetails

_TIME_INPUT = "trigger_time"
_NONE = (
    "there are no triggers; make one with: flyte create trigger TASK NAME --schedule '0 3 * * *'"
)
_States = Mapping[tuple[str, str], Mapping[str, Any]]
"""What our own control plane knows besides, by task and name."""


@click.command("trigger")
@click.argument("task_name")
@click.argument("name")
@click.option("--schedule", help="Minute, hour, day, month, weekday, such as '0 3 * * MON-FRI'.")
@click.option("--timezone", default="UTC", show_default=True, help="Whose clock --schedule means.")
@click.option("--every", type=click.IntRange(min=1), help="Minutes between two ticks.")
@click.option("--description", default="", help="For people.")
@click.option("--auto-activate", is_flag=True, default=True, help="It ticks from now on (default).")
@click.option("--inactive", is_flag=True, help="It ticks when it was activated, not before.")
@click.option(
    "--trigger-time-var",
    default=_TIME_INPUT,
    show_default=True,
    help="Input that gets the time of the tick, if the task has it.",
)
@click.option(
    "--catch-up",
    type=click.Choice(["latest", "all", "none"]),
    default="latest",
    show_default=True,
    help="Which ticks get a run, late, after the control plane was away.",
)
@options.scope_options
@options.pass_root
@click.pass_context
def create_trigger(
    ctx: click.Context, root: options.RootOptions, task_name: str, name: str, **chosen: Any
) -> None:
    """Let a deployed task start by itself: the version that was deployed last.

    \b
    flyte create trigger reports.daily nightly --schedule '0 3 * * *' --timezone Europe/Berlin
    flyte create trigger reports.daily often --every 15
    """
    automation = _automation(chosen["schedule"], chosen["timezone"], chosen["every"])
    session.connect(root, project=chosen["project"], domain=chosen["domain"])
    task = Task.get(task_name, auto_version="latest").fetch()
    asked = ctx.get_parameter_source("trigger_time_var") is not click.core.ParameterSource.DEFAULT
    made = Trigger.create(
        flyte.Trigger(
            name,
            automation,
            description=chosen["description"],
            auto_activate=chosen["auto_activate"] and not chosen["inactive"],
            inputs=_time_input(task, chosen["trigger_time_var"], asked=asked),
            catch_up=chosen["catch_up"],
        ),
        task_name,
        task.version,
    )
    starts = messages.automation(made.automation_spec)
    state = "" if made.is_active else ", once it is activated"
    said = f"trigger {name} starts {task_name} ({task.version}): {starts}{state}"
    root.show(Table(("",), [(said,)]), made.to_dict())


def _automation(
    schedule: str | None, timezone: str, every: int | None
) -> flyte.Cron | flyte.FixedRate:
    if (schedule is None) == (every is None):
        raise click.UsageError("say when: either --schedule '0 3 * * *' or --every 15")
    if schedule is not None:
        return flyte.Cron(schedule, timezone)
    return flyte.FixedRate(every or 0)


def _time_input(task: TaskDetails, name: str, *, asked: bool) -> dict[str, Any]:
    known = {entry.key for entry in task.pb2.spec.task_template.interface.inputs.variables}
    return {name: flyte.TriggerTime} if asked or name in known else {}


@click.command("trigger")
@click.argument("task_name", required=False)
@click.argument("name", required=False)
@options.limit_option
@options.scope_options
@options.pass_root
def get_trigger(
    root: options.RootOptions,
    task_name: str | None,
    name: str | None,
    limit: int,
    project: str | None,
    domain: str | None,
) -> None:
    """List triggers, those of a task, or show one: when it ticks next, and what became of its last run."""
    session.connect(root, project=project, domain=domain)
    states = aio.background().wait(_states(task_name))
    if task_name is None or name is None:
        found = list(Trigger.listall(task_name, limit=limit))
        root.show(_listed(found, states), [_document(each, states) for each in found])
        return
    details = Trigger.get(name=name, task_name=task_name)
    root.show(_shown(details, _of(details, states)), _document(details, states))


@click.command("trigger")
@click.argument("name")
@click.argument("task_name")
@click.option(
    "--activate/--deactivate", required=True, default=None, help="Whether it ticks from now on."
)
@options.scope_options
@options.pass_root
def update_trigger(
    root: options.RootOptions,
    name: str,
    task_name: str,
    activate: bool,
    project: str | None,
    domain: str | None,
) -> None:
    """Let a trigger tick, or not; what it has started goes on."""
    session.connect(root, project=project, domain=domain)
    Trigger.update(name, task_name, activate)
    state = "active" if activate else "not active"
    said = Table(("",), [(f"trigger {name} of {task_name} is {state}",)])
    root.show(said, {"name": name, "task_name": task_name, "active": activate})


@click.command("trigger")
@click.argument("name")
@click.argument("task_name")
@options.scope_options
@options.pass_root
def delete_trigger(
    root: options.RootOptions, name: str, task_name: str, project: str | None, domain: str | None
) -> None:
    """Delete a trigger; its runs stay."""
    session.connect(root, project=project, domain=domain)
    Trigger.delete(name, task_name)
    root.show(Table(("",), [(f"trigger {name} of {task_name} is deleted",)]), {"deleted": name})


@click.command("trigger")
@click.argument("name")
@click.argument("task_name")
@options.scope_options
@options.pass_root
def start_trigger(
    root: options.RootOptions, name: str, task_name: str, project: str | None, domain: str | None
) -> None:
    """Start the run of a trigger now, whether it is active or not; its ticks come as before."""
    session.connect(root, project=project, domain=domain)
    run = Trigger.start(name, task_name)
    root.show(Table(("run",), [(run.name,)]), run.to_dict())


async def _states(task_name: str | None) -> _States:
    current = _session.current()
    plane = await current.control_plane()
    scope = {"project": _session.current_project(), "domain": _session.current_domain()}
    try:
        told = await plane.own("TriggerStateService", "List", {**scope, "task": task_name or ""})
    except errors.UnionRpcError as error:
        if error.code == "unimplemented":  # another backend
            return {}
        raise
    return {(each["task"], each["name"]): each for each in told["triggers"]}


def _of(trigger: Trigger | TriggerDetails, states: _States) -> Mapping[str, Any]:
    return states.get((trigger.task_name, trigger.name), {})


def _document(trigger: Trigger | TriggerDetails, states: _States) -> dict[str, Any]:
    return {**trigger.to_dict(), "state": dict(_of(trigger, states))}


def _listed(found: Iterable[Trigger], states: _States) -> Table:
    rows: list[tuple[str, ...]] = []
    for trigger in found:
        state = _of(trigger, states)
        rows.append(
            (
                trigger.name,
                trigger.task_name,
                messages.automation(trigger.automation_spec),
                _activity(trigger.is_active, state),
                _moment(state.get("next_tick")),
                state.get("last_run") or "",
                state.get("last_phase") or "",
            )
        )
    columns = ("trigger", "task", "starts", "state", "next tick", "last run", "phase")
    return Table(columns, rows, when_empty=_NONE)


def _activity(active: bool, state: Mapping[str, Any]) -> Literal["active", "not active", "failing"]:
    if state.get("error"):
        return "failing"
    return "active" if active else "not active"


def _shown(details: TriggerDetails, state: Mapping[str, Any]) -> Table:
    spec = details.pb2.spec
    facts = (
        ("trigger", details.name),
        ("task", f"{details.task_name} ({spec.task_version})"),
        ("starts", messages.automation(details.automation_spec)),
        ("description", details.pb2.description),
        ("state", _activity(details.is_active, state)),
        ("next tick", _moment(state.get("next_tick"))),
        ("last tick", _moment(state.get("last_tick"))),
        ("last run", state.get("last_run") or ""),
        ("phase", state.get("last_phase") or ""),
        ("error", state.get("error") or ""),
        ("tried again", _moment(state.get("retry_at"))),
        ("missed ticks", state.get("catch_up") or ""),
        ("tick goes to", details.automation_spec.schedule.kickoff_time_input_arg),
        ("inputs", ", ".join(named.name for named in spec.inputs.literals)),
        ("revision", str(details.id.revision)),
        ("deployed by", details.metadata.deployed_by.user.id.subject),
    )
    return Table(("", ""), [fact for fact in facts if fact[1]])


def _moment(text: str | None) -> str:
    return moment(datetime.fromisoformat(text)) if text else ""
