"""scripts/first-call.sh with a stand-in for the sidecar: it succeeds when the metrics have the call, and names what did not come."""

import http.server
import os
import subprocess
import threading
from collections.abc import Iterator

import pytest
from artefacts import ROOT

SERIES = 'mcp_requests_total{{method="initialize",server_name="a",status="{status}",error_type=""}} {value}\n'


class Sidecar(http.server.ThreadingHTTPServer):
    """Answers calls with `status`, and counts those that it answered with 200; `/metrics` shows them from the second reading on."""

    status = 200
    shown = "ok"
    calls = 0
    readings = 0


class Handler(http.server.BaseHTTPRequestHandler):
    server: Sidecar

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.calls += 1
        self._answer(self.server.status, '{"jsonrpc":"2.0","id":1,"result":{"serverInfo":{"name":"a","version":"1"}}}')

    def do_GET(self) -> None:
        self.server.readings += 1
        value = self.server.calls if self.server.readings > 1 else 0
        self._answer(200, "# TYPE mcp_requests_total counter\n" + SERIES.format(status=self.server.shown, value=value))

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def sidecar() -> Iterator[Sidecar]:
    server = Sidecar(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def first_call(sidecar: Sidecar, seconds: int) -> subprocess.CompletedProcess[str]:
    url = f"http://127.0.0.1:{sidecar.server_port}"
    return subprocess.run([ROOT / "scripts/first-call.sh", f"{url}/mcp", f"{url}/metrics"], env=os.environ | {"SECONDS_EACH": str(seconds)},
                          capture_output=True, text=True, timeout=120)


def test_it_waits_until_the_metrics_have_the_call(sidecar: Sidecar) -> None:
    done = first_call(sidecar, 60)
    assert done.returncode == 0 and "the call is in" in done.stderr
    assert (sidecar.calls, sidecar.readings) == (1, 2)


def test_an_error_of_the_server_is_no_answer(sidecar: Sidecar) -> None:
    sidecar.status = 503
    done = first_call(sidecar, 1)
    assert done.returncode == 1 and "no answer from" in done.stderr
    assert sidecar.readings == 0


def test_a_failed_call_is_not_counted(sidecar: Sidecar) -> None:
    sidecar.shown = "error"
    done = first_call(sidecar, 1)
    assert done.returncode == 1 and "no call in" in done.stderr
