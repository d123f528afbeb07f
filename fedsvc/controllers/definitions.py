"""Kinds that a member serves by definitions of ours, known in the moment in which they are established.

Discovery finds any kind, but only when it is asked. A CustomResourceDefinition that fedsvc itself applied is watched
like every managed object, and its condition Established tells when the API server serves what it defines.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from fedsvc.controllers.index import GroupVersionKind
from fedsvc.members.api_table import ApiResource
from fedsvc.rendering.keys import ObjectKey
from fedsvc.rendering.kinds import CRD_GROUP, CRD_KIND
from fedsvc.rendering.status.health import holds, items, part, text


class Definitions:
    """The established definitions of one member. `changed` is called when kinds come or go."""

    def __init__(self, *, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._served: Callable[[GroupVersionKind], None] = lambda _: None
        self._by_name: dict[str, dict[GroupVersionKind, ApiResource]] = {}  # of the definition
        self._waited_for: dict[GroupVersionKind, asyncio.Event] = {}

    def tell_served(self, served: Callable[[GroupVersionKind], None]) -> None:
        """Call `served` with each kind that is served from now on."""
        self._served = served

    def resource(self, gvk: GroupVersionKind) -> ApiResource | None:
        """How a kind is served; None where no established definition of ours says so."""
        return next((found[gvk] for found in self._by_name.values() if gvk in found), None)

    def saw(self, gvk: GroupVersionKind, live: Mapping[str, Any], *, deleted: bool = False) -> None:
        """Take note of an object, if it is a definition."""
        name = text(part(live, "metadata"), "name")
        if (gvk[0], gvk[2]) == (CRD_GROUP, CRD_KIND) and name:
            self._set(name, {} if deleted else defined_by(live))

    def forget(self, key: ObjectKey) -> None:
        """An object is gone, or no longer ours to watch."""
        if key.group_kind == (CRD_GROUP, CRD_KIND):
            self._set(key.name, {})

    async def wait(self, gvk: GroupVersionKind, *, timeout_seconds: float) -> None:
        """Wait until a kind is served, but no longer than so many seconds."""
        event = self._waited_for.setdefault(gvk, asyncio.Event())
        try:
            async with asyncio.timeout(timeout_seconds):
                await event.wait()
        except TimeoutError:
            pass  # whoever waited looks again all the same

    def _set(self, name: str, found: dict[GroupVersionKind, ApiResource]) -> None:
        before = self._by_name.get(name, {})
        if found == before:
            return
        if found:
            self._by_name[name] = found
        else:
            del self._by_name[name]
        self._changed()
        for gvk in found.keys() - before.keys():
            event = self._waited_for.pop(gvk, None)
            if event is not None:
                event.set()
            self._served(gvk)


def defined_by(definition: Mapping[str, Any]) -> dict[GroupVersionKind, ApiResource]:
    """Pure: what a CustomResourceDefinition (apiextensions.k8s.io/v1) makes its API server serve now.

    Nothing before it is established (its names are accepted, and the server serves them) nor while it is being deleted.
    """
    if holds(definition, "Established") is None or part(definition, "metadata").get("deletionTimestamp"):
        return {}
    spec = part(definition, "spec")
    names = part(spec, "names")
    group, kind, plural = text(spec, "group"), text(names, "kind"), text(names, "plural")
    return {
        (group, version, kind): ApiResource(
            group=group, version=version, kind=kind, plural=plural, namespaced=text(spec, "scope") == "Namespaced"
        )
        for entry in items(spec, "versions")
        if entry.get("served") is True and (version := text(entry, "name")) and group and kind and plural
    }
