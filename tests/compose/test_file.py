"""docker-compose.yml as compose reads it. Needs no engine."""

from typing import Any

import pytest
from project import config, settings

# The image has the health check.
BUILT_HERE = "mcp-observability/"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return settings()["services"]


def test_every_service_is_hardened(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not {"privileged", "cap_add", "network_mode", "pid", "devices"} & service.keys(), name
        for volume in service.get("volumes", []):
            assert volume["type"] == "volume" or volume["read_only"] is True, (name, volume)


def test_every_public_image_has_a_user_and_a_health_check(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if not service["image"].startswith(BUILT_HERE):
            assert int(service["user"].split(":")[0]) > 0, name
            assert service["healthcheck"]["test"][0] == "CMD", name


def test_published_on_loopback_alone(services: dict[str, Any]) -> None:
    published = {}
    for name, service in services.items():
        for port in service.get("ports", []):
            assert port["host_ip"] == "127.0.0.1", (name, port)
            published[name] = (port["published"], port["target"])
    assert published == {
        "sidecar": ("4000", 4000), "prometheus": ("9090", 9090), "grafana": ("3000", 3000),
        "postgres-sidecar": ("4001", 4000), "agent-sidecar": ("4002", 4000), "stdio": ("4003", 4000),
    }


def test_dependencies_wait_for_health(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            assert how["condition"] == "service_healthy", (name, needed)


def test_images_that_are_built_here_are_never_pulled(services: dict[str, Any]) -> None:
    """These names are not published, so another person could publish an image under them."""
    assert {name: service.get("pull_policy") for name, service in services.items() if "build" in service} == {
        name: "build" for name, service in services.items() if service["image"].startswith(BUILT_HERE)
    }


def test_image_tag_takes_the_published_image(services: dict[str, Any]) -> None:
    published = settings(IMAGE_TAG="1.2.3", IMAGE_REGISTRY="registry.example.com/team")["services"]
    taken = {name for name, service in services.items() if service["image"] == "mcp-observability/sidecar"}
    image = "registry.example.com/team/mcp-sidecar:1.2.3"
    for name in taken:
        assert (published[name]["image"], published[name]["pull_policy"], published[name].get("build")) == (image, "missing", None)
    # What else has the launcher takes it from there, so that it is not compiled.
    for name in ("collector", "stdio"):
        assert published[name]["build"].pop("args") == {"PROGRAMS": image}
    images = ("image", "pull_policy", "build")
    assert {name: {key: value for key, value in service.items() if name not in taken or key not in images} for name, service in published.items()} == {
        name: {key: value for key, value in service.items() if name not in taken or key not in images} for name, service in services.items()}


def test_image_tag_needs_a_registry() -> None:
    done = config(IMAGE_TAG="1.2.3")
    assert done.returncode and "IMAGE_TAG needs IMAGE_REGISTRY too" in done.stderr


def test_plain_up_starts_the_stack(services: dict[str, Any]) -> None:
    plain = {name for name, service in services.items() if not service.get("profiles")}
    assert plain == {"weather", "sidecar", "collector", "prometheus", "grafana"}


def test_only_the_real_model_needs_egress(services: dict[str, Any]) -> None:
    networks = settings()["networks"]
    assert networks["servers"]["internal"] and networks["database"]["internal"]
    assert {name for name, service in services.items() if "outside" in service["networks"]} == {"agent-mcp"}


def test_a_full_queue_does_not_end_the_collector(services: dict[str, Any]) -> None:
    """The container's memory includes both the collector's limit and the queue for the backend."""
    collector = services["collector"]
    [queue] = collector["tmpfs"]
    size = int(queue.rpartition("size=")[2].removesuffix("m")) << 20
    own = int(collector["environment"]["COLLECTOR_MEMORY_MIB"]) << 20
    assert own + size < int(collector["mem_limit"])
