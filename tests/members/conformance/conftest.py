"""One suite, two implementations: what a member cluster does, checked on the simulator and on a real API server.

Where the two differ, the simulator is wrong.
"""

import itertools
import os
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from fedsvc.members.client import MemberClient
from fedsvc.model.cluster import Connection, Credential
from fedsvc.simulator import Options, SimulatedClusterSpec, Simulator, Timing
from fedsvc.testing.control_plane import ASSETS_VARIABLE, ControlPlane, find_assets
from fedsvc.testing.members import Member

_numbers = itertools.count(1)


@pytest.fixture(scope="session", params=["simulator", pytest.param("real", marks=pytest.mark.kube)])
async def member(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Member]:
    folder = tmp_path_factory.mktemp("member")
    if request.param == "simulator":
        async for item in _simulated():
            yield item
        return
    if find_assets() is None:
        reason = f"{ASSETS_VARIABLE} names no folder with kube-apiserver and etcd"
        if os.environ.get("FEDSVC_TEST_REQUIRE") == "all":
            pytest.fail(reason)
        pytest.skip(reason)
    async for item in _real(folder):
        yield item


async def _simulated() -> AsyncIterator[Member]:
    # Workload controllers are off: in the real control plane of this suite there is no kubelet either.
    options = Options(timing=Timing(bookmark_interval_seconds=0.2))
    async with Simulator([SimulatedClusterSpec(name="simulated")], tls=True, options=options) as simulator:
        cluster = simulator.cluster("simulated")

        async def forget() -> None:
            cluster.forget_history()

        context = ssl.create_default_context(cadata=simulator.ca_pem)
        member = Member(
            name="simulator",
            server=simulator.server_of("simulated"),
            token=cluster.admin_token,
            ssl_context=context,
            forget_history=forget,
        )
        async with member:
            yield member


async def _real(folder: Path) -> AsyncIterator[Member]:
    async with ControlPlane(name="conformance", directory=folder) as plane:
        member = Member(
            name="real",
            server=plane.server,
            token=plane.token,
            ssl_context=plane.ssl_context(),
            forget_history=plane.restart_apiserver,
        )
        async with member:
            yield member


@pytest.fixture
async def namespace(member: Member) -> str:
    name = f"conformance-{next(_numbers)}"
    (await member.post("/api/v1/namespaces", {"metadata": {"name": name}})).expect(201)
    return name


@pytest.fixture
def client_of(member: Member) -> Callable[[str], MemberClient]:
    """A client of the member that shows a token."""

    def make(token: str) -> MemberClient:
        context = member.ssl_context
        authorities = [] if context is None else context.get_ca_certs(binary_form=True)
        connection = Connection(
            endpoint=member.server,
            insecure_skip_tls_verify=not authorities,  # the real one makes a certificate of its own at each start
            ca_pem="".join(ssl.DER_cert_to_PEM_cert(der) for der in authorities).encode(),
            credential=Credential(token=token),
        )
        return MemberClient(connection, name="member")

    return make


@pytest.fixture
async def client(member: Member, client_of: Callable[[str], MemberClient]) -> AsyncIterator[MemberClient]:
    async with client_of(member.token) as made:
        yield made
