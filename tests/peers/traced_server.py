"""mcp_new.py with OpenTelemetry's SDK: the server's spans go to OTEL_EXPORTER_OTLP_ENDPOINT.

    traced_server.py PORT
"""

import runpy
from pathlib import Path

from tracing import start_tracing

if __name__ == "__main__":
    start_tracing()
    runpy.run_path(str(Path(__file__).with_name("mcp_new.py")), run_name="__main__")
