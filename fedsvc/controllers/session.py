"""One member as the controllers of this process see it: connection, index of its works, pause, signals."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from functools import partial
from types import TracebackType
from typing import Any

from fedsvc.controllers import metrics
from fedsvc.controllers.definitions import Definitions
from fedsvc.controllers.events import EventRecorder
from fedsvc.controllers.holding import Holds
from fedsvc.controllers.index import GroupVersionKind, Place, WorkIndex
from fedsvc.controllers.outcomes import Pause
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.controllers.wakeups import Signal
from fedsvc.members.api_table import ApiResource
from fedsvc.members.errors import MemberUnreachableError, UnreachableKind
from fedsvc.members.registry import Member
from fedsvc.members.transport import Guard
from fedsvc.model.cluster import Cluster
from fedsvc.model.hold import Write
from fedsvc.model.work import DirtyWork
from fedsvc.rendering.status.rules import Rules


class MemberSession:
    """Shared by the propagator and the collector of one member; nothing in it is shared between members.

    Attributes:
        cluster: name of the member.
        index: what is known of its works.
        definitions: the kinds that it serves by definitions of ours.
        holds: what must not be written now.
        work: set when the propagator has something to do.
        look: whether there may be dirty works that it does not know of.
        kinds: set when the kinds in use change.
        retry: set when there is a reason to look at a paused member at once.
        rules: what is said of the status of kinds of people's own.
    """

    def __init__(
        self,
        cluster: Cluster,
        member: Member,
        *,
        settings: ControllerSettings,
        events: EventRecorder,
        holds: Holds,
        served_changed: Callable[[], None],
    ) -> None:
        self.cluster = cluster.name
        self.settings = settings
        self.events = events
        self.holds = holds
        self.work = Signal()
        self.look = True
        self.kinds = Signal()
        self.retry = Signal()
        self.rules: Rules = {}
        self._relisted: set[tuple[str, str]] = set()  # kinds to be listed anew, as (group, kind)
        self.index = WorkIndex(on_kinds_changed=self.kinds.set)
        self.definitions = Definitions(changed=self._definitions_changed)
        self._served_changed = (
            served_changed  # called when the kinds that the member serves by definitions of ours change
        )
        self._member = member
        self._unread: set[Place] = set()  # to be listed before `_read` is called
        self._read: Callable[[], None] = lambda: None
        self._must_reread = False
        self._mended: Callable[[], None] = lambda: None
        self._pause: Pause | None = None
        self._sure_at = 0.0  # on the loop's clock
        self.doubt()  # who kept the member before us may have been killed in the middle of a write
        self._open = asyncio.Event()
        self._open.set()

    @property
    def subject(self) -> str:
        """Its name in the API."""
        return f"clusters/{self.cluster}"

    @property
    def member(self) -> Member:
        """The connection of now."""
        return self._member

    def renew(self, member: Member) -> None:
        """Use another connection; whatever kept the member paused may be mended by it."""
        if member is self._member:
            return
        self._member = member
        self.retry.set()

    def reread(self, read: Callable[[], None]) -> bool:
        """List all kinds anew and then call `read`: what was seen before may be old.

        Returns:
            Whether there is anything to list; where not, `read` is not called.
        """
        self._unread.clear()
        self._read, self._must_reread = read, bool(self.index.kinds)
        self.kinds.set()
        self.retry.set()
        return self._must_reread

    def take_reread(self, places: Collection[Place]) -> bool:
        """Whether all of `places` are to be listed anew; asked for once, it is no longer so."""
        must, self._must_reread = self._must_reread, False
        if must:
            self._unread = set(places)
            if not places:
                self._read()
        return must

    def judge_by(self, rules: Rules) -> None:
        """Judge by other rules from now on; the kinds for which they differ are listed anew."""
        before, self.rules = self.rules, rules
        self._relisted |= {kind for kind in {*before, *rules} if before.get(kind) != rules.get(kind)}
        self.kinds.set()

    def take_relisted(self, places: Collection[Place]) -> set[Place]:
        """Those of `places` that are to be listed anew; asked for once, they are no longer so."""
        kinds, self._relisted = self._relisted, set()
        return {place for place in places if (place[0][0], place[0][2]) in kinds}

    def read_instead(self, place: Place, places: Collection[Place]) -> None:
        """Instead of one place, these are to be listed, if it was."""
        if place in self._unread:
            self._unread.update(places)
            self.was_read(place)

    def was_read(self, place: Place) -> None:
        """A place is listed and what was seen is stored; or it cannot be listed, or is no longer looked at."""
        if place in self._unread:
            self._unread.discard(place)
            if not self._unread:
                self._read()

    def end(self) -> None:
        """Nothing more is read; whoever waits for it is told."""
        self.take_reread(())
        for place in tuple(self._unread):
            self.was_read(place)

    @property
    def pause(self) -> Pause | None:
        """Why the member is left alone; None while it is not."""
        return self._pause

    def pause_for(self, pause: Pause) -> bool:
        """Leave the member alone from now on; False where it was paused already."""
        first = self._pause is None
        self._pause = pause
        self._open.clear()
        if first:
            metrics.MEMBER_PAUSED.labels(self.cluster).set(1)
            self.events.warning(self.subject, pause.reason, pause.message, cluster=self.cluster)
        return first

    def resume(self) -> None:
        """The member answers again."""
        if self._pause is None:
            return
        self._pause = None
        self._open.set()
        self.doubt()  # what the member had from us when it fell silent it may deal with now
        metrics.MEMBER_PAUSED.labels(self.cluster).set(0)
        self.events.normal(self.subject, "MemberReachable", "the member answers again", cluster=self.cluster)
        self.wake()
        self.kinds.set()

    def doubt(self) -> None:
        """Something that was sent got no answer: it may still arrive."""
        self._sure_at = asyncio.get_running_loop().time() + self.settings.late_write_seconds

    @property
    def doubt_seconds(self) -> float:
        """For so long what was sent without an answer may still arrive; 0: nothing will."""
        return max(0.0, self._sure_at - asyncio.get_running_loop().time())

    def tell_mended(self, mended: Callable[[], None]) -> None:
        """Call `mended` when what kept works back may be mended."""
        self._mended = mended

    def mended(self) -> None:
        """What kept works back may be mended: whatever is found out by acts that have begun already is from before."""
        self._mended()

    def wake(self) -> None:
        """There may be dirty works."""
        self.look = True
        self.work.set()

    async def wait_until_open(self) -> None:
        """Wait while the member is paused."""
        await self._open.wait()

    async def may_write(self, work: DirtyWork, *, deletes: bool = False) -> None:
        """Make sure, directly before a write for a work is sent, that nothing keeps it back.

        Args:
            work: the work.
            deletes: whether the write deletes an object that is wanted, to make it anew.

        Raises:
            WriteHeldError: something does; the work stays dirty and is claimed when that ends.
            StoreUnavailableError: that cannot be found out.
        """
        is_removal = deletes or work.removal is not None
        write = Write(
            cluster=self.cluster,
            unit_name=work.unit_name,
            is_removal=is_removal,
            is_change=is_removal or work.digest != work.applied_digest,
        )
        await self.holds.check(write)

    def guard(self, work: DirtyWork, *, deletes: bool = False) -> Guard:
        """`may_write` for the request itself, to be asked again in the moment in which it is sent."""
        return partial(self.may_write, work, deletes=deletes)

    def _definitions_changed(self) -> None:
        self.member.discovery.invalidate()
        self._served_changed()

    async def resource(self, gvk: GroupVersionKind) -> ApiResource:
        """How the member serves a kind: as a definition of ours says, else as discovery does.

        Raises:
            KindNotServedError: it does not serve it.
            MemberError: it cannot be asked.
        """
        found = self.definitions.resource(gvk) or self.member.discovery.known(*gvk)
        if found is not None:
            return found
        async with self.deadline("discovery"):
            return await self.member.discovery.resource(*gvk)

    def deadline(self, what: str, *, seconds: float | None = None) -> "Deadline":
        """No request within takes longer than `seconds`, or than the settings allow."""
        return Deadline(what, self.settings.request_timeout_seconds if seconds is None else seconds)


class Deadline:
    """What happens within takes no longer than it may. A class: every write enters one, and a generator costs more.

    Raises:
        MemberUnreachableError: it took longer.
    """

    __slots__ = ("_limit_seconds", "_timeout", "_what")

    def __init__(self, what: str, limit_seconds: float) -> None:
        self._what = what
        self._limit_seconds = limit_seconds
        self._timeout = asyncio.timeout(limit_seconds)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        late: BaseException | None = error if isinstance(error, TimeoutError) else None
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError as found:
            late = found
        if late is not None:
            message = f"no answer to {self._what} within {self._limit_seconds:g} s"
            raise MemberUnreachableError(UnreachableKind.TIMEOUT, message) from late


def object_version(live: Mapping[str, Any]) -> int:
    """The resource version of an object as a number, 0 where it is none.

    Comparable by KEP-5504, and in practice ever since etcd holds the objects. It is only used to pass over events that
    are older than our own last apply; were it wrong, an apply too many would follow, which changes nothing.
    """
    text = metadata_of(live).get("resourceVersion")
    return int(text) if isinstance(text, str) and text.isdigit() else 0


def object_uid(live: Mapping[str, Any]) -> str:
    """The uid of an object; empty where it has none."""
    uid = metadata_of(live).get("uid")
    return uid if isinstance(uid, str) else ""


def is_terminating(live: Mapping[str, Any]) -> bool:
    """Whether the object is being deleted."""
    return bool(metadata_of(live).get("deletionTimestamp"))


def metadata_of(live: Mapping[str, Any]) -> Mapping[str, Any]:
    """The metadata of an object, {} where it is not an object."""
    metadata = live.get("metadata")
    return metadata if isinstance(metadata, dict) else {}
