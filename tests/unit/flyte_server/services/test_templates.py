"""What a TaskSpec says about its process."""

import pytest
from flyteidl2.core import tasks_pb2
from flyteidl2.task import task_definition_pb2
from google.protobuf import json_format
from tests.fakes import messages

from flyte_server.domain.errors import Invalid
from flyte_server.services.launch import templates


def pod_spec(**container: object) -> bytes:
    template = tasks_pb2.TaskTemplate(
        k8s_pod=tasks_pb2.K8sPod(primary_container_name="main"), config={}
    )
    template.id.name = "env.main"
    pod = {"containers": [{"name": "side"}, {"name": "main", **container}]}
    json_format.ParseDict(pod, template.k8s_pod.pod_spec)
    return task_definition_pb2.TaskSpec(task_template=template).SerializeToString()


def test_a_container_gives_command_arguments_and_variables() -> None:
    args = ["a0", "--tgz", "/data/uploads/code.tar.gz", "--dest", "."]
    spec = messages.spec(args=args, env={"SIZE": "2"})
    found = templates.template(spec.SerializeToString())
    assert found.command == ("a0",)
    assert found.args == tuple(args)
    assert found.env == {"SIZE": "2"}
    assert found.bundle == "/data/uploads/code.tar.gz"
    assert found.task_name == "env.main"


def test_a_pod_gives_those_of_its_primary_container() -> None:
    spec = pod_spec(
        image="img",
        command=["a0"],
        args=["a0", "--pkl", "/x.pkl"],
        env=[{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {}}],
        resources={"limits": {"cpu": 4.0}, "requests": {"cpu": "1"}},
    )
    found = templates.template(spec)
    assert (found.image, found.command, found.bundle) == ("img", ("a0",), "/x.pkl")
    assert found.env == {"A": "1"}
    assert found.cpus == 4


def test_a_pod_without_the_named_container_is_refused_by_its_name() -> None:
    template = tasks_pb2.TaskTemplate(k8s_pod=tasks_pb2.K8sPod(primary_container_name="main"))
    template.id.name = "env.main"
    spec = task_definition_pb2.TaskSpec(task_template=template).SerializeToString()
    with pytest.raises(Invalid, match=r"env\.main.*'main'"):
        templates.template(spec)


def test_a_task_that_starts_no_process_is_refused() -> None:
    template = tasks_pb2.TaskTemplate(sql=tasks_pb2.Sql(statement="select 1"))
    spec = task_definition_pb2.TaskSpec(task_template=template).SerializeToString()
    with pytest.raises(Invalid, match="sql"):
        templates.template(spec)


@pytest.mark.parametrize(
    ("quantities", "cpus"),
    [
        (["2"], 2),
        (["1.5"], 2),
        (["500m"], 1),
        (["2500m", "1"], 3),
        (["nonsense", "3"], 3),
        (["0"], 1),
        ([], 1),
    ],
)
def test_cpus_are_whole_and_at_least_one(quantities: list[str], cpus: int) -> None:
    assert templates.cpus(quantities) == cpus
