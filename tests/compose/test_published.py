"""A published image of the sidecar, in a registry of this machine: compose takes it, and compiles nothing."""

from collections.abc import Iterator

import pytest
from engine import Engine
from project import Project
from support.registry import serve

TAG = "0.0.0-test"


@pytest.fixture(scope="module")
def pulled(engine: Engine) -> Iterator[tuple[Project, str]]:
    """A project with the settings for a published image, and the image's name. Only the registry has the image."""
    project = Project(engine, "mcp-observability-published")
    project.compose("build", "sidecar")
    with serve() as registry:
        image = f"{registry}/team/mcp-sidecar:{TAG}"
        engine.run("tag", "mcp-observability/sidecar", image)
        engine.run("push", image)
        engine.run("image", "rm", image)
        engine.environment |= {"IMAGE_REGISTRY": f"{registry}/team", "IMAGE_TAG": TAG}
        try:
            yield project, image
        finally:
            project.compose("--profile=*", "down", "--volumes", "--timeout=1")
            engine.run("image", "rm", "--force", image, check=False)
            del engine.environment["IMAGE_REGISTRY"], engine.environment["IMAGE_TAG"]


def test_nothing_is_compiled(pulled: tuple[Project, str]) -> None:
    project, image = pulled
    built = project.compose("--progress=plain", "build", "collector")
    printed = built.stdout + built.stderr
    assert image in printed and "cargo build" not in printed


def test_the_published_image_serves(pulled: tuple[Project, str]) -> None:
    project, image = pulled
    project.up(only=("sidecar", "collector"))
    assert project.inspect("sidecar")["Config"]["Image"] == image
    # Its health check is the launcher of the published image.
    assert project.inspect("collector")["State"]["Health"]["Status"] == "healthy"
