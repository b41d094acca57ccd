"""A service beside tasks: an app that answers over HTTP, on this machine.

    flyte serve --local examples/serving.py env      # until Ctrl-C
    python examples/serving.py                       # starts it, asks it, ends it

Needs nothing but Python; with FastAPI, `flyte.app.extras.FastAPIAppEnvironment(name=…, app=…)` serves itself.
"""

import json
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import flyte
from flyte.app import AppEnvironment, Parameter, get_parameter

env = AppEnvironment(
    name="greeter",
    port=8085,
    parameters=[Parameter(name="greeting", value="Hello")],
)


class Greeter(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        text = {"says": f"{get_parameter('greeting')} from {self.path}"}
        body = json.dumps(text).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@env.server
def serve() -> None:
    ThreadingHTTPServer(("127.0.0.1", env.get_port().port), Greeter).serve_forever()


if __name__ == "__main__":
    given = {"greeter": {"greeting": "Good morning"}}
    app = flyte.with_servecontext(mode="local", parameter_values=given).serve(env)
    with app.ephemeral_ctx_sync(), urllib.request.urlopen(f"{app.endpoint}/world") as answer:
        print(answer.read().decode())
