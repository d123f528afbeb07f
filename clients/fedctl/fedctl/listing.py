"""Reading objects of any kind: lists with the token to watch from, one by its name, and which table shows them."""

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from google.protobuf.message import Message

from fedctl import kinds
from fedctl.failures import Exit, Failure
from fedctl.files.shape import FLEET_NAME
from fedctl.kinds import Kind
from fedctl.output import dns_views, placement_views, views
from fedctl.output.tables import Table
from fedctl.output.words import namespace_id
from fedsvc_client import Client, NotFoundError, split_unit_name, unit_name
from fedsvc_client import Kind as WatchKind
from fedsvc_client.names import last_part

_PAGE_SIZE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What to read of a kind."""

    namespace: str = ""  # empty: all
    selector: str = ""
    unit: str = ""  # name of a unit: resources, works and events of it
    cluster: str = ""  # id of a cluster: works and events of it
    only_trouble: bool = False

    @property
    def parent(self) -> str:
        """Whose resources and works: of one unit, of a namespace, or of all."""
        return self.unit or f"namespaces/{self.namespace or '-'}/units/-"

    @property
    def subject(self) -> str:
        """What the events are of; empty: anything."""
        return self.unit or (f"clusters/{self.cluster}" if self.cluster else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlyPage:
    """The one page of a kind that has no more and cannot be watched."""

    next_page_token: str = ""
    resume_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What is there now, and where a watch goes on without a gap."""

    rows: list[Message]
    resume_token: str


class Page(Protocol):
    """What every page of a list tells beside its objects."""

    @property
    def next_page_token(self) -> str:
        """Empty at the end."""

    @property
    def resume_token(self) -> str:
        """Where a watch goes on."""


TABLES: dict[Kind, Callable[[], Table[Any]]] = {
    kinds.CLUSTER: views.clusters,
    kinds.UNIT: views.units,
    kinds.RESOURCE: views.resources,
    kinds.WORK: views.works,
    kinds.PLACEMENT_POLICY: views.placement_policies,
    kinds.OVERRIDE_POLICY: views.override_policies,
    kinds.STATUS_POLICY: views.status_policies,
    kinds.FLEET_SETTINGS: placement_views.fleet_settings,
    kinds.ZONE: dns_views.zones,
    kinds.HOLD: views.holds,
    kinds.REMOVAL: views.removals,
    kinds.EVENT: views.events,
}

WATCHED: dict[Kind, WatchKind] = {
    kinds.CLUSTER: WatchKind.CLUSTER,
    kinds.UNIT: WatchKind.UNIT,
    kinds.WORK: WatchKind.WORK,
    kinds.PLACEMENT_POLICY: WatchKind.PLACEMENT_POLICY,
    kinds.OVERRIDE_POLICY: WatchKind.OVERRIDE_POLICY,
    kinds.STATUS_POLICY: WatchKind.STATUS_POLICY,
    kinds.EVENT: WatchKind.EVENT,
    kinds.ZONE: WatchKind.ZONE,
}


def _clusters(client: Client, wanted: Filter, token: str) -> tuple[Page, Iterable[Message]]:
    page = client.clusters.list_page(label_selector=wanted.selector, page_size=_PAGE_SIZE, page_token=token)
    return page, page.clusters


def _units(client: Client, wanted: Filter, token: str) -> tuple[Page, Iterable[Message]]:
    page = client.units.list_page(
        namespace=wanted.namespace or "-", label_selector=wanted.selector, page_size=_PAGE_SIZE, page_token=token
    )
    return page, page.units


def _resources(client: Client, wanted: Filter, token: str) -> tuple[Page, Iterable[Message]]:
    page = client.resources.list_page(parent=wanted.parent, page_size=_PAGE_SIZE, page_token=token)
    return page, page.resources


def _works(client: Client, wanted: Filter, token: str) -> tuple[Page, Iterable[Message]]:
    page = client.works.list_page(
        parent=wanted.parent,
        cluster=wanted.cluster,
        only_trouble=wanted.only_trouble,
        page_size=_PAGE_SIZE,
        page_token=token,
    )
    return page, page.works


def _placement_policies(client: Client, _: Filter, token: str) -> tuple[Page, Iterable[Message]]:
    page = client.policies.list_placements_page(page_size=_PAGE_SIZE, page_token=token)
    return page, page.placement_policies


def _override_policies(client: Client, _: Filter, token: str) -> tuple[Page, Iterable[Message]]:
    page = client.policies.list_overrides_page(page_size=_PAGE_SIZE, page_token=token)
    return page, page.override_policies


def _status_policies(client: Client, _: Filter, token: str) -> tuple[Page, Iterable[Message]]:
    page = client.policies.list_statuses_page(page_size=_PAGE_SIZE, page_token=token)
    return page, page.status_policies


def _fleet_settings(client: Client, _wanted: Filter, _token: str) -> tuple[Page, Iterable[Message]]:
    return OnlyPage(), [client.placement.fleet_settings()]


def _zones(client: Client, _wanted: Filter, token: str) -> tuple[Page, Iterable[Message]]:
    page = client.zones.list_page(page_size=_PAGE_SIZE, page_token=token)
    return page, page.zones


def _removals(client: Client, wanted: Filter, token: str) -> tuple[Page, Iterable[Message]]:
    page = client.works.list_page(
        parent=wanted.parent, cluster=wanted.cluster, only_removals=True, page_size=_PAGE_SIZE, page_token=token
    )
    return page, page.works


def _holds(client: Client, wanted: Filter, _token: str) -> tuple[Page, Iterable[Message]]:
    return OnlyPage(), client.holds.list(wanted.subject)


def _events(client: Client, wanted: Filter, token: str) -> tuple[Page, Iterable[Message]]:
    # What a subject tells of is in no other namespace, and a cluster is in none.
    space = "" if wanted.subject else wanted.namespace
    page = client.events.list_page(subject=wanted.subject, namespace=space, page_size=_PAGE_SIZE, page_token=token)
    return page, page.events


_PAGES: dict[Kind, Callable[[Client, Filter, str], tuple[Page, Iterable[Message]]]] = {
    kinds.CLUSTER: _clusters,
    kinds.UNIT: _units,
    kinds.RESOURCE: _resources,
    kinds.WORK: _works,
    kinds.PLACEMENT_POLICY: _placement_policies,
    kinds.OVERRIDE_POLICY: _override_policies,
    kinds.STATUS_POLICY: _status_policies,
    kinds.FLEET_SETTINGS: _fleet_settings,
    kinds.ZONE: _zones,
    kinds.HOLD: _holds,
    kinds.REMOVAL: _removals,
    kinds.EVENT: _events,
}


def read_list(client: Client, kind: Kind, wanted: Filter) -> Listing:
    """Read all objects of a kind that match, page by page; changes since the first come with a watch from its token."""
    fetch = _PAGES[kind]
    page, items = fetch(client, wanted, "")
    token, rows = page.resume_token, list(items)
    while page.next_page_token:
        page, items = fetch(client, wanted, page.next_page_token)
        rows.extend(items)
    return Listing(rows=rows, resume_token=token)


def read_one(client: Client, kind: Kind, name: str, *, namespace: str) -> Message:
    """Read one object by its name.

    Raises:
        Failure: There is none; the message tells names that are near, and other namespaces that have it.
    """
    try:
        match kind:
            case kinds.CLUSTER:
                return client.clusters.get(name)
            case kinds.UNIT:
                return client.units.get(unit_name(name, namespace))
            case kinds.PLACEMENT_POLICY | kinds.OVERRIDE_POLICY | kinds.STATUS_POLICY:
                return _policy(client, kind, name)
            case kinds.ZONE:
                return client.zones.get(name)
            case kinds.FLEET_SETTINGS if name == FLEET_NAME:
                return client.placement.fleet_settings()
            case _:
                return _search(client, kind, name, namespace)
    except NotFoundError as error:
        raise missing(client, kind, name, namespace=namespace) from error


def _policy(client: Client, kind: Kind, name: str) -> Message:
    if kind == kinds.PLACEMENT_POLICY:
        return client.policies.get_placement(name)
    return client.policies.get_override(name) if kind == kinds.OVERRIDE_POLICY else client.policies.get_status(name)


def _search(client: Client, kind: Kind, name: str, namespace: str) -> Message:
    """Find a resource, work or event, which the API does not give by what people know of it."""
    # Works and events are numbered over all namespaces; objects of one name can be in several.
    space = namespace if kind == kinds.RESOURCE else ""
    rows = read_list(client, kind, Filter(namespace=space)).rows
    found = [row for row in rows if name in _names(kind, row)]
    if not found:
        raise NotFoundError(f"there is no {kind.singular} {name!r}")
    if len(found) > 1:
        if kind == kinds.HOLD:
            raise Failure(f"there are {len(found)} holds of {name}: `fedctl get holds -o yaml` shows them")
        shown = ", ".join(str(getattr(row, "name", "")) for row in found[:5])
        raise Failure(f"{kind.singular} {name!r} is not the only one; take one of: {shown}")
    if kind == kinds.RESOURCE:
        return client.resources.get(str(getattr(found[0], "name", ""))).resource
    return found[0]


def _names(kind: Kind, row: Any) -> tuple[str, ...]:
    """Return the names by which a resource, work, hold or event can be called."""
    if kind == kinds.HOLD:
        return (row.subject, views.subject_text(row.subject))
    own = (row.name, last_part(row.name))
    return (*own, row.ref.name, f"{row.ref.kind}/{row.ref.name}") if kind == kinds.RESOURCE else own


def missing(client: Client, kind: Kind, name: str, *, namespace: str) -> Failure:
    """Make the message for an object that is not there."""
    shown = f"{kind.singular} {name!r}"
    rows = read_list(client, kind, Filter()).rows if kind in TABLES else []
    if kind == kinds.UNIT:
        wanted_namespace, wanted = split_unit_name(unit_name(name, namespace))
        shown = f"unit {wanted!r} in namespace {wanted_namespace!r}"
        pairs = [split_unit_name(str(getattr(row, "name", ""))) for row in rows]
        elsewhere = [space for space, unit in pairs if unit == wanted]
        if elsewhere:
            hint = "\n".join(f"There is one in namespace {space!r}: use  -n {space}" for space in elsewhere[:5])
            return Failure(f"there is no {shown}", code=Exit.NOT_FOUND, hint=hint)
        known = sorted({unit if space == wanted_namespace else f"{space}/{unit}" for space, unit in pairs})
        name = wanted
    elif kind in (kinds.CLUSTER, kinds.ZONE, *kinds.POLICIES):
        known = sorted(last_part(str(getattr(row, "name", ""))) for row in rows)
    else:
        known = [FLEET_NAME] if kind == kinds.FLEET_SETTINGS else []
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    hint = f"Did you mean {' or '.join(near)}?" if near else _there_are(kind, known)
    return Failure(f"there is no {shown}", code=Exit.NOT_FOUND, hint=hint)


def _there_are(kind: Kind, known: Sequence[str]) -> str:
    if not known and kind in (
        kinds.RESOURCE,
        kinds.WORK,
        kinds.REMOVAL,
        kinds.HOLD,
        kinds.EVENT,
    ):  # not known by a name of its own
        return f"`fedctl get {kind.plural} -A` lists them"
    if not known:
        return f"There are no {kind.plural} at all."
    more = f" and {len(known) - 10} more" if len(known) > 10 else ""
    return f"There are: {', '.join(known[:10])}{more}"


def is_in(row: Any, namespace: str) -> bool:
    """Tell whether an object lies in a namespace; empty: any."""
    return not namespace or namespace_id(getattr(row, "unit", "") or row.name) == namespace
