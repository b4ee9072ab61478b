"""The settings of the sidecar's image, read from its stage of envoy/Dockerfile, so that both ways to make the image agree."""

import json
import re
from typing import Any

from sbom import ROOT

STAGE = re.compile(r"^FROM envoy AS sidecar\n(.*)", re.MULTILINE | re.DOTALL)
NANOSECONDS = 1_000_000_000
OPTIONS = {"interval": "Interval", "timeout": "Timeout", "start-period": "StartPeriod", "retries": "Retries"}


def _instructions() -> list[tuple[str, str]]:
    """The instructions of the stage, which is the last one, without comments; each on one line."""
    stage = STAGE.search((ROOT / "envoy/Dockerfile").read_text(encoding="utf-8"))
    if stage is None:
        raise ValueError("envoy/Dockerfile: has no stage that begins with FROM envoy AS sidecar")
    lines = [line for line in stage[1].replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def _health_check(text: str) -> dict[str, Any]:
    """HEALTHCHECK in the form that Docker reads from an image's configuration."""
    found: dict[str, Any] = {}
    while option := re.match(r"--([a-z-]+)=(\d+)(s?)\s+", text):
        found[OPTIONS[option[1]]] = int(option[2]) * (NANOSECONDS if option[3] else 1)
        text = text[option.end():]
    return found | {"Test": ["CMD", *json.loads(text.removeprefix("CMD"))]}


def settings() -> dict[str, Any]:
    """The part `config` of an image's configuration. `Env` is what the stage adds to the variables beneath."""
    found: dict[str, Any] = {"Env": [], "ExposedPorts": {}}
    for word, rest in _instructions():
        match word:
            case "COPY":
                pass
            case "ENV":
                found["Env"].append(rest)
            case "USER":
                found["User"] = rest
            case "EXPOSE":
                found["ExposedPorts"] |= {f"{port}/tcp": {} for port in rest.split()}
            case "HEALTHCHECK":
                found["Healthcheck"] = _health_check(rest)
            case "ENTRYPOINT" | "CMD":
                found[word.capitalize()] = json.loads(rest)
            case _:
                raise ValueError(f"envoy/Dockerfile: {word} has no place in an image's configuration; allowed: COPY, ENV, USER, EXPOSE, "
                                 "HEALTHCHECK, ENTRYPOINT, CMD")
    return found
