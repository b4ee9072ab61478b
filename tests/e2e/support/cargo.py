"""What cargo says of the crates that it built (`--message-format json`)."""

import re

IDENTITY = re.compile(r"[#/](?P<name>[^#/@]+)@(?P<version>[^@]+)$")


def crates(artifacts: list[dict]) -> set[tuple[str, str]]:
    """Name and version of the crate of each message `compiler-artifact`."""
    found = set()
    for artifact in artifacts:
        identity = IDENTITY.search(artifact["package_id"])
        assert identity is not None, artifact["package_id"]
        found.add((identity["name"], identity["version"]))
    return found
