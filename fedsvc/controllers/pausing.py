"""Leaving a member alone while it cannot be worked with, and finding out when it can again.

One request without an answer does not make a dead member: the member is asked, once for all that wonder at that moment.
While it is paused no attempts are made and none are counted; its works say why, by one statement.
"""

import asyncio
from functools import partial

from fedsvc.controllers import outcomes
from fedsvc.controllers.backoff import Backoff
from fedsvc.controllers.outcomes import Pause
from fedsvc.controllers.session import MemberSession
from fedsvc.controllers.storing import write
from fedsvc.members.errors import MemberError, MemberStatusError, MemberUnreachableError
from fedsvc.store import works
from fedsvc.store.store import Store

_PROBE_PATH = "/api"  # every credential may read it, and a wrong one is answered 401
_PROBE_TIMEOUT_SECONDS = 3.0


class Pauses:
    """The pauses of one member."""

    def __init__(self, store: Store, session: MemberSession) -> None:
        self._store = store
        self._session = session
        self._lock = asyncio.Lock()
        self._probes = 0  # that were made because somebody asked
        self._answer: Pause | None = None  # of the last of them
        self._begun = asyncio.Event()

    async def concerns(self, error: MemberError) -> bool:
        """Whether the trouble is the member's as a whole; then it is paused from now on."""
        pause = outcomes.pause_of(error)
        if pause is None:
            return False
        if self._session.pause is not None:
            return True
        if isinstance(error, MemberUnreachableError):
            confirmed = await self._ask()
            if confirmed is None:
                return False
            pause = confirmed
        if self._session.pause_for(pause):
            self._begun.set()
        return True

    async def run(self) -> None:
        """Look after pauses until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer.
        """
        settings = self._session.settings
        while True:
            await self._begun.wait()
            self._begun.clear()
            backoff = Backoff(
                f"probe-{self._session.cluster}", first=settings.probe_seconds, maximum=settings.probe_max_seconds
            )
            told: Pause | None = None
            while (pause := self._session.pause) is not None:
                if pause != told:
                    await self._tell(pause)
                    told = pause
                await self._session.retry.wait(timeout_seconds=backoff.next_seconds())
                found = await self._probe()
                if found is None:
                    self._session.resume()
                else:
                    self._session.pause_for(found)

    async def _tell(self, pause: Pause) -> None:
        tell = partial(
            works.mark_unreachable, cluster=self._session.cluster, reason=pause.reason, message=pause.message
        )
        await write(self._store, tell)

    async def _ask(self) -> Pause | None:
        """Probe, once for all that ask while a probe is under way."""
        before = self._probes
        async with self._lock:
            if self._probes == before:
                self._answer = await self._probe()
                self._probes += 1
            return self._answer

    async def _probe(self) -> Pause | None:
        """Ask the member for anything that needs a credential; None: it answers."""
        try:
            answer = await self._session.member.client.probe_get(_PROBE_PATH, timeout_seconds=_PROBE_TIMEOUT_SECONDS)
        except MemberError as error:
            return outcomes.pause_of(error)
        if answer.status == 401:
            refused = MemberStatusError(code=401, reason="Unauthorized", message=f"GET {_PROBE_PATH} answered 401")
            return outcomes.pause_of(refused)
        return None
