"""Whether who asks may do what the request says: checked where the request has been decoded, for every method."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

from connectrpc.request import RequestContext

from flyte_server.auth import roles
from flyte_server.auth.claims import OwnRun
from flyte_server.domain.errors import Forbidden, Unauthenticated
from flyte_server.services.access import callers, rules
from flyte_server.services.access.auditing import Audit
from flyte_server.services.access.callers import Caller
from flyte_server.services.access.places import Locate, Place
from flyte_server.services.access.rules import Rule, Tasks
from flyte_server.services.access.standing import Standing

Q = TypeVar("Q")
A = TypeVar("A")


class Authorization:
    """Interceptor of every method of every service.

    Args:
        standing: asked again while a stream goes on: a key that is revoked ends its streams too.
        locate: whose an address of data is.
    """

    def __init__(self, standing: Standing, audit: Audit, locate: Locate) -> None:
        self._standing = standing
        self._audit = audit
        self._locate = locate

    async def intercept_unary(
        self,
        call_next: Callable[[Q, RequestContext[Q, A]], Awaitable[A]],
        request: Q,
        ctx: RequestContext[Q, A],
    ) -> A:
        method = _method(ctx)
        rule = _rule(method)
        if rule is None:
            return await call_next(request, ctx)
        caller = _caller(ctx)
        if not self._is_audited(rule, caller):
            self._check(method, rule, caller, request)
            return await call_next(request, ctx)
        places = list(rule.find(request, self._locate))
        async with self._audit.of(method, caller, places, ctx.client_address()):
            _check_places(method, rule, caller, places)
            return await call_next(request, ctx)

    async def intercept_server_stream(
        self,
        call_next: Callable[[Q, RequestContext[Q, A]], AsyncIterator[A]],
        request: Q,
        ctx: RequestContext[Q, A],
    ) -> AsyncIterator[A]:
        method = _method(ctx)
        rule = _rule(method)
        if rule is None:
            async for message in call_next(request, ctx):
                yield message
            return
        caller = _caller(ctx)
        self._check(method, rule, caller, request)
        ends = bool(caller.expires_at or caller.key or caller.session)
        async for message in call_next(request, ctx):
            if ends:
                await self._standing.check(caller)
            yield message

    def _check(self, method: str, rule: Rule, caller: Caller, request: object) -> None:
        if caller.kind == "local":
            return
        _check_places(method, rule, caller, rule.find(request, self._locate))

    def _is_audited(self, rule: Rule, caller: Caller) -> bool:
        """What runtimes do all the time is recorded by the rows of actions; people and keys are always written down."""
        return rule.changes and not (rule.routine and caller.kind in {"task", "local"})


def _method(ctx: RequestContext[Q, A]) -> str:
    method = ctx.method()
    return f"{method.service_name}/{method.name}"


def _rule(method: str) -> Rule | None:
    """The rule of a method; None: everybody may.

    Raises:
        Forbidden: there is none.
    """
    rule = rules.RULES.get(method)
    if rule is None and method.partition("/")[0] not in rules.OPEN_SERVICES:
        raise Forbidden(f"Nobody may call {method}: the control plane has no rule for it.")
    return rule


def _caller(ctx: RequestContext[Q, A]) -> Caller:
    caller = callers.known(ctx.request_headers())
    if caller is None:
        raise Unauthenticated("The request did not come through the gate; nobody knows who asks.")
    return caller


def _check_places(method: str, rule: Rule, caller: Caller, places: Iterable[Place]) -> None:
    if caller.kind == "task":
        _check_task(method, rule, caller, places)
    elif caller.kind == "worker":
        if not rule.workers or any(place.name != caller.worker for place in places):
            raise Forbidden(
                f"The worker {caller.worker!r} may only lease attempts under its own name, and not call {method} so."
            )
    else:
        _check_roles(method, rule, caller, places)


def _check_roles(method: str, rule: Rule, caller: Caller, places: Iterable[Place]) -> None:
    grants = caller.grants
    named = list(places)
    if rule.somewhere or rule.narrowed:
        if not any(grant.role.covers(rule.role) for grant in grants):
            raise _too_little(method, rule, caller, "any project")
        named = [place for place in named if place.project]
    elif not named:
        named = [Place("")]
    for place in named:
        if not roles.allows(grants, rule.role, place.project):
            where = f"project {place.project!r}" if place.project else "all projects"
            raise _too_little(method, rule, caller, where)


def _too_little(method: str, rule: Rule, caller: Caller, where: str) -> Forbidden:
    return Forbidden(
        f"{caller.name} ({caller.subject}) has {roles.said(caller.grants)}, but {method.rpartition('.')[2]} needs"
        f" {rule.role} in {where}; ask an administrator for a key: flyte create api-key NAME --role {rule.role}."
    )


def _check_task(method: str, rule: Rule, caller: Caller, places: Iterable[Place]) -> None:
    run = caller.run
    if run is None:
        raise Forbidden(f"The token of {caller.subject} names no run; nothing may be done with it.")
    if rule.tasks is Tasks.ALL:
        return
    fits = _FITS.get(rule.tasks)
    named = list(places)
    if fits is None or not all(fits(place, run) for place in named):
        about = ", ".join(filter(None, map(str, named))) or "what is not its own"
        raise Forbidden(
            f"The task {run.action!r} of run {run.name!r} may touch only its own run in {run.project}/{run.domain}, and"
            f" not call {method.rpartition('.')[2]} for {about}; do that outside of tasks, with a key of your own."
        )


def _in_run(place: Place, run: OwnRun) -> bool:
    if place.project and not place.run:  # a deployed task that the run calls
        return place.project == run.project
    return (place.project, place.domain, place.run) == (run.project, run.domain, run.name)


def _in_project(place: Place, run: OwnRun) -> bool:
    return place.project in {"", run.project}


_FITS: dict[Tasks, Callable[[Place, OwnRun], bool]] = {
    Tasks.OWN_RUN: _in_run,
    Tasks.OWN_PROJECT: _in_project,
}
