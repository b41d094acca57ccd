"""How much of a long message is kept, and how much a parent is told."""

from flyteidl2.core.execution_pb2 import ErrorDocument

from flyte_server.domain.phases import Blame
from flyte_server.domain.records import Failure
from flyte_server.services.wire import failures


def document(message: str) -> bytes:
    made = ErrorDocument()
    made.error.message = message
    return made.SerializeToString()


def test_a_megabyte_is_kept_whole() -> None:
    text = "ä" * 500_000
    assert failures.from_error_document(document(text)).message == text


def test_a_longer_message_loses_its_middle_and_says_so() -> None:
    kept = failures.from_error_document(document("begin " + "ä" * 5_000_000 + " end")).message

    assert len(kept.encode()) <= failures.LONGEST_MESSAGE
    assert kept.startswith("begin ä")
    assert kept.endswith("ä end")
    assert "bytes of this message were cut" in kept


def test_a_parent_is_told_a_bounded_part() -> None:
    failure = Failure("ValueError", "begin " + "x" * 1_000_000 + " end", Blame.USER)
    told = failures.execution_error(failure)

    assert told.ByteSize() <= failures.LONGEST_UPDATE + 100
    assert told.message.startswith("begin x")
    assert told.message.endswith("x end")
    assert "bytes of this message were cut" in told.message
    assert failures.error_info(failure).message == failure.message


def test_what_was_cut_once_is_cut_again() -> None:
    kept = failures.from_error_document(document("x" * 5_000_000))
    assert failures.execution_error(kept).ByteSize() <= failures.LONGEST_UPDATE + 100
