"""Placeholders in the arguments of a task."""

import pytest

from flyte_server.services.launch import placeholders

VALUES = {"input": "/in/inputs.pb", "runname": "r1", "prevcheckpointprefix": "", "inputs.n": "3"}


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("{{.input}}", "/in/inputs.pb"),
        ("{{.Input}}", "/in/inputs.pb"),
        ("{{ .INPUT }}", "/in/inputs.pb"),
        ("{{ $input }}", "/in/inputs.pb"),
        ("--in={{.input}},{{.runName}}", "--in=/in/inputs.pb,r1"),
        ("{{.prevCheckpointPrefix}}", ""),
        ("{{.inputs.n}}", "3"),
        ("{{.mine}}", "{{.mine}}"),
        ("{{ input }}", "{{ input }}"),
        ("plain", "plain"),
    ],
)
def test_known_names_are_replaced_in_every_spelling_and_others_stay(
    text: str, rendered: str
) -> None:
    assert placeholders.render([text], VALUES) == (rendered,)


def test_a_value_is_not_rendered_again() -> None:
    values = {"input": "{{.runName}}", "runname": "r1"}
    assert placeholders.render(["{{.input}}"], values) == ("{{.runName}}",)


@pytest.mark.parametrize(
    ("texts", "needed"),
    [(["{{.input}}", "x"], False), (["--n", "{{ .Inputs.n }}"], True), ([], False)],
)
def test_inputs_are_read_only_if_their_values_are_asked_for(texts: list[str], needed: bool) -> None:
    assert placeholders.needs_inputs(texts) is needed
