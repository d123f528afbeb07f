from collections.abc import AsyncIterator, Iterator

import pytest

from fedsvc_client import AsyncClient, Client, Retries
from fedsvc_client.testing import FakeServer

FAST = Retries(attempts=4, initial_seconds=0.001, longest_seconds=0.002)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as server:
        yield server


@pytest.fixture
async def client(server: FakeServer) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(server.address, token="secret", retries=FAST) as client:
        yield client


@pytest.fixture
def blocking(server: FakeServer) -> Iterator[Client]:
    with Client(server.address, token="secret", retries=FAST) as client:
        yield client
