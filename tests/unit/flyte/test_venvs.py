"""Who is asked to make environments in the place of images: nobody but a control plane of ours."""

import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import flyte
from flyte import _build, _session, _venvs, errors
from flyte._session import Address, Session

HERE = Path(__file__).parent
IMAGE = flyte.Image.from_debian_base(name="w").with_pip_packages("six")
env = flyte.TaskEnvironment("venv_root", image=IMAGE)
other = flyte.TaskEnvironment("venv_other", image=IMAGE.with_pip_packages("iniconfig"))
system = flyte.TaskEnvironment("venv_system", image=IMAGE.with_apt_packages("git"))


@env.task
def main() -> None: ...


@system.task
def with_git() -> None: ...


class Plane:
    """A control plane as far as environments are concerned; `ours` or another one."""

    def __init__(self, *, ours: bool) -> None:
        self.ours = ours
        self.asked: list[str] = []
        self.states = ["absent", "ready"]

    async def own(self, service: str, method: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(method)
        if not self.ours:
            raise errors.UnionRpcError("unimplemented", "no such service")
        match method:
            case "Keep":
                return {"image": "venv:0123456789abcdef", "missing": []}
            case "Ensure":
                return {"state": "building"}
            case "Watch":
                return {"state": self.states.pop(0), "lines": ["uv works"], "next": 1}
            case _:
                return {}

    def session(self, *, embedded: bool = False) -> Session:
        session = Session(endpoint="http://plane")
        plane: Any = self
        session.link.attach(Address("http://plane", insecure=True, embedded=embedded), plane)
        return session


async def test_another_backend_is_sent_nothing() -> None:
    plane = Plane(ours=False)
    with _session.using(plane.session()):
        assert await _build.images_of(main, HERE, "loaded_modules") is None
        with pytest.raises(errors.ImageBuildError, match="builds none"):
            await _build.ImageBuildEngine.build(IMAGE)
    assert set(plane.asked) == {"Whereabouts"}


async def test_ours_is_asked_again_for_a_build_that_it_has_forgotten() -> None:
    plane = Plane(ours=True)
    with _session.using(plane.session(embedded=True)):
        built = await _build.ImageBuildEngine.build(IMAGE)
    assert built.uri == "venv:0123456789abcdef"
    assert plane.asked == ["Keep", "Ensure", "Watch", "Ensure", "Watch"]


async def test_what_is_declared_is_made_and_what_is_only_visible_is_kept() -> None:
    plane = Plane(ours=True)
    plane.states = ["ready"]
    with _session.using(plane.session(embedded=True)):
        cache = await _build.images_of(main, HERE, "loaded_modules")
    assert cache is not None
    assert cache.image_lookup.keys() >= {"venv_root", "venv_other"}
    assert "venv_system" not in cache.image_lookup  # whoever calls it hears why
    assert plane.asked.count("Ensure") == 1


async def test_what_cannot_be_made_is_refused_if_it_is_declared() -> None:
    with (
        _session.using(Plane(ours=True).session(embedded=True)),
        pytest.raises(errors.ImageBuildError, match="apt packages"),
    ):
        await _build.images_of(with_git, HERE, "loaded_modules")


async def test_the_callers_own_python_needs_no_environment() -> None:
    plane = Plane(ours=True)
    with _session.using(plane.session(embedded=True)):
        built = await _build.ImageBuildEngine.build(flyte.Image.from_debian_base(name="plain"))
    assert built.uri == flyte.Image.from_debian_base().uri
    assert plane.asked == []


def test_visible_is_what_the_tasks_module_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    mine, helper, foreign, unused = map(ModuleType, ("v_mine", "v_helper", "v_foreign", "v_unused"))
    mine.__file__, helper.__file__ = "/code/mine.py", "/code/deep/helper.py"
    foreign.__file__, unused.__file__ = "/code/site-packages/foreign.py", "/code/unused.py"

    def function() -> None: ...

    function.__module__ = "v_helper"
    vars(mine).update(e=env, function=function, foreign=foreign)
    vars(helper).update(e=other, back=mine)
    vars(foreign).update(e=system)
    vars(unused).update(e=system)
    for module in (mine, helper, foreign, unused):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    assert list(_venvs.visible(Path("/code"), mine)) == [env, other]
    assert list(_venvs.visible(Path("/elsewhere"), mine)) == []
    assert list(_venvs.visible(Path("/code"), None)) == []
