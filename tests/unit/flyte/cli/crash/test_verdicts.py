"""What is said of a crash, from the notes of the killed and the resumed process."""

from dataclasses import replace
from pathlib import Path

from flyte.cli.crash import notes, verdicts
from flyte.cli.crash.notes import Asked, Effect, Finished, Killed, Told, Written
from flyte.cli.crash.verdicts import Outcome, Verdict

RIGHT, WRONG = Finished("i1", "42"), Finished("i2", "43")
ERROR = Finished("E: bad", "E: bad", failed=True)


def begins(name: str, number: int = 1) -> Written:
    return Written(number, "begins", name, f"env.{name}", "task")


def ends(name: str, number: int = 2, *, phase: str = "succeeded", kept: bool = True) -> Written:
    return Written(number, "ends", name, f"env.{name}", "task", phase, kept)


def taken(name: str) -> Written:
    return Written(3, "is taken over", name, f"env.{name}", "task", "recovered")


def asked(name: str, parent: str = "a0", **inputs: object) -> Asked:
    given = {key: (f"id of {value}", str(value)) for key, value in inputs.items()}
    return Asked(name, parent, "env.child", "", given, "program.py:7")


def told(
    *calls: Asked, written: tuple[Written, ...] = (begins("a0"),), finished: Finished | None = RIGHT
) -> Told:
    return Told({call.name: call for call in calls}, list(written), finished=finished)


def killed(*calls: Asked, written: tuple[Written, ...] = (begins("a0"),)) -> Told:
    made = told(*calls, written=written, finished=None)
    made.killed = Killed(2, "before")
    return made


def judged(before: Told, after: Told, *, stable: bool = True) -> Verdict:
    return verdicts.compare(told(), before, after, stable=stable)


def test_the_same_calls_and_the_same_result_are_repeatable() -> None:
    call = asked("c1", n=1)
    verdict = judged(killed(call), told(call, asked("c2", n=2)))
    assert verdict.outcome is Outcome.REPEATABLE
    assert verdict.findings == ()


def test_a_run_that_never_came_to_the_step_proves_nothing() -> None:
    assert judged(told(), Told()).outcome is Outcome.NOT_REACHED
    assert Outcome.NOT_REACHED.is_good


def test_another_result() -> None:
    (finding,) = judged(killed(), told(finished=WRONG)).findings
    assert finding.outcome is Outcome.RESULT
    assert finding.detail == "42 without a crash, 43 after it"


def test_results_that_nobody_can_repeat_are_not_compared() -> None:
    assert judged(killed(), told(finished=WRONG), stable=False).outcome is Outcome.REPEATABLE
    assert judged(killed(), told(finished=ERROR), stable=False).outcome is Outcome.FAILS


def test_an_error_where_there_was_none_and_the_same_error() -> None:
    assert judged(killed(), told(finished=ERROR)).outcome is Outcome.FAILS
    failing = told(finished=ERROR)
    assert verdicts.compare(failing, killed(), failing, stable=True).findings == ()
    # a result where there should be an error is another result, not a failure
    other = verdicts.compare(failing, killed(), told(), stable=True)
    assert other.outcome is Outcome.RESULT


def test_a_process_without_a_word_and_one_without_an_end() -> None:
    silent = told(finished=None)
    silent.log = "Segmentation fault"
    (finding,) = judged(killed(), silent).findings
    assert (finding.outcome, finding.detail) == (Outcome.FAILS, "Segmentation fault")
    hanging = told(finished=None)
    hanging.hangs = True
    assert judged(killed(), hanging).outcome is Outcome.HANGS
    before = killed()
    before.hangs = True
    assert judged(before, Told()).outcome is Outcome.HANGS


def test_a_call_with_another_input_is_named_with_what_differs() -> None:
    before, after = asked("c1", at=100, n=1), asked("c2", at=101, n=1)
    (finding,) = judged(killed(before), told(after)).findings
    assert finding.outcome is Outcome.CALLS
    assert finding.subject == "env.child is called with another at (program.py:7)"
    assert finding.detail == "at: 100 before the crash, 101 after it"


def test_calls_are_paired_in_their_order_and_once() -> None:
    before = [asked("c1", n=1), asked("c2", n=2)]
    after = [asked("d1", n=10), asked("d2", n=20)]
    details = [finding.detail for finding in judged(killed(*before), told(*after)).findings]
    assert details == ["n: 1 before the crash, 10 after it", "n: 2 before the crash, 20 after it"]


def test_a_call_that_is_not_made_again() -> None:
    (finding,) = judged(killed(asked("c1", n=1)), told()).findings
    assert finding.subject == "env.child is not called again (program.py:7)"
    (finding,) = judged(killed(asked("c2", n=1)), told(asked("c1", n=1))).findings
    assert "another number of times" in finding.subject


def test_what_a_failed_run_did_not_call_any_more_is_no_finding() -> None:
    verdict = judged(killed(asked("c1", n=1)), told(finished=ERROR))
    assert [finding.outcome for finding in verdict.findings] == [Outcome.FAILS]


def test_the_calls_of_a_parent_that_was_taken_over_are_not_asked_again() -> None:
    inner = asked("g1", parent="c1", n=1)
    before = killed(inner, written=(begins("a0"), begins("c1"), ends("c1")))
    after = told(written=(begins("a0"), taken("c1")))
    assert judged(before, after).findings == ()


def test_what_was_recorded_and_is_executed_again_is_our_defect() -> None:
    before = killed(written=(begins("a0"), begins("c1"), ends("c1")))
    (finding,) = judged(before, told(written=(begins("a0"), begins("c1")))).findings
    assert finding.outcome is Outcome.AGAIN
    large = killed(written=(begins("a0"), begins("c1"), ends("c1", kept=False)))
    assert judged(large, told(written=(begins("a0"), begins("c1")))).findings == ()
    failed = killed(written=(begins("a0"), begins("c1"), ends("c1", phase="failed")))
    assert judged(failed, told(written=(begins("a0"), begins("c1")))).findings == ()


def test_what_was_on_its_way_is_executed_again() -> None:
    before = killed(asked("c1", n=1), written=(begins("a0"), begins("b1"), ends("b1")))
    after = told(asked("c1", n=1), written=(begins("a0"), taken("b1"), begins("c1"), ends("c1")))
    assert set(judged(before, after).again) == {"env.child", "env.a0"}


def test_effects_of_both_processes_happen_twice() -> None:
    effect = Effect("c1", "env.c1", "appends to counter.txt", "program.py:3")
    before, after = killed(), told()
    before.effects = [effect, replace(effect, where="program.py:4")]
    after.effects = [effect, effect, replace(effect, where="program.py:5")]
    assert judged(before, after).twice == (effect,)


def test_effects_of_a_call_with_another_input_happen_twice_too() -> None:
    effect = Effect("c1", "env.child", "appends to counter.txt", "program.py:3")
    before, after = killed(asked("c1", n=1)), told(asked("c2", n=2))
    before.effects, after.effects = [effect], [replace(effect, action="c2")]
    assert judged(before, after).twice == (effect,)


def test_equal_findings_of_several_crashes_are_one_and_the_worst_comes_first() -> None:
    result = judged(killed(), told(finished=WRONG)).findings[0]
    fails = judged(killed(), told(finished=ERROR)).findings[0]
    other = replace(result, detail="44 this time")
    found = verdicts.grouped([("1 after", result), ("2 before", other), ("3 before", fails)])
    assert list(found.values()) == [["3 before"], ["1 after", "2 before"]]


def test_notes_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    book = notes.Notebook(path)
    effect = Effect("c1", "env.c1", "writes x", "program.py:3")
    for note in (asked("c1", n=1), begins("c1"), effect, Killed(2, "after"), RIGHT):
        book.add(note)
    read = notes.read(path)
    assert (read.written, read.effects) == ([begins("c1")], [effect])
    assert (read.killed, read.finished) == (Killed(2, "after"), RIGHT)
    assert [(call.name, call.inputs["n"][1]) for call in read.asked.values()] == [("c1", "1")]
    assert notes.read(tmp_path / "nothing") == Told()
