from pathlib import Path
from types import TracebackType
from typing import Self

from fedsvc_client._automation import AsyncAutomation
from fedsvc_client._calls import Caller, Retries
from fedsvc_client._channel import open_channel
from fedsvc_client._clusters import AsyncClusters
from fedsvc_client._config import Server, load_config, parse_address
from fedsvc_client._holds import AsyncHolds
from fedsvc_client._members import AsyncMembers
from fedsvc_client._ownership import AsyncOwnership
from fedsvc_client._placement import AsyncPlacement
from fedsvc_client._policies import AsyncPolicies
from fedsvc_client._readers import AsyncAudit, AsyncEvents, AsyncResources, AsyncServerInfo, AsyncWorks
from fedsvc_client._removals import AsyncRemovals
from fedsvc_client._rollouts import AsyncRevisions, AsyncRollouts
from fedsvc_client._units import AsyncUnits
from fedsvc_client._watch import AsyncWatch, Kind, Trouble, WatchFilter
from fedsvc_client._zones import AsyncZones


class AsyncClient:
    """A client for asyncio; to be made inside a running loop and closed there.

        async with AsyncClient("127.0.0.1:7443", token=token) as client:
            async for cluster in client.clusters.list():
                print(cluster.name)

    Every call has a deadline and raises a `FedsvcError`. Calls that find the server unavailable are tried again within
    the deadline: reads because they may, changes because each carries a request id that the server knows it by.
    """

    def __init__(self, server: Server | str, *, token: str = "", retries: Retries | None = None) -> None:
        """Make a client; it connects with its first call.

        Args:
            server: The server, or its address ("host:port", "https://host:port").
            token: Bearer token, where `server` is an address.
            retries: How unavailable servers are tried again.

        Raises:
            ConfigurationError: The address is none, or the token would travel in the clear to another machine.
        """
        if isinstance(server, str):
            parsed = parse_address(server)
            server = Server(address=parsed.address, tls=parsed.tls, token=token)
        self.server_settings = server
        self._channel = open_channel(server)
        caller = Caller(self._channel, address=server.address, token=server.token, retries=retries or Retries())
        self._caller = caller
        self.clusters = AsyncClusters(caller)
        self.units = AsyncUnits(caller)
        self.revisions = AsyncRevisions(caller)
        self.rollouts = AsyncRollouts(caller)
        self.resources = AsyncResources(caller)
        self.works = AsyncWorks(caller)
        self.policies = AsyncPolicies(caller)
        self.placement = AsyncPlacement(caller)
        self.ownership = AsyncOwnership(caller)
        self.holds = AsyncHolds(caller)
        self.automation = AsyncAutomation(caller)
        self.removals = AsyncRemovals(caller)
        self.events = AsyncEvents(caller)
        self.audit = AsyncAudit(caller)
        self.members = AsyncMembers(caller)
        self.zones = AsyncZones(caller)
        self.server = AsyncServerInfo(caller)

    @classmethod
    def from_config(cls, path: Path | str | None = None, *, server: str = "") -> Self:
        """Make a client from a configuration file, by default that of fedctl.

        Args:
            path: The file.
            server: Name of the server in it; empty: the current one.
        """
        return cls(load_config(path).server(server))

    def watch(
        self,
        *kinds: Kind,
        namespace: str = "",
        name: str = "",
        label_selector: str = "",
        resume_token: str = "",
        give_up_seconds: float | None = None,
        on_trouble: Trouble | None = None,
    ) -> AsyncWatch:
        """Follow changes; the watch connects again by itself.

        Args:
            kinds: What to watch.
            namespace: Only of this one.
            name: Only this object; works and events: those of this unit or cluster.
            label_selector: Only what matches; not for works and events.
            resume_token: Go on after this point, from a list or another watch; empty: all that is there comes first.
            give_up_seconds: How long the server may be away before the watch raises; None: for ever.
            on_trouble: Called with the reason when the server is lost, and with None when the watch goes on; it must
                return at once.
        """
        filtered = WatchFilter(kinds=kinds, namespace=namespace, name=name, label_selector=label_selector)
        return AsyncWatch(
            self._caller,
            filtered,
            resume_token=resume_token,
            give_up_seconds=give_up_seconds,
            on_trouble=on_trouble,
        )

    async def close(self) -> None:
        """Close the connection; calls under way are cancelled."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
