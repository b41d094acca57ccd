"""What a condition asks, as people read it."""

from dataclasses import dataclass

from flyteidl2.workflow import run_definition_pb2

from flyte_server.domain.records import Action
from flyte_server.store.catalogue import specs
from flyte_server.store.rows import Connection


@dataclass(frozen=True, slots=True)
class Question:
    """The words of a condition."""

    prompt: str
    description: str
    is_markdown: bool


def of(connection: Connection, action: Action) -> Question:
    """What a condition asks."""
    body = specs.load(connection, action.spec_digest) if action.spec_digest else b""
    asked = run_definition_pb2.ConditionAction.FromString(body or b"")
    is_markdown = asked.prompt_type == run_definition_pb2.CONDITION_PROMPT_TYPE_MARKDOWN
    return Question(asked.prompt, asked.description, is_markdown)
