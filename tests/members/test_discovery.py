"""When the table of a member's kinds is read anew, on a clock that the test moves."""

import asyncio
from typing import Any

import pytest

from fedsvc.members import discovery
from fedsvc.members.api_table import ApiResource, ApiTable
from fedsvc.members.client import MemberClient
from fedsvc.members.discovery import MAX_AGE_SECONDS, MIN_INTERVAL_SECONDS, Discovery
from fedsvc.members.errors import KindNotServedError, MemberGarbageError, MemberUnreachableError
from fedsvc.members.registry import Members
from fedsvc.model.cluster import Connection, Credential
from fedsvc.rendering.keys import ObjectKey
from fedsvc.testing.scripted import ScriptedServer, serving


class Reading:
    """Stands in for the member: serves what it is told to, and counts how often it is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kinds: list[str] = ["ConfigMap"]
        self.broken = False
        self.count = 0
        self.now = 1_000.0
        monkeypatch.setattr(discovery, "discover", self.discover)
        client = MemberClient(Connection(endpoint="https://never.asked"))
        self.discovery = Discovery(client, clock=lambda: self.now)

    async def discover(self, _: object, previous: ApiTable | None) -> ApiTable:
        self.count += 1
        await asyncio.sleep(0)
        if self.broken:
            raise MemberGarbageError("a web page")
        del previous
        made = [
            ApiResource(group="", version="v1", kind=kind, plural=f"{kind.lower()}s", namespaced=True)
            for kind in self.kinds
        ]
        return ApiTable(resources={(item.group, item.version, item.kind): item for item in made})

    async def resource(self, kind: str) -> ApiResource:
        return await self.discovery.resource("", "v1", kind)


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Reading:
    return Reading(monkeypatch)


async def test_callers_at_the_same_time_share_one_reading(reading: Reading) -> None:
    found = await asyncio.gather(*(reading.resource("ConfigMap") for _ in range(20)))
    assert len(found) == 20
    assert reading.count == 1


async def test_a_table_is_read_again_when_it_is_old(reading: Reading) -> None:
    await reading.discovery.table()
    reading.now += MAX_AGE_SECONDS - 1
    await reading.discovery.table()
    assert reading.count == 1
    reading.now += 1
    await reading.discovery.table()
    assert reading.count == 2


async def test_a_kind_that_is_missing_is_looked_for_but_not_at_every_call(reading: Reading) -> None:
    await reading.resource("ConfigMap")
    for _ in range(5):
        with pytest.raises(KindNotServedError):
            await reading.resource("Widget")
    assert reading.count == 1
    reading.now += MIN_INTERVAL_SECONDS
    reading.kinds.append("Widget")
    assert (await reading.resource("Widget")).plural == "widgets"
    assert reading.count == 2


async def test_what_is_known_outlives_a_reading_that_fails(reading: Reading) -> None:
    await reading.resource("ConfigMap")
    reading.broken = True
    reading.now += MAX_AGE_SECONDS
    assert (await reading.resource("ConfigMap")).plural == "configmaps"
    assert reading.count == 2


async def test_of_a_kind_that_is_not_known_a_silent_member_is_not_said_to_lack_it(reading: Reading) -> None:
    await reading.resource("ConfigMap")
    reading.broken = True
    reading.now += MIN_INTERVAL_SECONDS
    for _ in range(3):
        with pytest.raises(MemberGarbageError):
            await reading.resource("Widget")
    assert reading.count == 2
    assert (await reading.resource("ConfigMap")).plural == "configmaps"
    reading.now += MIN_INTERVAL_SECONDS
    reading.broken = False
    with pytest.raises(KindNotServedError):
        await reading.resource("Widget")


async def test_a_first_reading_that_fails_is_an_error_and_the_next_may_not(reading: Reading) -> None:
    reading.broken = True
    with pytest.raises(MemberGarbageError):
        await reading.resource("ConfigMap")
    reading.broken = False
    assert (await reading.resource("ConfigMap")).plural == "configmaps"


async def test_an_invalid_table_is_read_anew_as_soon_as_that_is_allowed(reading: Reading) -> None:
    key = ObjectKey(group="", version="v1", kind="ConfigMap", namespace="shop", name="web")
    assert await reading.discovery.path(key) == "/api/v1/namespaces/shop/configmaps/web"
    reading.discovery.invalidate()
    assert await reading.discovery.path(key) == "/api/v1/namespaces/shop/configmaps/web"
    assert reading.count == 1, "read a moment ago"
    reading.now += MIN_INTERVAL_SECONDS
    await reading.discovery.path(key)
    await reading.discovery.path(key)
    assert reading.count == 2


# --- the members of this process ---------------------------------------------------------------------------------------


def cluster(**connection: Any) -> Any:
    """As much of a cluster as the registry looks at."""

    class Named:
        name = "a"

    made: Any = Named()
    made.connection = Connection(endpoint="https://a.example", **connection)
    return made


async def test_the_same_connection_is_the_same_member_and_a_token_alone_changes_none() -> None:
    async with Members() as members:
        first = members.member(cluster(credential=Credential(token="one")))
        assert members.member(cluster(credential=Credential(token="one"))) is first
        assert members.member(cluster(credential=Credential(token="two"))) is first
        assert first.client._transport._authorization == {"Authorization": "Bearer two"}
        assert list(members) == [first]


async def test_another_address_is_another_member_and_closes_the_old_one() -> None:
    async with serving(ScriptedServer(answer=None)) as silent, Members() as members:
        there = cluster()
        there.connection = Connection(endpoint=silent.endpoint)
        first = members.member(there)
        waiting = asyncio.get_running_loop().create_task(first.client.get("/api"))
        while not silent.requests:
            await asyncio.sleep(0)
        second = members.member(cluster(tls_server_name="b.example"))
        assert second is not first
        with pytest.raises(MemberUnreachableError):
            await asyncio.wait_for(waiting, 5)
        members.forget("a")
        members.forget("a")
        assert members.get("a") is None
