"""What `flyte.run_python_script` refuses before anything is sent."""

from pathlib import Path
from typing import Any

import pytest

import flyte
from flyte import errors


@pytest.mark.parametrize(
    "given", [{"clustered": True}, {"replicas": 2}, {"debug": True}, {"plugin_config": object()}]
)
def test_several_machines_are_refused_by_name(tmp_path: Path, given: dict[str, Any]) -> None:
    with pytest.raises(errors.DefinitionError, match=next(iter(given))):
        flyte.run_python_script(tmp_path / "a.py", **given)


def test_a_script_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.DefinitionError, match="there is no script"):
        flyte.run_python_script(tmp_path / "a.py")
