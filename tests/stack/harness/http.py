"""Plain requests to the parts of the pipeline."""

import json
import urllib.error
import urllib.request
from typing import Any


def answers(url: str) -> bool:
    """Whether a GET returns 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def post(url: str, body: bytes, content_type: str, encoding: str = "") -> int:
    """The status of a POST. A busy collector may take long for megabytes that it sanitizes."""
    request = urllib.request.Request(url, body, {"Content-Type": content_type, **({"Content-Encoding": encoding} if encoding else {})})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def post_json(url: str, document: dict[str, Any]) -> int:
    """Posts an OTLP document in JSON. Returns the status."""
    return post(url, json.dumps(document).encode(), "application/json")
