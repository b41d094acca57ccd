"""What the reader gets to see."""

from flyte.cli.crash.notes import Effect, Finished, Told, Written
from flyte.cli.crash.report import Report
from flyte.cli.crash.trials import Crash, Undisturbed
from flyte.cli.crash.verdicts import Finding, Outcome, Verdict

BEGIN = Written(1, "begins", "a0", "env.main", "task")
END = Written(2, "ends", "a0", "env.main", "task", "succeeded")
CRASHES = [Crash(record, moment) for record in (BEGIN, END) for moment in ("before", "after")]
GOOD = Verdict()


def report(*verdicts: Verdict, stable: bool = True, left_out: int = 0) -> Report:
    first, second = Told(finished=Finished("1", "one")), Told(finished=Finished("2", "two"))
    undisturbed = Undisturbed(first, stable, second)
    return Report("env.main", undisturbed, dict(zip(CRASHES, verdicts, strict=True)), left_out)


def test_a_line_for_each_step_with_both_crashes() -> None:
    bad = Verdict((Finding(Outcome.RESULT, "the result", "1, then 2"),))
    table = report(GOOD, bad, GOOD, GOOD).table()
    assert table.rows == [
        ("1", "env.main begins", "repeatable", "result differs"),
        ("2", "env.main ends", "repeatable", "repeatable"),
    ]


def test_all_is_well() -> None:
    made = report(GOOD, GOOD, GOOD, GOOD, left_out=3)
    assert made.repeatable
    assert made.lines() == [
        "",
        "env.main is repeatable: 4 crashes, the same result every time",
        "3 steps were left out (see --max-steps)",
    ]


def test_a_finding_says_what_where_and_what_to_do() -> None:
    bad = Verdict((Finding(Outcome.CALLS, "env.f is called with another n", "n: 1, then 2"),))
    made = report(GOOD, bad, bad, GOOD)
    assert not made.repeatable
    lines = made.lines()
    assert lines[1:4] == [
        "calls differ: env.f is called with another n",
        "    n: 1, then 2",
        "    seen when killed after 1, before 2",
    ]
    assert "@flyte.trace" in " ".join(lines)
    assert lines[-1] == "env.main is not repeatable: 2 of 4 crashes made a difference"


def test_steps_that_were_not_reached_are_told() -> None:
    lines = report(GOOD, Verdict(reached=False), GOOD, GOOD).lines()
    assert lines[-1] == "1 of them were not reached: runs differ in their steps"


def test_an_unstable_result_is_no_fault_of_a_crash() -> None:
    made = report(GOOD, GOOD, GOOD, GOOD, stable=False)
    assert not made.repeatable
    assert "differs from run to run without any crash: one, then two" in made.lines()[1]
    assert made.lines()[-1].startswith("env.main is not repeatable, even without a crash")


def test_an_effect_of_several_actions_is_one_line() -> None:
    one = Effect("c1", "env.f", "appends to x", "p.py:3")
    two = Effect("c2", "env.f", "appends to x", "p.py:3")
    made = report(GOOD, Verdict(twice=(one, two)), Verdict(twice=(two,)), GOOD)
    assert made.lines()[4] == "    env.f appends to x (p.py:3): twice when killed after 1, before 2"
    assert made.repeatable, "it is told, but the result is the same"
    assert made.document()["twice"][0]["crashes"] == ["1 after", "2 before"]
