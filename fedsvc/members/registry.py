"""The members this process talks to: one `Member` a cluster, made anew when the connection changes."""

import asyncio
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from fedsvc.members.client import MemberClient
from fedsvc.members.discovery import Discovery
from fedsvc.members.refusals import Refusals
from fedsvc.model.cluster import Cluster, Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """All that belongs to the connection of one cluster.

    Attributes:
        name: of the cluster.
        client: its API server.
        discovery: what it serves.
        refusals: what it refused us for want of rights; propagation and collection report, health shows.
    """

    name: str
    client: MemberClient
    discovery: Discovery
    refusals: Refusals


class Members:
    """Name of the cluster to its `Member`. To be used from one event loop."""

    def __init__(self) -> None:
        self._members: dict[str, Member] = {}
        self._connections: dict[str, Connection] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def member(self, cluster: Cluster) -> Member:
        """The member of a cluster, for the connection that `cluster` holds.

        The same connection gives the same member again. Where only the token differs (it was renewed) the member stays
        and takes the new one: connections, watches and the table of kinds live on. Any other difference makes a new
        member and closes the old one, whose requests then fail as if reset.
        """
        connection = cluster.connection
        known = self._connections.get(cluster.name)
        if known == connection:
            return self._members[cluster.name]
        if known is not None and _without_token(known) == _without_token(connection):
            member = self._members[cluster.name]
            member.client.set_token(connection.credential.token)
        else:
            self.forget(cluster.name)
            client = MemberClient(connection, name=cluster.name)
            member = Member(name=cluster.name, client=client, discovery=Discovery(client), refusals=Refusals())
        self._members[cluster.name] = member
        self._connections[cluster.name] = connection
        return member

    def get(self, name: str) -> Member | None:
        """The member of that name, if one was made."""
        return self._members.get(name)

    def __iter__(self) -> Iterator[Member]:
        """All members made so far."""
        return iter(tuple(self._members.values()))

    def forget(self, name: str) -> None:
        """Close the connections of a cluster that left."""
        member = self._members.pop(name, None)
        self._connections.pop(name, None)
        if member is not None:
            task = asyncio.get_running_loop().create_task(member.client.close(), name=f"close-member-{name}")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close all connections."""
        for name in list(self._members):
            self.forget(name)
        if self._closing:
            await asyncio.wait(self._closing)


def _without_token(connection: Connection) -> Connection:
    credential = dataclasses.replace(connection.credential, token="", token_expire_time=None)
    return dataclasses.replace(connection, credential=credential)
