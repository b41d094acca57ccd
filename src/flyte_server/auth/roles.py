"""Roles, and for which project each of them was given."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What somebody may do; each one may do what those before it may.

    Example:
        >>> Role.ADMIN.covers(Role.RUN)
        True
    """

    VIEW = "view"
    """Look at runs, tasks and their data."""
    RUN = "run"
    """Also start and stop runs, deploy tasks, answer conditions."""
    ADMIN = "admin"
    """Also what outlives a run and concerns others: secrets, projects, limits, keys, deletion."""

    def covers(self, needed: "Role") -> bool:
        """Whether this role is enough where `needed` is asked for."""
        return _RANKS[self] >= _RANKS[needed]


_RANKS = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class Grant:
    """A role in one project, or in all of them."""

    role: Role
    project: str | None = None
    """None: all projects."""

    def __str__(self) -> str:
        return f"{self.role} in {f'project {self.project!r}' if self.project else 'all projects'}"


def allows(grants: Iterable[Grant], needed: Role, project: str | None) -> bool:
    """Whether one of the grants is enough.

    Args:
        project: where something is to be done; None: everywhere, for which no role in single projects is enough.
    """
    return any(
        grant.role.covers(needed) and grant.project in {None, project or None} for grant in grants
    )


def projects(grants: Iterable[Grant], needed: Role = Role.VIEW) -> frozenset[str] | None:
    """The projects in which the grants are enough; None: all of them."""
    enough = [grant.project for grant in grants if grant.role.covers(needed)]
    if None in enough:
        return None
    return frozenset(project for project in enough if project is not None)


def said(grants: Iterable[Grant]) -> str:
    """The grants for people.

    Example:
        >>> said([Grant(Role.VIEW), Grant(Role.RUN, "shop")])
        "view in all projects, run in project 'shop'"
    """
    return ", ".join(map(str, grants)) or "no role"
