"""Writes statuses into one member: the conditions of exports, and where imports come from (KEP-1645).

These are other objects than works, or another part of them, so they have a field manager of their own, and nothing of
it is drift. What is to be told is found anew from what is seen, so whatever is lost here is told again.
"""

import asyncio
from functools import partial
from typing import Final

import structlog

from fedsvc.controllers.backoff import Backoff
from fedsvc.controllers.holding import WriteHeldError
from fedsvc.controllers.session import MemberSession
from fedsvc.controllers.wakeups import Signal
from fedsvc.members.errors import MemberError, MemberStatusError
from fedsvc.model.hold import Write
from fedsvc.model.service_import import import_unit_name
from fedsvc.naming.importing import StatusWrite, status_body
from fedsvc.rendering.canonical import canonical_json
from fedsvc.rendering.marks import FIELD_MANAGER
from fedsvc.store.units import resource_name
from fedsvc_dns.planner.clusterset import GROUP, VERSION

_log = structlog.get_logger(__name__)

STATUS_MANAGER: Final = f"{FIELD_MANAGER}-status"
_HELD_SECONDS: Final = 5.0


class Telling:
    """The statuses that one member is to be given."""

    def __init__(self, session: MemberSession) -> None:
        self._session = session
        self._statuses: tuple[StatusWrite, ...] = ()
        self._signal = Signal()

    def tell(self, statuses: tuple[StatusWrite, ...]) -> None:
        """These are to be told from now on."""
        if statuses != self._statuses:
            self._statuses = statuses
            self._signal.set()

    async def run(self) -> None:
        """Tell until cancelled."""
        settings = self._session.settings
        backoff = Backoff(
            f"statuses-{self._session.cluster}",
            first=settings.watch_retry_seconds,
            maximum=settings.watch_retry_max_seconds,
        )
        while True:
            await self._signal.wait()
            await self._session.wait_until_open()
            try:
                for one in self._statuses:
                    await self._write(one)
            except WriteHeldError:
                await asyncio.sleep(_HELD_SECONDS)
                self._signal.set()
            except MemberError as error:
                wait = backoff.next_seconds()
                _log.info("status_not_told", cluster=self._session.cluster, error=str(error), retry_seconds=wait)
                await asyncio.sleep(wait)
                self._signal.set()
            else:
                backoff.reset()

    async def _write(self, one: StatusWrite) -> None:
        resource = await self._session.resource((GROUP, VERSION, one.kind))
        unit = resource_name(one.namespace, import_unit_name(one.name))
        write = Write(cluster=self._session.cluster, unit_name=unit, is_removal=False, is_change=True)
        guard = partial(self._session.holds.check, write)
        await guard()
        path = f"{resource.path(namespace=one.namespace, name=one.name)}/status"
        body = status_body(one, resource.version)
        try:
            await self._session.member.client.apply(
                path, canonical_json(body), force=True, field_manager=STATUS_MANAGER, uid=one.uid, guard=guard
            )
        except MemberStatusError as error:
            if error.code not in (404, 409):  # it is gone, or another one by now: what is seen then tells
                raise
