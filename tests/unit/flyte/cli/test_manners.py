"""What all commands have in common: exit statuses, forms of output, completion, the reference."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from flyte import errors
from flyte.cli import exit_codes, options, render
from flyte.cli.exit_codes import ExitCode
from flyte.cli.main import main
from flyte.cli.verbs import COMMANDS

DOCS = Path(__file__).parents[4] / "docs" / "cli.md"


def flyte(*arguments: str, **variables: str) -> Result:
    return CliRunner().invoke(main, arguments, env=variables, prog_name="flyte")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.ControlPlaneUnreachableError("unavailable", "m"), ExitCode.UNREACHABLE),
        (errors.UnionRpcError("unauthenticated", "m"), ExitCode.NOT_ALLOWED),
        (errors.UnionRpcError("permission_denied", "m"), ExitCode.NOT_ALLOWED),
        (errors.UnionRpcError("not_found", "m"), ExitCode.FAILED),
        (ValueError("m"), ExitCode.FAILED),
    ],
)
def test_an_error_has_an_exit_status(error: Exception, expected: ExitCode) -> None:
    assert exit_codes.of(error) is expected


def test_exit_statuses_are_documented() -> None:
    rows = re.findall(r"^\| (\d+) \| ([a-z ]+) \|", DOCS.read_text(), re.MULTILINE)
    documented = {int(number): name.replace(" ", "_").upper() for number, name in rows}
    assert documented == {int(code): code.name for code in ExitCode}


def test_usage_errors_and_what_is_not_there_yet_have_their_own_status() -> None:
    assert flyte("get", "run", "--no-such-option").exit_code == ExitCode.USAGE
    done = flyte("serve", "hello")
    assert done.exit_code == ExitCode.NOT_YET
    assert "flyte serve --local" in done.output
    assert "Traceback" not in done.output


def test_nobody_at_the_address_has_its_own_status() -> None:
    done = flyte("--endpoint", "http://127.0.0.1:1", "get", "project")
    assert done.exit_code == ExitCode.UNREACHABLE, done.output


@pytest.mark.parametrize("flags", [("-o", "json"), ("-of", "json"), ("--output-format", "json")])
@pytest.mark.parametrize("after", [False, True])
def test_the_form_of_output_is_taken_before_and_after_the_noun(
    flags: tuple[str, ...], after: bool
) -> None:
    command = ("delete", "local-cache")
    done = flyte(*command, *flags) if after else flyte(*flags, *command)
    assert json.loads(done.output)["deleted"] >= 0


def test_a_noun_keeps_its_own_meaning_of_a_flag() -> None:
    command: Any = main.get_command(click.Context(main), "get")
    found = command.get_command(click.Context(command), "io")
    options_by_flag = {flag: each.name for each in found.params for flag in each.opts}
    assert options_by_flag["-o"] == "outputs_only"
    assert options_by_flag["--output-format"] == "output_format"


def test_quiet_prints_names_only(capsys: pytest.CaptureFixture[str]) -> None:
    made: dict[str, Any] = dict.fromkeys(options.RootOptions.__dataclass_fields__)
    made |= {"output_format": "table", "quiet": True, "open_screen": render.PlainScreen}
    root = options.RootOptions(**made)
    root.show(render.Table(("task", "action"), [("  t", "a1"), ("u", "a2")], name_at=1), [])
    root.show(render.Table(("", ""), [("fact", "1")]), {})
    root.show(render.Table(("run",), []), [])
    root.say("done")
    assert capsys.readouterr().out == "a1\na2\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_completion_script(shell: str) -> None:
    done = flyte("completion", shell)
    assert done.exit_code == 0, done.output
    assert f"_FLYTE_COMPLETE={shell}_complete" in done.output
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=done.output, text=True, check=True)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("flyte ge", ["gen", "get"]),
        ("flyte get pro", ["project"]),
        ("flyte get run --with-l", ["--with-label", "--with-label-key"]),
        ("flyte get run --in-phase pau", ["paused"]),
    ],
)
def test_commands_and_options_are_completed(words: str, expected: list[str]) -> None:
    variables = {
        "_FLYTE_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    done = flyte(**variables)
    assert [line.partition(",")[2] for line in done.output.splitlines()] == expected


def test_the_reference_has_every_command() -> None:
    text = flyte("gen", "docs", "--type", "markdown").output
    for name in COMMANDS:
        assert f"\n## flyte {name}\n" in text
    assert "\n### flyte get run\n" in text
    assert "--with-label-key" in text


def test_sort_fields_are_checked() -> None:
    field = options.SortField()
    assert field.convert("name", None, None) == ("name", "asc")
    assert field.convert("created_at:desc", None, None) == ("created_at", "desc")
    with pytest.raises(click.BadParameter, match="not like FIELD"):
        field.convert("name:up", None, None)
