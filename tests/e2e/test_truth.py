"""Every counter against a count kept by the two ends themselves, while listeners are replaced under running streams.

Client and server are scripts that know what they send (`truth/`). Nothing of what they count is read back from the wire.
"""

import asyncio
import os
import time
from pathlib import Path

import pytest

from support.sidecar import Sidecar
from support.stub import Stub
from truth.account import Account
from truth.envoy import FileListenerEnvoy
from truth.link import Link
from truth.mix import ALONE, TOGETHER, name, play, rate

# Some kinds can be left out, `TRUTH_WITHOUT=legacy,tasks.polled`, while one looks for what another does.
WITHOUT = tuple(filter(None, os.environ.get("TRUTH_WITHOUT", "").split(",")))
MIX = {script: weight for script, weight in (ALONE | TOGETHER).items() if not name(script).startswith(WITHOUT or ("-",))}
SEED = os.environ.get("TRUTH_SEED", "1")


@pytest.fixture(scope="module")
def model(stub: Stub, logs: Path):
    """A sidecar whose configuration the Envoys under test start from."""
    sidecar = Sidecar(stub.port, logs, "truth-model")
    yield sidecar
    sidecar.stop()


def run(model: Sidecar, logs: Path, title: str, scripts: dict, exchanges: int, updates: bool) -> None:
    async def scene() -> None:
        account = Account("upstream")
        link = Link(account, SEED)
        upstream_port = await link.listen()
        envoy = await asyncio.to_thread(FileListenerEnvoy, model, upstream_port, account, logs, title)
        try:
            link.envoy_port = envoy.port
            at = {exchanges // 3: plugin(envoy), exchanges * 2 // 3: machine(envoy)} if updates else {}
            begun = time.monotonic()
            await play(link, scripts, exchanges, f"{SEED} {title}", at)
            print(rate(link, begun))
            link.close_idle()
            await asyncio.to_thread(envoy.check)
            assert envoy.updates() == len(at)
            assert min(envoy.accepted()) > 0, "a worker that got nothing"
        finally:
            await asyncio.to_thread(envoy.stop)

    asyncio.run(scene())


def plugin(envoy: FileListenerEnvoy):
    return lambda: envoy.update({"limits": {"error_codes": 31}}, "")


def machine(envoy: FileListenerEnvoy):
    return lambda: envoy.update({"limits": {"error_codes": 30}}, "another machine")


def test_mixed_traffic(model: Sidecar, logs: Path) -> None:
    run(model, logs, "mixed", MIX, 3000, updates=True)


@pytest.mark.soak
def test_mixed_traffic_for_long(model: Sidecar, logs: Path) -> None:
    run(model, logs, "mixed-long", MIX, 100_000, updates=True)


@pytest.mark.soak
@pytest.mark.parametrize("script", ALONE | TOGETHER, ids=name)
def test_one_kind(script, model: Sidecar, logs: Path) -> None:
    """Tells which kind of traffic is counted wrong."""
    run(model, logs, name(script), {script: 1}, 300, updates=False)
