"""What units are placed on: the fleet as it was last read, and the room that was given away since.

What is given away is stored with the decision: who begins to lead takes over what no reading has seen yet.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from uuid import uuid4

from fedsvc.controllers.learning import stuck_workloads
from fedsvc.controllers.touching import FleetChange, fleet_change
from fedsvc.model.cluster import Cluster
from fedsvc.model.grants import Granted, outstanding, with_grants
from fedsvc.store import automation, clusters, grants, placing
from fedsvc.store.automation import Gate
from fedsvc.store.decisions import PackedFleet, pack_fleet
from fedsvc.store.store import Transaction
from fedsvc_placement import ClusterSnapshot, Fleet, PreparedFleet, prepare_fleet
from fedsvc_placement.model import Spoken


@dataclass(kw_only=True)
class Ground:
    """One preparation of a fleet, to be decided on until it is read anew."""

    fleet: Fleet
    prepared: PreparedFleet
    members: Mapping[str, Cluster]  # by name, as they were then
    automation_version: int  # what automation may act on in it
    id: str = field(default_factory=lambda: str(uuid4()))
    kept_count: int = 0  # entries of what was spoken for on it that are stored

    @cached_property
    def packed(self) -> PackedFleet:
        """As it is kept with decisions; made when the first of them is stored."""
        return pack_fleet(self.fleet)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The fleet as it was read, without grants."""

    fleet: Fleet
    members: Mapping[str, Cluster]  # by name, in their order
    gate: Gate  # what automation may act on


def view_change(before: View, after: View) -> FleetChange:
    """What differs between two views."""
    old, new = before.members, after.members
    others = [name for name in old.keys() | new.keys() if old.get(name) is not new.get(name)]
    stuck_before, stuck = ({name: stuck_workloads(of.get(name)) for name in others} for of in (old, new))
    return fleet_change(before.fleet, after.fleet, stuck_before, stuck)


class Surroundings:
    """The fleet, and what was granted on it."""

    def __init__(self) -> None:
        self.seen: View | None = None  # None: never read
        self._snapshots: dict[str, ClusterSnapshot] = {}
        self._granted: list[Granted] = []
        self._ground: Ground | None = None  # None: to be prepared

    @property
    def view(self) -> View:
        """The fleet as it was last read."""
        assert self.seen is not None, "the fleet is read before anything is decided on it"
        return self.seen

    async def read(self, tx: Transaction, changed: Collection[str] | None) -> None:
        """Read the fleet anew.

        Args:
            tx: the transaction.
            changed: names of the clusters that may be others than before; None: all may be.
        """
        kept: dict[str, Cluster] = {}
        is_first = self.seen is None
        gate = await automation.gate(tx)
        if self.seen is not None and gate != self.seen.gate:
            changed = None
        if changed is None or self.seen is None:
            found = await clusters.list_all(tx)
        else:
            found = await clusters.list_named(tx, changed) if changed else []
            kept = {name: cluster for name, cluster in self.seen.members.items() if name not in changed}
        snapshots = {one.name: one for one in await placing.snapshots_of(tx, found)} if found else {}
        members = {**kept, **{cluster.name: cluster for cluster in found}}
        names = sorted(members)
        self._snapshots = {name: snapshots.get(name) or self._snapshots[name] for name in names}
        self.seen = View(
            fleet=await placing.read_fleet_of(tx, tuple(self._snapshots.values())),
            members={name: members[name] for name in names},
            gate=gate,
        )
        if is_first:
            self._granted = await grants.outstanding(tx)
        rooms = {name: member.room.read_time for name, member in members.items() if member.room is not None}
        self._granted = outstanding(self._granted, rooms)
        self._ground = None

    def granted(self, spoken: Iterable[Spoken], at: datetime) -> None:
        """Take room off the clusters until a reading has seen what runs in it."""
        self._granted.extend(Granted(at=at, spoken=entry) for entry in spoken)

    def ground(self) -> Ground:
        """What the next batch is decided on: the same as before while that is true enough."""
        if self._ground is None:
            fleet = with_grants(self.view.fleet, self._granted)
            version = self.view.gate.version
            self._ground = Ground(
                fleet=fleet, prepared=prepare_fleet(fleet), members=self.view.members, automation_version=version
            )
        return self._ground
