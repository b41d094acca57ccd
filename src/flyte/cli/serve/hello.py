"""The app of `flyte serve hello`: it greets whoever asks, and needs nothing but Python."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from flyte.app import AppEnvironment

hello = AppEnvironment(name="hello", port=8080, description="Greets whoever asks.")


class _Greeter(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Greet."""
        text = b"Hello from a Flyte app.\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@hello.server
def serve() -> None:
    """Answer on the app's port."""
    ThreadingHTTPServer(("127.0.0.1", hello.get_port().port), _Greeter).serve_forever()
