"""Pure: whose a zone is, told from its marks before anything is written to it."""

from dataclasses import dataclass

from fedsvc_dns.providers import marks
from fedsvc_dns.providers.contract import (
    ChangeSet,
    Mode,
    ReadOnlyZoneError,
    StaleWriterError,
    ZoneContent,
    ZoneNotOursError,
)
from fedsvc_dns.providers.judging import Holder, Ownership
from fedsvc_dns.providers.marks import ForeignMarks, State
from fedsvc_dns.records import normal_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Which zone somebody keeps, and as what.

    Attributes:
        origin: of the zone.
        owner: this installation of fedsvc.
        ownership: whether the zone is ours whole, or only the record sets that we mark.
        mode: what may be done to it.
        foreign_marks: how others mark names in it.
        take_over: owners of other installations of fedsvc, whose marks become ours as they are written.
    """

    origin: str
    owner: str
    ownership: Ownership = Ownership.ZONE
    mode: Mode = Mode.WRITE
    foreign_marks: ForeignMarks = marks.NO_AFFIXES
    take_over: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: the origin or owner is not fit.
        """
        if normal_name(self.origin) != self.origin:
            raise ValueError(f"origin {self.origin!r}: write it {normal_name(self.origin)!r}")
        marks.check_owner(self.owner)

    @property
    def mark(self) -> str:
        """The name of the mark that has the fence of the last writer."""
        if self.ownership is Ownership.ZONE:
            return marks.zone_mark(self.origin)
        return marks.records_mark(self.origin, self.owner)

    @property
    def holder(self) -> Holder:
        """Who asks, for `judging`."""
        return Holder(
            origin=self.origin,
            owner=self.owner,
            ownership=self.ownership,
            adopts=self.mode is Mode.ADOPT,
            foreign_marks=self.foreign_marks,
            take_over=self.take_over,
        )

    def check_mode(self) -> None:
        """Refuse to write where nothing may be written.

        Raises:
            ReadOnlyZoneError: the mode says so.
        """
        if self.mode is Mode.READ_ONLY:
            raise ReadOnlyZoneError(f"the zone {self.origin} is read only: set its mode to ADOPT or WRITE")

    def checked_state(self, content: ZoneContent, changes: ChangeSet) -> State | None:
        """What our mark says; None: there is none yet.

        Raises:
            ZoneNotOursError: the zone is another's, or holds what nobody has marked and is not adopted.
            StaleWriterError: a newer writer has been here.
        """
        states = marks.zone_states(content.record_sets.values(), self.origin)
        whole = self.ownership is Ownership.ZONE
        for name, state in states.items():
            if not self.holder.owns_as(state.owner) and (whole or name == marks.zone_mark(self.origin)):
                raise ZoneNotOursError(
                    f"{self.origin} is marked at {name} as that of the owner {state.owner}, not of {self.owner};"
                    " if that one is gone, name it in take_over"
                )
        ours = states.get(self.mark)
        if ours is not None and ours.owner == self.owner and ours.fence > changes.fence:
            raise StaleWriterError(
                f"{self.origin} was written by epoch {ours.fence.epoch}, generation {ours.fence.generation}; epoch"
                f" {changes.fence.epoch}, generation {changes.fence.generation} comes too late."
                " If the service was restored from a backup, raise its epoch above that"
            )
        unread = content.record_sets.get((self.mark, "TXT"))
        if unread is not None and (ours is None or unread.values != (ours.value(),)):
            raise ZoneNotOursError(
                f"{self.mark} TXT is not as fedsvc writes it: {', '.join(unread.values)}; remove it, and adopt the zone"
            )
        if ours is None and whole and self.mode is not Mode.ADOPT:
            self._check_empty(content)
        return ours

    def is_written(self, state: State | None, changes: ChangeSet) -> bool:
        """Whether our mark is that of this very plan: then it need not be written where nothing else is."""
        return state is not None and (state.owner, state.fence) == (self.owner, changes.fence)

    def check_last(self, content: ZoneContent, changes: ChangeSet, writer: str) -> None:
        """See to it that nobody wrote after us.

        Raises:
            StaleWriterError: somebody did.
        """
        found = content.record_sets.get((self.mark, "TXT"))
        state = marks.state_of(found.values[0]) if found else None
        if state is None or state.writer != writer:
            seen = "no mark" if state is None else f"epoch {state.fence.epoch}, generation {state.fence.generation}"
            raise StaleWriterError(
                f"{self.origin}: another writer ({seen}) came after epoch {changes.fence.epoch}, generation"
                f" {changes.fence.generation} was written, and may have changed it again"
            )

    def _check_empty(self, content: ZoneContent) -> None:
        held = sorted(name for name, _ in content.record_sets if name != self.origin)
        if held:
            raise ZoneNotOursError(
                f"{self.origin} is nobody's and not empty: it has {held[0]} and {len(held) - 1} more record sets;"
                " adopt it, or own single records in it"
            )
