"""What is in a launcher beside crates: the live page, whose script has npm packages in it (page/build.mjs)."""

import base64
import json
import re
from typing import Any

from sbom import ROOT

# The script begins with the licence of each package, which names it.
LICENCE = re.compile(r"/\* (?P<name>\S+):\n(?P<text>.*?)\n\*/", re.DOTALL)


def _packages() -> dict[str, dict[str, Any]]:
    """The packages in the page by name; those that only build it are not in it."""
    locked = json.loads((ROOT / "page/package-lock.json").read_text(encoding="utf-8"))["packages"]
    return {name.removeprefix("node_modules/"): package for name, package in locked.items() if name and not package.get("dev")}


def add_to(document: dict[str, Any]) -> dict[str, Any]:
    """The SBOM of a launcher with the page's packages."""
    components, references = [], []
    for name, package in _packages().items():
        purl = f"pkg:npm/{name}@{package['version']}"
        algorithm, _, value = package["integrity"].partition("-")
        references.append(purl)
        components.append({
            "type": "library", "bom-ref": purl, "name": name, "version": package["version"], "scope": "required",
            "licenses": [{"expression": package["license"]}], "purl": purl,
            "hashes": [{"alg": algorithm.upper().replace("SHA", "SHA-"), "content": base64.b64decode(value).hex()}],
        })
    [subject, *others] = sorted(document["dependencies"], key=lambda one: one["ref"] != document["metadata"]["component"]["bom-ref"])
    needs = [subject | {"dependsOn": [*subject["dependsOn"], *references]}, *others, *({"ref": one, "dependsOn": []} for one in references)]
    return document | {"components": [*document["components"], *components], "dependencies": needs}


def licences() -> dict[str, str]:
    """The licence of each of these packages by its name and version."""
    texts = {one["name"].lower(): one["text"] for one in LICENCE.finditer((ROOT / "page/page.html").read_text(encoding="utf-8"))}
    return {f"{name} {package['version']}": texts[name] for name, package in _packages().items()}
