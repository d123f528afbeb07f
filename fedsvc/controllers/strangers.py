"""Objects of one member that carry fedsvc's mark and are no work of it: left alone, and told of when they stay so."""

import asyncio
from typing import Any, Final

from fedsvc.controllers.index import GroupVersionKind, Identity
from fedsvc.controllers.session import MemberSession
from fedsvc.rendering.marks import owner_of

_MAX: Final = 1_000  # objects that are told of, per life of the collector


class Strangers:
    """What is seen without a work to it.

    A member that is joined again is listed before anything is decided for it, so its objects find their works a moment
    later: only what has none still is told of.
    """

    def __init__(self, session: MemberSession) -> None:
        self._session = session
        self._told: set[Identity] = set()
        self._waiting: dict[Identity, str] = {}
        self._some = asyncio.Event()

    def saw(self, gvk: GroupVersionKind, live: dict[str, Any], *, deleted: bool) -> None:
        """Take note of an object of a list or an event that has no work."""
        metadata, owner = live.get("metadata"), owner_of(live)
        if not isinstance(metadata, dict) or owner is None:
            return
        identity = (gvk[0], gvk[2], str(metadata.get("namespace") or ""), str(metadata.get("name") or ""))
        if deleted:
            self._waiting.pop(identity, None)
        elif identity not in self._told and len(self._told) + len(self._waiting) < _MAX:
            what = f"{gvk[2]} {identity[2]}/{identity[3]}".replace(" /", " ")
            self._waiting[identity] = (
                f"{what} carries fedsvc's mark for unit {owner.unit_namespace}/{owner.unit_name}, but is no work of "
                "this fedsvc: it is left alone"
            )
            self._some.set()

    async def run(self) -> None:
        """Tell of them until cancelled."""
        while True:
            await self._some.wait()
            self._some.clear()
            seen = list(self._waiting)
            await asyncio.sleep(self._session.settings.stranger_seconds)
            for identity in seen:
                message = self._waiting.pop(identity, None)
                if message is not None and self._session.index.of_object(identity) is None:
                    self._told.add(identity)
                    self._session.events.warning(
                        self._session.subject, "UnknownObject", message, cluster=self._session.cluster
                    )
