"""Rerun and recover from Python: prints outputs of a recovery with this process's code, and of plain reruns."""

import json

import broken

import flyte

if __name__ == "__main__":
    flyte.init(endpoint="local")
    recovered = flyte.with_runcontext(recover_from="first", name="second").run(broken.main)
    recovered.wait()
    same = flyte.rerun("second", recover=True)
    same.wait()
    other = flyte.rerun("second", n=1)
    other.wait()
    actions = recovered.actions()
    assert actions[0].name == "a0"
    branch = next(action.name for action in actions if action.task_name == "broken.branch")
    single = flyte.rerun("first", action_name=branch)
    single.wait()
    runs = (recovered, same, other, single)
    print(json.dumps([[run.phase.value, run.outputs().o0] for run in runs]))
