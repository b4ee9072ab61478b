"""Each counter equals the count of client and server, while listeners are replaced and streams are open.

Client and server are scripts that know what they send (`truth/`). Their counts do not come from the bytes on the wire.
"""

import asyncio
import json
import os
import time
from pathlib import Path

import pytest

from support.sidecar import Sidecar
from support.stub import Stub
from truth import across
from truth.account import Account
from truth.envoy import FileListenerEnvoy
from truth.link import Link
from truth.mix import ALONE, TOGETHER, name, one, play, rate

# To find a fault, leave out some kinds of scripts: `TRUTH_WITHOUT=legacy,tasks.polled`.
WITHOUT = tuple(filter(None, os.environ.get("TRUTH_WITHOUT", "").split(",")))
MIX = {script: weight for script, weight in (ALONE | TOGETHER).items() if not name(script).startswith(WITHOUT or ("-",))}
SEED = os.environ.get("TRUTH_SEED", "1")


@pytest.fixture(scope="module")
def model(stub: Stub, logs: Path):
    """A sidecar that provides the configuration of the Envoys under test."""
    config = logs / "truth-filter.json"
    config.write_text(json.dumps({"labels": {"client_name": "tools"}}))
    sidecar = Sidecar(stub.port, logs, "truth-model", MCP_FILTER_CONFIG=str(config))
    yield sidecar
    sidecar.stop()


class Scene:
    """Envoy between client and server of a link, and its changes while the scripts run."""

    def __init__(self, link: Link, envoy: FileListenerEnvoy, seed: str) -> None:
        self.link, self.envoy, self.seed = link, envoy, seed
        self.across: list[asyncio.Task] = []

    async def new_plugin(self) -> None:
        """Replaces the plugin, after the scripts of `across` have begun."""
        for number in range(across.PARKED):
            script = across.ALL[number % len(across.ALL)]
            self.across.append(asyncio.create_task(one(script, self.link, f"{self.seed} across {number}")))
        parked = asyncio.gather(*(self.link.parked.acquire() for _ in self.across))
        await asyncio.wait([asyncio.ensure_future(parked), *self.across], return_when=asyncio.FIRST_COMPLETED)
        await asyncio.to_thread(self.envoy.update, {"limits": {"error_codes": 31}}, "")

    async def new_machine(self) -> None:
        await asyncio.to_thread(self.envoy.update, {"limits": {"error_codes": 30}}, "another machine")
        self.link.close_idle()
        self.link.replaced.set()

    async def play(self, scripts: dict, exchanges: int, updates: bool) -> None:
        at = {exchanges // 3: self.new_plugin, exchanges * 2 // 3: self.new_machine} if updates else {}
        begun = time.monotonic()
        await play(self.link, scripts, exchanges, self.seed, at)
        await asyncio.gather(*self.across)
        print(rate(self.link, begun))
        self.link.close_idle()
        await asyncio.to_thread(self.envoy.check)
        assert self.envoy.updates() == len(at)
        assert min(self.envoy.accepted()) > 0, "a worker that got nothing"


def run(model: Sidecar, logs: Path, title: str, scripts: dict, exchanges: int, updates: bool) -> None:
    async def scene() -> None:
        account = Account("upstream")
        link = Link(account, SEED)
        upstream_port = await link.listen()
        envoy = await asyncio.to_thread(FileListenerEnvoy, model, upstream_port, account, logs, title)
        try:
            link.envoy_port = envoy.port
            await Scene(link, envoy, f"{SEED} {title}").play(scripts, exchanges, updates)
        finally:
            await asyncio.to_thread(envoy.stop)

    asyncio.run(scene())


def test_mixed_traffic(model: Sidecar, logs: Path) -> None:
    run(model, logs, "mixed", MIX, 3000, updates=True)


@pytest.mark.soak
def test_mixed_traffic_for_long(model: Sidecar, logs: Path) -> None:
    run(model, logs, "mixed-long", MIX, 100_000, updates=True)


@pytest.mark.soak
@pytest.mark.parametrize("script", ALONE | TOGETHER, ids=name)
def test_one_kind(script, model: Sidecar, logs: Path) -> None:
    """Shows which kind of traffic is counted wrong."""
    run(model, logs, name(script), {script: 1}, 300, updates=False)
