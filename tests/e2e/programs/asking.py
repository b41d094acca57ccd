"""A client in Python: sends files, runs a task on them, and asks for everything about the run in its own types."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flyte
from flyte.io import Dir, File
from flyte.remote import Project, Run, Settings, upload_dir, upload_file

env = flyte.TaskEnvironment(name="asking")


@dataclass
class Station:
    name: str
    height: int


@env.task
async def read(station: Station, file: File, folder: Dir) -> Station:
    async with file.open("rb") as opened:
        text = (await opened.read()).decode()
    names = sorted([each.name async for each in folder.walk()])
    return Station(f"{station.name} {text} {' '.join(names)}", station.height)


class Place:
    """A type that Flyte does not know."""

    def __init__(self, given: Any) -> None:
        self.name = given.name if hasattr(given, "name") else given["name"]


def main(folder: str) -> None:
    flyte.init(endpoint="local")
    root = Path(folder)
    (root / "sent" / "below").mkdir(parents=True)
    (root / "sent" / "below" / "a.txt").write_text("a")
    (root / "sent" / "b.txt").write_text("b")
    (root / "one.txt").write_text("one")
    md5, uri = upload_file(root / "one.txt")
    sent = upload_dir(root / "sent")
    run = flyte.run(read, Station("Kiel", 5), File(path=uri), Dir(path=sent))
    assert isinstance(run, Run)
    run.wait()
    again = Run.get(run.name)
    settings = Settings.get_settings_for_edit(domain="development")
    settings.update_settings({"labels.team": "weather", "run.max_action_concurrency": 7})
    other = Settings.get_settings_for_edit(project="flytesnacks", domain="development")
    told = {
        "md5": md5,
        "typed": repr(again.typed_outputs({"o0": Station})["o0"]),
        "deserialized": again.typed_outputs({"o0": Place}, {Place: Place})["o0"].name,
        "inputs": sorted(again.typed_inputs({"station": Station})),
        "height": again.typed_inputs({"station": Station})["station"].height,
        "code": sorted(path.name for path in again.download_code(root / "code").iterdir()),
        "debug": again.get_debug_url(),
        "local": settings.local_overrides(),
        "effective": {each.key: each.origin for each in other.effective_settings},
        "archived": Project.get("flytesnacks").archive().pb2.state,
        "active": Project.get("flytesnacks").unarchive().pb2.state,
    }
    try:
        again.typed_outputs({"o7": Station})
    except flyte.errors.DefinitionError as error:
        told["refused"] = str(error)
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
