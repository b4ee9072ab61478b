"""Checks a dashboard against Grafana's schema: the types of the package @grafana/schema, as JSON Schema.

The type of a dashboard does not describe the options and fields of its panels, so these are checked against the types of each kind
of panel. An unknown member is an error. LEFT_OPEN lists what the schema leaves to the datasource.
"""

import json
import subprocess
from copy import deepcopy
from functools import cache
from pathlib import Path

from jsonschema import Draft7Validator

ROOT = Path(__file__).resolve().parents[2]
# Members of the Prometheus datasource (annotations), and of an expression's place in an annotation.
LEFT_OPEN = ("expr", "titleFormat", "textFormat")
FILES = {"state-timeline": "statetimeline"}


@cache
def folder() -> Path:
    done = subprocess.run([ROOT / "scripts/get.sh", "grafana-schema"], stdout=subprocess.PIPE, check=True, text=True)
    return Path(done.stdout.strip())


@cache
def validator(file: str, name: str) -> Draft7Validator:
    schema = json.loads((folder() / f"{file}.json").read_text(encoding="utf-8"))
    return Draft7Validator(schema | {"$ref": f"#/definitions/{name}"})


def problems(dashboard: dict) -> list[str]:
    """One line for each violation."""
    stripped = deepcopy(dashboard)
    for annotation in stripped["annotations"].get("list", []):
        for member in LEFT_OPEN:
            annotation.pop(member, None)
    found = _of(validator("dashboard", "Dashboard"), stripped, "")
    for panel in all_panels(dashboard):
        file, where = FILES.get(panel["type"], panel["type"]), f"panel {panel['id']}: "
        # The defaults of the kind replace required members that a file may omit.
        found += _of(validator(file, "Options"), panel.get("options", {}), where, required=False)
        custom = panel.get("fieldConfig", {}).get("defaults", {}).get("custom")
        if custom:
            found += _of(validator(file, "FieldConfig"), custom, where, required=False)
    return found


def all_panels(dashboard: dict) -> list[dict]:
    """All panels except rows, including those in closed rows."""
    return [panel for one in dashboard["panels"] for panel in (one.get("panels", []) if one["type"] == "row" else [one])]


def _of(checker: Draft7Validator, value: object, where: str, required: bool = True) -> list[str]:
    return [f"{where}{error.json_path}: {error.message[:300]}" for error in checker.iter_errors(value)
            if required or error.validator != "required"]
