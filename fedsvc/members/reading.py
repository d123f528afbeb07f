"""Reading from a member on demand what is not collected: the pods that units run there, and events of what they have.

Nothing is kept. What is read is reduced page by page, so that a namespace of many pods costs no more than one page.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fedsvc.members.client import MemberClient
from fedsvc.members.errors import MemberStatusError
from fedsvc.rendering.belonging import Belongings, Holding, may_have_pods, owner_kinds, owner_uids
from fedsvc.rendering.member_events import MemberEvent, merged, read_event
from fedsvc.rendering.pod_views import PodView, pod_view

MAX_PODS: Final = 4_000
"""Of one member in one answer; more are told of as cut off."""

MAX_EVENTS: Final = 2_000
_MAX_EVENTS_READ: Final = 20_000

# What stands between an object of a unit and its pods, as (apiVersion, kind): the collections that tell their owners.
_BETWEEN: Final = {
    ("apps/v1", "ReplicaSet"): "/apis/apps/v1/namespaces/{namespace}/replicasets",
    ("batch/v1", "Job"): "/apis/batch/v1/namespaces/{namespace}/jobs",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPod:
    """A pod, and the object of a unit that runs it."""

    view: PodView
    owner: Holding | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundEvent:
    """An event, and the object of a unit that it is of, or of what that owns."""

    event: MemberEvent
    owner: Holding | None


async def read_pods(
    client: MemberClient, holdings: Iterable[Holding], *, namespace: str = ""
) -> tuple[list[FoundPod], bool]:
    """The pods that the objects of units run, or all of a `namespace`; and whether some were cut off.

    Raises:
        MemberError: the member does not answer, or refuses it.
    """
    holdings = list(holdings)
    belongings = Belongings.of(holdings)
    places = {namespace} if namespace else _places(holdings)
    found: list[FoundPod] = []
    cut = False
    for place in sorted(places):
        views: list[tuple[PodView, tuple[str, ...]]] = []
        between: set[tuple[str, str]] = set()
        async for live in _items(client, f"/api/v1/namespaces/{place}/pods"):
            if len(views) == MAX_PODS:
                cut = True
                break
            views.append((pod_view(live), owner_uids(live)))
            belongings.saw(live)
            if not all(belongings.is_known(uid) for uid in owner_uids(live)):
                between |= owner_kinds(live)
        await _look_between(client, place, between, belongings)
        for view, _ in views:
            owner = belongings.root_of(view.uid) or belongings.of_place("Pod", view.namespace, view.name)
            if owner is not None or namespace:
                found.append(FoundPod(view=view, owner=owner))
    found.sort(key=lambda pod: (pod.view.namespace, pod.view.name))
    return found[:MAX_PODS], cut or len(found) > MAX_PODS


async def read_events(
    client: MemberClient, holdings: Iterable[Holding], *, namespace: str = ""
) -> tuple[list[FoundEvent], bool]:
    """Events of the objects of units and of what these own, or all of a `namespace`; and whether some were cut off.

    Raises:
        MemberError: the member does not answer, or refuses it.
    """
    holdings = list(holdings)
    belongings = Belongings.of(holdings)
    places = {namespace} if namespace else {holding.key.namespace or "default" for holding in holdings}
    with_pods = {namespace} if namespace else _places(holdings)
    found: list[MemberEvent] = []
    read = 0
    for place in sorted(places):
        if read >= _MAX_EVENTS_READ:
            break
        if place in with_pods:
            async for live in _items(client, f"/api/v1/namespaces/{place}/pods", metadata_only=True):
                belongings.saw(live)
            await _look_between(client, place, set(_BETWEEN), belongings)
        async for live in _items(client, f"/api/v1/namespaces/{place}/events"):
            read += 1
            event = read_event(live)
            if namespace or _owner(belongings, event) is not None:
                found.append(event)
            if read >= _MAX_EVENTS_READ:
                break
    events = [FoundEvent(event=event, owner=_owner(belongings, event)) for event in merged(found)]
    return events[:MAX_EVENTS], read >= _MAX_EVENTS_READ or len(events) > MAX_EVENTS


def _owner(belongings: Belongings, event: MemberEvent) -> Holding | None:
    if event.uid and (found := belongings.root_of(event.uid)) is not None:
        return found
    return belongings.of_place(event.kind, event.namespace, event.name)


def _places(holdings: Iterable[Holding]) -> set[str]:
    """The namespaces in which objects may run pods."""
    return {holding.key.namespace or "default" for holding in holdings if may_have_pods(holding.key)}


async def _look_between(
    client: MemberClient, namespace: str, kinds: set[tuple[str, str]], belongings: Belongings
) -> None:
    """Learn who owns the owners of pods, where these are not of a unit themselves."""
    for kind in sorted(kinds & _BETWEEN.keys()):
        try:
            async for live in _items(client, _BETWEEN[kind].format(namespace=namespace), metadata_only=True):
                belongings.saw(live)
        except MemberStatusError as error:
            if error.code != 404:  # a member that does not serve the kind has none between
                raise


async def _items(client: MemberClient, path: str, *, metadata_only: bool = False) -> AsyncIterator[Mapping[str, Any]]:
    async for page in client.list_pages(path, metadata_only=metadata_only):
        items = page.get("items")
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict):
                yield item
