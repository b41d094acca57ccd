"""An app that serves what the newest run of a task has left."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import flyte
from flyte.app import AppEnvironment, Parameter, RunOutput, get_parameter
from flyte.io import File

tasks = flyte.TaskEnvironment("training")
shop = AppEnvironment(
    name="shop",
    port=int(os.environ.get("SHOP_PORT", "8080")),
    description="Serves a model.",
    parameters=[
        Parameter(name="model", value=RunOutput(type="file", task_name="training.fit")),
        Parameter(
            name="name", value=RunOutput(type="string", task_name="training.fit", getter=(1,))
        ),
    ],
)


@tasks.task
def fit(weight: str) -> tuple[File, str]:
    path = Path("weights.txt")
    path.write_text(weight)
    return File.from_local_sync(path), f"model {weight}"


class Shop(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        text = f"{get_parameter('name')}: {Path(get_parameter('model')).read_text()}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@shop.server
def sell() -> None:
    ThreadingHTTPServer(("127.0.0.1", shop.get_port().port), Shop).serve_forever()
