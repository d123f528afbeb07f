"""The blocking client: every method of the asynchronous one, run on an event loop in a thread of its own.

Nothing is written twice: `wait(AsyncUnits.get)` is that method with the same parameters and result, only that it waits.
One loop serves all blocking clients of a process, because grpc wants no more than one.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

from fedsvc_client._automation import AsyncAutomation
from fedsvc_client._calls import Retries
from fedsvc_client._client import AsyncClient
from fedsvc_client._clusters import AsyncClusters
from fedsvc_client._config import Server, load_config
from fedsvc_client._holds import AsyncHolds
from fedsvc_client._members import AsyncMembers
from fedsvc_client._ownership import AsyncOwnership
from fedsvc_client._placement import AsyncPlacement
from fedsvc_client._policies import AsyncPolicies
from fedsvc_client._readers import AsyncAudit, AsyncEvents, AsyncResources, AsyncServerInfo, AsyncWorks
from fedsvc_client._removals import AsyncRemovals
from fedsvc_client._rollouts import AsyncRevisions, AsyncRollouts
from fedsvc_client._units import AsyncUnits
from fedsvc_client._watch import AsyncWatch, Kind, Trouble, WatchItem
from fedsvc_client._zones import AsyncZones

P = ParamSpec("P")
R = TypeVar("R")


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """Start the one loop; its thread is a daemon, so that it never keeps a process alive."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="fedsvc-client", daemon=True).start()
    return loop


def _run(work: Coroutine[Any, Any, R]) -> R:
    """Run a coroutine on the loop and wait for it; an interrupt (Ctrl-C) cancels it."""
    future = asyncio.run_coroutine_threadsafe(work, _loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


class _Facade:
    """A blocking view of an asynchronous sub-client."""

    def __init__(self, inner: object) -> None:
        self.inner = inner


class wait(Generic[P, R]):  # noqa: N801 - it is used like a function, in place of `def`
    """A blocking method, made of an asynchronous one."""

    def __init__(self, method: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    def __get__(self, instance: _Facade, owner: type[_Facade]) -> Callable[P, R]:
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return _run(self._method(instance.inner, *args, **kwargs))

        return call


class each(Generic[P, R]):  # noqa: N801 - it is used like a function, in place of `def`
    """A method that returns an iterator, made of one that returns an asynchronous iterator."""

    def __init__(self, method: Callable[Concatenate[Any, P], AsyncIterator[R]]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    def __get__(self, instance: _Facade, owner: type[_Facade]) -> Callable[P, Iterator[R]]:
        def call(*args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
            items = self._method(instance.inner, *args, **kwargs)
            try:
                while True:
                    try:
                        item = _run(_next(items))
                    except StopAsyncIteration:
                        return
                    yield item
            finally:  # whoever stops half-way ends the call with it
                if isinstance(items, AsyncGenerator):
                    _run(_close(items))

        return call


async def _next(items: AsyncIterator[R]) -> R:
    return await anext(items)


async def _close(items: AsyncGenerator[Any, None]) -> None:
    await items.aclose()


class Clusters(_Facade):
    """The registered member clusters."""

    create = wait(AsyncClusters.create)
    get = wait(AsyncClusters.get)
    list_page = wait(AsyncClusters.list_page)
    list = each(AsyncClusters.list)
    update = wait(AsyncClusters.update)
    delete = wait(AsyncClusters.delete)


class Units(_Facade):
    """The federated units of work."""

    apply = wait(AsyncUnits.apply)
    get = wait(AsyncUnits.get)
    list_page = wait(AsyncUnits.list_page)
    list = each(AsyncUnits.list)
    status = wait(AsyncUnits.status)
    delete = wait(AsyncUnits.delete)
    wait_for = wait(AsyncUnits.wait_for)


class Revisions(_Facade):
    """What units were."""

    list_page = wait(AsyncRevisions.list_page)
    list = each(AsyncRevisions.list)
    get = wait(AsyncRevisions.get)
    roll_back = wait(AsyncRevisions.roll_back)


class Rollouts(_Facade):
    """The newest revisions of units on their way over the clusters."""

    get = wait(AsyncRollouts.get)
    pause = wait(AsyncRollouts.pause)
    resume = wait(AsyncRollouts.resume)
    abort = wait(AsyncRollouts.abort)
    approve = wait(AsyncRollouts.approve)
    retry = wait(AsyncRollouts.retry)
    follow = wait(AsyncRollouts.follow)


class Resources(_Facade):
    """The Kubernetes objects that units are made of."""

    get = wait(AsyncResources.get)
    list_page = wait(AsyncResources.list_page)
    list = each(AsyncResources.list)


class Works(_Facade):
    """What each cluster shall hold of each resource, and what it said of it."""

    list_page = wait(AsyncWorks.list_page)
    list = each(AsyncWorks.list)


class Policies(_Facade):
    """The placement and override policies, shared by units."""

    apply_placement = wait(AsyncPolicies.apply_placement)
    get_placement = wait(AsyncPolicies.get_placement)
    list_placements_page = wait(AsyncPolicies.list_placements_page)
    list_placements = each(AsyncPolicies.list_placements)
    delete_placement = wait(AsyncPolicies.delete_placement)
    apply_override = wait(AsyncPolicies.apply_override)
    get_override = wait(AsyncPolicies.get_override)
    list_overrides_page = wait(AsyncPolicies.list_overrides_page)
    list_overrides = each(AsyncPolicies.list_overrides)
    delete_override = wait(AsyncPolicies.delete_override)
    apply_status = wait(AsyncPolicies.apply_status)
    get_status = wait(AsyncPolicies.get_status)
    list_statuses_page = wait(AsyncPolicies.list_statuses_page)
    list_statuses = each(AsyncPolicies.list_statuses)
    delete_status = wait(AsyncPolicies.delete_status)


class Placement(_Facade):
    """Why units are where they are, and what would be."""

    explain = wait(AsyncPlacement.explain)
    list_decisions_page = wait(AsyncPlacement.list_decisions_page)
    list_decisions = each(AsyncPlacement.list_decisions)
    simulate = wait(AsyncPlacement.simulate)
    rebalance = wait(AsyncPlacement.rebalance)
    fleet_settings = wait(AsyncPlacement.fleet_settings)
    update_fleet_settings = wait(AsyncPlacement.update_fleet_settings)


class Ownership(_Facade):
    """Whose objects in members are."""

    diff = wait(AsyncOwnership.diff)
    read_objects = wait(AsyncOwnership.read_objects)
    hand_over = wait(AsyncOwnership.hand_over)
    release = wait(AsyncOwnership.release)
    confirm_recreation = wait(AsyncOwnership.confirm_recreation)


class Holds(_Facade):
    """What is not written to members now."""

    pause = wait(AsyncHolds.pause)
    resume = wait(AsyncHolds.resume)
    thaw = wait(AsyncHolds.thaw)
    list = wait(AsyncHolds.list)


class Automation(_Facade):
    """What is done about lost clusters."""

    get = wait(AsyncAutomation.get)
    release = wait(AsyncAutomation.release)
    list_page = wait(AsyncAutomation.list_page)
    failovers = each(AsyncAutomation.failovers)
    pending_moves = each(AsyncAutomation.pending_moves)
    fail_over = wait(AsyncAutomation.fail_over)
    fail_back = wait(AsyncAutomation.fail_back)
    drain = wait(AsyncAutomation.drain)
    start_drill = wait(AsyncAutomation.start_drill)
    stop_drill = wait(AsyncAutomation.stop_drill)
    drill = wait(AsyncAutomation.drill)
    drills = each(AsyncAutomation.drills)


class Zones(_Facade):
    """DNS zones, and what they hold."""

    apply = wait(AsyncZones.apply)
    get = wait(AsyncZones.get)
    list_page = wait(AsyncZones.list_page)
    list = each(AsyncZones.list)
    delete = wait(AsyncZones.delete)
    confirm = wait(AsyncZones.confirm)
    record_sets_page = wait(AsyncZones.record_sets_page)
    record_sets = each(AsyncZones.record_sets)
    verify = wait(AsyncZones.verify)
    plan = wait(AsyncZones.plan)
    explain = wait(AsyncZones.explain)


class Removals(_Facade):
    """Removals that are held until somebody confirms them."""

    confirm = wait(AsyncRemovals.confirm)


class Events(_Facade):
    """What happened."""

    list_page = wait(AsyncEvents.list_page)
    list = each(AsyncEvents.list)


class Audit(_Facade):
    """What automation did and refused, and what people asked of it."""

    list_page = wait(AsyncAudit.list_page)
    list = each(AsyncAudit.list)


class Members(_Facade):
    """What members say when they are asked."""

    pods = each(AsyncMembers.pods)
    events = each(AsyncMembers.events)
    logs = each(AsyncMembers.logs)


class ServerInfo(_Facade):
    """The server itself."""

    info = wait(AsyncServerInfo.info)


class Watch:
    """One watch: an iterator, to be used with `with` or closed with `close`."""

    def __init__(self, inner: AsyncWatch) -> None:
        self._inner = inner

    @property
    def resume_token(self) -> str:
        """Point after all that was handed out, to go on from in another watch; empty before the first `Synced`."""
        return self._inner.resume_token

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> WatchItem:
        return _run(_next(self._inner))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the stream."""
        _run(self._inner.aclose())


class Client:
    """A blocking client; safe to be shared by threads.

        with Client.from_config() as client:
            for unit in client.units.list(namespace="shop"):
                print(unit.name)

    It behaves as `AsyncClient` does, whose methods it has.
    """

    def __init__(self, server: Server | str, *, token: str = "", retries: Retries | None = None) -> None:
        """Make a client; see `AsyncClient`."""
        inner = _run(_make(server, token, retries))
        self._inner = inner
        self.server_settings = inner.server_settings
        self.clusters = Clusters(inner.clusters)
        self.units = Units(inner.units)
        self.revisions = Revisions(inner.revisions)
        self.rollouts = Rollouts(inner.rollouts)
        self.resources = Resources(inner.resources)
        self.works = Works(inner.works)
        self.policies = Policies(inner.policies)
        self.placement = Placement(inner.placement)
        self.ownership = Ownership(inner.ownership)
        self.holds = Holds(inner.holds)
        self.automation = Automation(inner.automation)
        self.removals = Removals(inner.removals)
        self.events = Events(inner.events)
        self.audit = Audit(inner.audit)
        self.members = Members(inner.members)
        self.zones = Zones(inner.zones)
        self.server = ServerInfo(inner.server)

    @classmethod
    def from_config(cls, path: Path | str | None = None, *, server: str = "") -> Self:
        """Make a client from a configuration file; see `AsyncClient.from_config`."""
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
    ) -> Watch:
        """Follow changes; see `AsyncClient.watch`. `on_trouble` is called from a thread of the client."""
        return Watch(
            self._inner.watch(
                *kinds,
                namespace=namespace,
                name=name,
                label_selector=label_selector,
                resume_token=resume_token,
                give_up_seconds=give_up_seconds,
                on_trouble=on_trouble,
            )
        )

    def close(self) -> None:
        """Close the connection; calls under way are cancelled."""
        _run(self._inner.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


async def _make(server: Server | str, token: str, retries: Retries | None) -> AsyncClient:
    return AsyncClient(server, token=token, retries=retries)  # on the loop, to which grpc ties a channel
