"""Which grants are enough for what, and where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyte_server.auth import roles
from flyte_server.auth.roles import Grant, Role

PROJECTS = st.sampled_from(["p", "q"])
GRANTS = st.lists(st.builds(Grant, st.sampled_from(Role), st.none() | PROJECTS), max_size=4)


@pytest.mark.parametrize(
    ("grant", "needed", "project", "is_enough"),
    [
        (Grant(Role.VIEW, "p"), Role.VIEW, "p", True),
        (Grant(Role.VIEW, "p"), Role.RUN, "p", False),
        (Grant(Role.ADMIN, "p"), Role.VIEW, "p", True),
        (Grant(Role.ADMIN, "p"), Role.VIEW, "q", False),
        (Grant(Role.ADMIN, "p"), Role.VIEW, None, False),
        (Grant(Role.ADMIN, "p"), Role.VIEW, "", False),
        (Grant(Role.VIEW), Role.VIEW, "q", True),
        (Grant(Role.VIEW), Role.VIEW, None, True),
        (Grant(Role.VIEW), Role.VIEW, "", True),
        (Grant(Role.VIEW), Role.RUN, "q", False),
        (Grant(Role.ADMIN, ""), Role.VIEW, "", False),
    ],
)
def test_what_a_grant_allows(
    grant: Grant, needed: Role, project: str | None, is_enough: bool
) -> None:
    assert roles.allows([grant], needed, project) is is_enough


@given(GRANTS, st.sampled_from(Role), PROJECTS)
def test_listings_show_just_what_single_requests_would(
    grants: list[Grant], needed: Role, project: str
) -> None:
    shown = roles.projects(grants, needed)
    assert (shown is None or project in shown) is roles.allows(grants, needed, project)


@given(GRANTS, PROJECTS)
def test_more_roles_never_allow_less(grants: list[Grant], project: str) -> None:
    for needed in Role:
        if roles.allows(grants[1:], needed, project):
            assert roles.allows(grants, needed, project)


def test_nobody_has_nothing() -> None:
    assert roles.projects([]) == frozenset()
    assert roles.said([]) == "no role"
