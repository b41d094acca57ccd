"""In this process and on a control plane: the same values, error classes and retry counts."""

from pathlib import Path

import pytest
from tests.e2e.plane import Marks, Plane, here

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

EXPECTED = {
    "scalars": r"tuple (3, 0.2, 'üé', False, b'\xff\x00')",
    "big_int": f"int {2**53 + 1}",
    "times": (
        "tuple (datetime.datetime(2026, 2, 1, 12, 0, 0, 123461, tzinfo=datetime.timezone.utc), "
        "datetime.date(2026, 1, 31), datetime.timedelta(days=2, microseconds=10))"
    ),
    "containers": "dict {'e': [], 'xs': [1.0, 2.0], 'half': [1.5]}",
    "none": "NoneType None",
    "some": "int 5",
    "either_int": "int 4",
    "either_str": "str '4'",
    "either_list": "list [4]",
    "choices": "tuple (<Colour.BLUE: 'b'>, 'high')",
    "records": (
        "Model Model(name='m', points=[Point(x=1, y=2.5, tags={'a': [1, 2]}, inner=None), "
        "Point(x=1, y=2.5, tags={}, inner=Point(x=1, y=2.5, tags={'a': [1, 2]}, inner=None))], "
        "level='low')"
    ),
    "named": "Split Split(train=[0, 1, 2, 3], share=0.4)",
    "nothing": "NoneType None",
    "pickled": "Unheard Unheard(2)",
    "plain": "int 15",
    "plain_parent": "int 20",
    "mapped": "str \"[0, 1, 'RuntimeUserError', 3]\"",
    "context": "tuple ('t1', True)",
    "override": "RuntimeUserError ConnectionError: attempt 0",
    "value_error": "RuntimeUserError ValueError: no such value",
    "own_error": "RuntimeUserError Odd: strange",
    "custom_error": "RuntimeUserError NoData: the table is empty",
    "retried": "int 2",
    "retries_used_up": "RuntimeUserError ConnectionError: attempt 2",
    "not_retried": "RuntimeUserError NonRecoverableError: closed for good",
    "uncaught_below": "RuntimeUserError ValueError: leaf 3",
    "traced": "int 40",
    "traced_error": "ValueError : negative",
}
"""What the cases give whose words are fixed; of the others, both modes must say the same."""

COUNTS = {
    "flaky-1": 1,
    "flaky-2": 3,
    "flaky-9": 3,
    "hopeless": 1,
    "slow": 1,
    "traced-4": 1,
    "traced--1": 1,
}


def test_values_errors_and_retries_are_the_same(plane: Plane, tmp_path: Path) -> None:
    remote_marks, local_marks = Marks(tmp_path / "remote"), Marks(tmp_path / "local")
    remote = plane.run("zoo.py", "everything", "--marks", str(remote_marks))
    local = here("zoo.py", "everything", "--marks", str(local_marks))
    assert remote.outputs is not None, remote.error
    assert local.outputs is not None, local.error
    assert remote.outputs["o0"] == local.outputs["o0"]
    assert remote.outputs["o0"] | EXPECTED == remote.outputs["o0"]
    assert remote_marks.counts() == local_marks.counts() == COUNTS


@pytest.mark.parametrize("kind", ["value", "own", "custom"])
def test_a_failing_run_has_the_same_error(plane: Plane, kind: str) -> None:
    remote = plane.run("zoo.py", "fails", "--kind", kind)
    local = here("zoo.py", "fails", "--kind", kind)
    assert remote.status == local.status == 1
    assert remote.error is not None
    assert local.error is not None
    assert remote.error["code"] == local.error["code"]
    assert remote.error["message"].startswith(local.error["message"])
