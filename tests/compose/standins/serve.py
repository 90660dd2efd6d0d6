"""A small HTTP server for the stand-ins: routes by method and path, and counters on /metrics."""

import http.server
import json
import threading
from urllib.parse import parse_qs, urlsplit


class Counters:
    """What a stand-in counts, in Prometheus' text form."""

    def __init__(self):
        self._lock = threading.Lock()
        self._values = {}

    def add(self, name, by=1):
        with self._lock:
            self._values[name] = self._values.get(name, 0) + by

    def text(self):
        with self._lock:
            lines = [f"# TYPE {name} counter\n{name} {value}\n" for name, value in self._values.items()]
        return "".join(lines)


def serve(port, routes, counters=None):
    """Serves `routes`, {(method, path prefix): call(path, query, body) -> (status, value)}, for ever."""

    class Requests(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self):
            place = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if counters is not None and place.path == "/metrics":
                return self._send(200, counters.text())
            fitting = [key for key in routes if key[0] == self.command and place.path.startswith(key[1])]
            if not fitting:
                return self._send(404, "not here\n")
            call = routes[max(fitting, key=lambda key: len(key[1]))]
            try:
                status, value = call(place.path, parse_qs(place.query), body)
            except Exception as error:  # What is sent may be anything.
                status, value = 400, f"{type(error).__name__}: {error}\n"
            return self._send(status, value)

        def _send(self, status, value):
            is_text = isinstance(value, str)
            body = (value if is_text else json.dumps(value)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; version=0.0.4" if is_text else "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _answer

        def log_message(self, *_):
            pass

    http.server.ThreadingHTTPServer(("", port), Requests).serve_forever()


def beside(*arguments):
    """The same, in a thread of its own."""
    threading.Thread(target=serve, args=arguments, daemon=True).start()


def well(*_):
    return 200, "ready\n"
