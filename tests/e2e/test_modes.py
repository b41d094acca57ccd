"""One suite of programs in three modes: in this process, in this process with every value going through bytes, and on a
control plane.  The same values, types, error classes, retry counts and cache decisions."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.plane import (
    NIGHTLY,
    PATIENCE_SECONDS,
    PROGRAMS,
    ROOT,
    Ended,
    Marks,
    Plane,
    flyte,
    here,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

MODES = ("control plane", "in process", "through bytes")

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


DATA_EXPECTED = {
    "file": r"str 'é\n'",
    "file_from_local": "str 'gone'",
    "dir": "dict {'a.txt': 'a', 'b.txt': 'bb', 'empty': ''}",
    "in_a_record": "list ['B', 'in', 'one', 'inin', 'a.txt', 'b.txt', 'empty', 'True']",
    "in_a_named_tuple": "tuple ('four', 4)",
    "in_containers": """list [['1', '2', '3', '3'], ['None'], ['1', "'s'"]]""",
    "column_subset": "list ['n']",
    "large": "list [True, True, True]",
    "cached_by_content": "list ['same', 'same']",
    "cached_serialized": "list [1, 1, 1, 1]",
    "cached_large": "list [3145730, 3145730]",
}
DATA_CODES = {
    "large_error": "RuntimeUserError ValueError: x",
    "unserializable": "UnserializableError Unserializable: outputs.o0.points[1]['b']: expected ",
    "wrong_record": "RuntimeDataValidationError DataValidationError: outputs.o0.data: expected File, found str",
    "mixed_column": "RuntimeDataValidationError DataValidationError: outputs.o0['n']: expected values of one",
    "missing_file": "StorageNotFoundError StorageNotFoundError: cannot read ",
    "corrupt_file": "DataCorruptionError DataCorruptionError: ",
    "not_a_file": "RuntimeUserError FileNotFoundError: there is no file /no/such/file.txt",
}
"""How the messages begin; the rest of them is compared between the modes."""

DATA_COUNTS = {
    "counted-file": 1,
    "counted-table": 2,
    "counted-ignoring": 1,
    "salted": 1,
    "overriding": 2,
    "serialized": 1,
    "aged": 1,
    "failing": 2,
}
"""How often the cached tasks were executed."""


@dataclass
class Told:
    """What the parent of a program said in one mode, and how often its tasks were executed."""

    outputs: Any
    counts: dict[str, int]


def in_mode(mode: str, plane: Plane, *command: str, cwd: Path = PROGRAMS) -> Ended:
    if mode == "control plane":
        return plane.run(*command, cwd=cwd)
    flyte("delete", "local-cache")  # what one mode has kept must not answer for another
    options = ("--force-serialization",) if mode == "through bytes" else ()
    return here(*command, options=options, cwd=cwd)


def everywhere(plane: Plane, tmp_path: Path, program: str) -> dict[str, Told]:
    """The program's task `everything` in each mode."""
    found: dict[str, Told] = {}
    for mode in MODES:
        marks = Marks(tmp_path / mode)
        ended = in_mode(mode, plane, program, "everything", "--marks", str(marks))
        assert ended.outputs is not None, (mode, ended.error)
        told = {name: _without_places(text) for name, text in ended.outputs["o0"].items()}
        found[mode] = Told(told, marks.counts())
    return found


def _without_places(text: str) -> str:
    """Addresses of memory and of files differ from run to run."""
    return re.sub(r"0x[0-9a-f]+", "<memory>", re.sub(r"<run>/\S+", "<file>", text))


def test_values_errors_and_retries_are_the_same(plane: Plane, tmp_path: Path) -> None:
    found = everywhere(plane, tmp_path, "zoo.py")
    for told in found.values():
        assert told.outputs == found["control plane"].outputs
        assert told.outputs | EXPECTED == told.outputs
        assert told.counts == COUNTS


def test_data_is_the_same(plane: Plane, tmp_path: Path) -> None:
    found = everywhere(plane, tmp_path, "data_zoo.py")
    for told in found.values():
        assert told.outputs == found["control plane"].outputs
        assert told.outputs | DATA_EXPECTED == told.outputs
        begun = {name: told.outputs[name][: len(start)] for name, start in DATA_CODES.items()}
        assert begun == DATA_CODES
        assert told.counts == DATA_COUNTS


def test_polars_is_the_same(plane: Plane) -> None:
    found = [in_mode(mode, plane, "data_polars.py", "everything") for mode in MODES]
    assert found[0].outputs is not None, found[0].error
    assert found[0].outputs["o0"]["to_pandas"].startswith("DataFrame")
    assert [ended.outputs for ended in found] == [found[0].outputs] * len(MODES)


@pytest.mark.timeout(PATIENCE_SECONDS + 30)
@pytest.mark.parametrize("mode", MODES)
def test_every_family_of_types_comes_back_exactly(plane: Plane, mode: str) -> None:
    program = Path("tests/e2e/programs/families.py")
    ended = in_mode(mode, plane, str(program), "check_all", cwd=ROOT)
    assert ended.outputs is not None, ended.error
    tallies = ended.outputs["o0"]
    assert not {
        family: tally["different"] for family, tally in tallies.items() if tally["different"]
    }
    least = 5000 if NIGHTLY else 200
    few = {family for family, tally in tallies.items() if tally["examples"] < least}
    assert few <= {"choices"}, "only enumerations have fewer different values"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["value", "own", "custom"])
def test_a_failing_run_has_the_same_error(plane: Plane, mode: str, kind: str) -> None:
    expected = {
        "value": ("ValueError", "no such value"),
        "own": ("Odd", "strange"),
        "custom": ("NoData", "the table is empty"),
    }
    ended = in_mode(mode, plane, "zoo.py", "fails", "--kind", kind)
    assert ended.status == 1
    assert ended.error is not None
    assert ended.error["code"] == expected[kind][0]
    assert ended.error["message"].startswith(expected[kind][1])
