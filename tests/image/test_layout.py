"""The layout on disk: complete, readable by Istio, reproducible."""

import gzip
import hashlib
import json
import os
import shutil
import tomllib
from copy import deepcopy
from pathlib import Path

import pytest

import istio
from conftest import ROOT, run, succeed, write_image
from layout import REFERENCE_NAME, blob, image, index, manifest, problems

VERSION = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]


def files(directory: Path) -> dict[str, bytes]:
    return {str(file.relative_to(directory)): file.read_bytes() for file in directory.rglob("*") if file.is_file()}


def test_every_digest_and_size_is_right(layout: Path) -> None:
    assert problems(layout) == []
    assert len(index(layout)["manifests"]) == 2
    assert image(layout)["annotations"] == {REFERENCE_NAME: VERSION}


def test_istio_reads_the_module(layout: Path, module: Path) -> None:
    variant, found = istio.fetch(manifest(layout, image(layout)), lambda layer: blob(layout, layer))
    assert variant == "compat"
    assert found == module.read_bytes()


@pytest.mark.parametrize("changed", [
    {"mediaType": istio.WASM_LAYER},
    {"mediaType": "application/vnd.oci.image.layer.v1.tar"},
    {"mediaType": istio.DOCKER_LAYER},
])
def test_istio_would_refuse_another_layer(layout: Path, changed: dict) -> None:
    other = deepcopy(manifest(layout, image(layout)))
    other["layers"][0] |= changed
    with pytest.raises(istio.Refused):
        istio.fetch(other, lambda layer: blob(layout, layer))


def test_container_tools_can_unpack_it(layout: Path) -> None:
    """Container tools compare the unpacked layer with the image configuration. Istio does not read that configuration."""
    found = manifest(layout, image(layout))
    config = json.loads(blob(layout, found["config"]))
    packed = blob(layout, found["layers"][0])
    # Flags, time and operating system in the gzip header: no file name, no time, unknown.
    assert packed[3:8] == bytes(5) and packed[9] == 255
    unpacked = gzip.decompress(packed)
    assert config["rootfs"] == {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(unpacked).hexdigest()]}


def test_annotations_say_what_it_is(layout: Path) -> None:
    found = manifest(layout, image(layout))["annotations"]
    names = {name.removeprefix("org.opencontainers.image.") for name in found}
    assert names == {"title", "description", "version", "revision", "licenses", "created"}
    assert found["org.opencontainers.image.version"] == VERSION
    assert found["org.opencontainers.image.licenses"] == "Apache-2.0"
    commit = succeed("git", "rev-parse", "HEAD").strip()
    changed = bool(succeed("git", "status", "--porcelain", "--untracked-files=no").strip())
    assert found["org.opencontainers.image.revision"] == commit + ("-dirty" if changed else "")


def test_printed_digests_are_right(written: tuple[Path, str], module: Path) -> None:
    layout, printed = written
    assert f"image    {image(layout)['digest']}" in printed
    assert f"module   sha256:{hashlib.sha256(module.read_bytes()).hexdigest()}" in printed


def test_it_names_no_path_of_this_machine(layout: Path, module: Path) -> None:
    # The layer is compressed. test_build.py checks that another checkout gives the same module.
    packed = manifest(layout, image(layout))["layers"][0]["digest"].removeprefix("sha256:")
    for name, content in files(layout).items():
        if not name.endswith(packed):
            assert str(ROOT).encode() not in content and str(layout.parent).encode() not in content
            assert str(Path.home()).encode() + b"/" not in content


def test_two_runs_give_the_same_bytes(layout: Path, module: Path, tmp_path: Path) -> None:
    copy = shutil.copy(module, tmp_path / "another_name.wasm")
    os.utime(copy, (1, 1))
    before = os.umask(0o077)
    try:
        write_image(tmp_path / "image", copy, TZ="Asia/Tokyo", LC_ALL="tr_TR.UTF-8", PYTHONHASHSEED="7", SOURCE_DATE_EPOCH="1")
    finally:
        os.umask(before)
    assert files(tmp_path / "image") == files(layout)


def test_layout_replaces_an_earlier_layout(layout: Path, module: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.wasm"
    other.write_bytes(module.read_bytes() + b"\0\4\3one")
    write_image(tmp_path / "image", other)
    assert image(tmp_path / "image")["digest"] != image(layout)["digest"]
    write_image(tmp_path / "image", module)
    assert files(tmp_path / "image") == files(layout)


def test_incomplete_layout_is_replaced(layout: Path, module: Path, tmp_path: Path) -> None:
    shutil.copytree(layout, tmp_path / "image")
    (tmp_path / "image" / "index.json").unlink()
    write_image(tmp_path / "image", module)
    assert files(tmp_path / "image") == files(layout)


def test_flipped_byte_is_detected(layout: Path, tmp_path: Path) -> None:
    blobs = [name for name in files(layout) if name.startswith("blobs/")]
    assert len(blobs) == 6
    for name in blobs:
        copy = tmp_path / Path(name).name
        shutil.copytree(layout, copy)
        content = bytearray((copy / name).read_bytes())
        content[len(content) // 2] ^= 1
        (copy / name).write_bytes(content)
        assert problems(copy) != [], name


def test_file_that_is_no_module_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "text.wasm"
    wrong.write_text("(module)")
    done = run(ROOT / "scripts/image.sh", tmp_path / "image", MCP_FILTER_WASM=str(wrong))
    assert done.returncode == 1
    assert done.stderr == f"{wrong}: begins with b'(mod'; a Wasm module begins with b'\\x00asm'\n"
    assert not (tmp_path / "image").exists()


def damaged(module: bytes) -> dict[str, tuple[bytes, str]]:
    flipped = bytearray(module)
    flipped[len(module) // 3] ^= 0xFF
    return {
        "cut off": (module[: len(module) // 2], "is damaged or was cut off"),
        "flipped": (bytes(flipped), "is damaged or was cut off"),
        "another": (b"\0asm\1\0\0\0", "is no filter for Envoy, which exports proxy_abi_version_0_2_1"),
    }


@pytest.mark.parametrize("case", ["cut off", "flipped", "another"])
def test_a_module_that_envoy_could_not_load_is_refused(module: Path, tmp_path: Path, case: str) -> None:
    content, says = damaged(module.read_bytes())[case]
    wrong = tmp_path / "wrong.wasm"
    wrong.write_bytes(content)
    done = run(ROOT / "scripts/image.sh", tmp_path / "image", MCP_FILTER_WASM=str(wrong))
    assert done.returncode == 1
    assert done.stderr.startswith(f"{wrong}: {says}"), done.stderr
    assert not (tmp_path / "image").exists()


def test_directory_with_other_content_is_refused(module: Path, tmp_path: Path) -> None:
    (tmp_path / "letters").write_text("mine")
    done = run(ROOT / "scripts/image.sh", tmp_path, MCP_FILTER_WASM=str(module))
    assert done.returncode == 1
    assert "is no image layout and not empty" in done.stderr and "Traceback" not in done.stderr
    assert files(tmp_path) == {"letters": b"mine"}
