import copy
import pickle

import pytest
from flyteidl2.core import literals_pb2
from flyteidl2.task import common_pb2

from flyte.remote import ActionInputs, ActionOutputs


def test_outputs_are_a_tuple_with_names() -> None:
    outputs = ActionOutputs(None, (37.5, "x"))
    assert outputs == (37.5, "x")
    assert (outputs.o0, outputs.o1) == (37.5, "x")
    first, second = outputs
    assert (first, second) == (37.5, "x")
    assert repr(ActionOutputs(None, (37.5,))) == "ActionOutputs(o0=37.5)"
    assert repr(ActionOutputs(None, ())) == "ActionOutputs()"


def test_declared_names_are_used() -> None:
    outputs = ActionOutputs(None, (0.9, 3), ["accuracy", "count"])
    assert outputs.accuracy == 0.9
    assert outputs.named_outputs == {"accuracy": 0.9, "count": 3}
    assert repr(outputs) == "ActionOutputs(accuracy=0.9, count=3)"


def test_an_output_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(AttributeError, match="no output 'o2', only: o0, o1"):
        _ = ActionOutputs(None, (1, 2)).o2


def test_outputs_can_be_copied_and_pickled() -> None:
    outputs = ActionOutputs(None, (1, [2]), ["a", "b"])
    for other in (copy.deepcopy(outputs), pickle.loads(pickle.dumps(outputs))):
        assert other == outputs
        assert other.b == [2]


def test_inputs_are_a_dictionary() -> None:
    inputs = ActionInputs(None, {"folds": 3, "name": "x"})
    assert inputs["folds"] == 3
    assert dict(inputs) == {"folds": 3, "name": "x"}
    assert repr(inputs) == "ActionInputs(folds=3, name='x')"


def test_the_message_behind_is_shown_as_json() -> None:
    literal = literals_pb2.Literal(
        scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=3))
    )
    message = common_pb2.Inputs(literals=[common_pb2.NamedLiteral(name="n", value=literal)])
    inputs = ActionInputs(message, {"n": 3})
    assert inputs.to_dict()["literals"][0]["name"] == "n"
    assert '"name": "n"' in inputs.to_json()
    assert ActionInputs(None, {}).to_dict() == {}
