"""Deployed tasks found by name and run by reference."""

import json
import sys

import flyte
import flyte.remote

if __name__ == "__main__":
    flyte.init(endpoint=sys.argv[1], insecure=True, project="flytesnacks", domain="development")
    task = flyte.remote.Task.get("flows.nightly", auto_version="latest")
    run = flyte.run(task, x=6, n=7)
    run.wait()
    print(json.dumps({"value": run.outputs()[0]}))
