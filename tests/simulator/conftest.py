"""Simulators of one test each, and members as tests see them."""

import ssl
from collections.abc import AsyncIterator, Callable

import pytest

from fedsvc.simulator import Options, SimulatedCluster, SimulatedClusterSpec, Simulator, Timing
from fedsvc.testing.members import Member

EU = SimulatedClusterSpec(
    name="eu-1", region="eu", zones=("eu-a", "eu-b"), provider="aws", nodes=2, cpu="4", memory="8Gi"
)
US = SimulatedClusterSpec(name="us-1", region="us", zones=("us-a",), provider="gcp", nodes=1)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    options = Options(timing=Timing(bookmark_interval_seconds=0.2), history_limit=50)
    async with Simulator([EU, US], tls=True, options=options) as running:
        yield running


@pytest.fixture
def cluster(simulator: Simulator) -> SimulatedCluster:
    return simulator.cluster("eu-1")


@pytest.fixture
def member_of() -> Callable[[Simulator, str], Member]:
    def make(running: Simulator, name: str) -> Member:
        context = ssl.create_default_context(cadata=running.ca_pem) if running.ca_pem else None
        token = running.cluster(name).admin_token
        return Member(name=name, server=running.server_of(name), token=token, ssl_context=context)

    return make


@pytest.fixture
async def member(simulator: Simulator, member_of: Callable[[Simulator, str], Member]) -> AsyncIterator[Member]:
    async with member_of(simulator, "eu-1") as item:
        yield item
