"""A model of a unit with a primary, its members, and two replicas of fedsvc, for random histories of them.

What members run is what was applied there last, whether fedsvc knows it or not; what fedsvc knows is what it was
answered. Steps are made by the real rules. Writes of decisions and steps are guarded by the version of the row.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from fedsvc.model.failback import FailbackPolicy
from fedsvc.model.roles import Ask, Phase, Reading, RolePolicy, Switchover
from fedsvc.model.switchover import Place, Sight, step
from fedsvc.rendering.roles import Role

CLUSTERS = ("a", "b", "c")
BACK = FailbackPolicy(stable_seconds=30)


@dataclass(slots=True, kw_only=True)
class Member:
    """A cluster."""

    runs: Role = Role.REPLICA  # what was applied there last
    shall: Role = Role.REPLICA  # by the newest decision
    knows: Role | None = None  # what fedsvc was answered that it runs; None: not known since the decision
    is_up: bool = True  # it can be reached
    is_lost: bool = False  # fedsvc holds it to be lost
    is_held: bool = False
    demotions: int = 0  # tokens that it gave
    finished: frozenset[str] = frozenset()  # hooks that ran to their end in this step


@dataclass(slots=True, kw_only=True)
class World:
    """All of it."""

    policy: RolePolicy
    now: datetime = datetime(2026, 11, 27, tzinfo=UTC)
    state: Switchover = field(default_factory=lambda: Switchover(primary="a"))
    version: int = 1
    ask: Ask | None = None
    stale: tuple[int, Switchover] | None = None  # what a replica of fedsvc read before it was stopped for a while
    members: dict[str, Member] = field(default_factory=lambda: {name: Member() for name in CLUSTERS})
    wanted: frozenset[str] = frozenset(CLUSTERS)
    is_accepted: bool = False  # somebody accepted a loss at some time

    def __post_init__(self) -> None:
        self.members["a"] = Member(runs=Role.PRIMARY, shall=Role.PRIMARY, knows=Role.PRIMARY)
        for name in ("b", "c"):
            self.members[name].knows = Role.REPLICA

    @property
    def running(self) -> list[str]:
        """The clusters where a primary runs."""
        return [name for name, one in self.members.items() if one.runs is Role.PRIMARY]

    def sight(self) -> Sight:
        """What fedsvc knows."""
        here = self.members[self.state.primary]
        token = Reading(is_there=True, value=f"t{here.demotions}" if here.demotions else None, lacks="a token")
        return Sight(
            places={
                name: Place(
                    cluster=name,
                    role=one.shall,
                    is_applied=one.knows is one.shall,
                    is_healthy=one.knows is one.shall and not one.is_lost,
                    is_heard=one.is_up,
                    is_lost=one.is_lost,
                    is_held=one.is_held,
                    well_since=None if one.is_lost else self.now - timedelta(hours=1),
                )
                for name, one in self.members.items()
            },
            wanted=frozenset(name for name in self.wanted if not self.members[name].is_lost),
            demote=self._hooks("demote", Phase.QUIESCING),
            promote=self._hooks("promote", Phase.FINISHING),
            proof={self.state.primary: token} if self.policy.proof is not None else {},
        )

    def _hooks(self, name: str, phase: Phase) -> dict[str, Reading]:
        if self.state.phase is not phase:
            return {}
        is_over = name in self.members[self.state.primary].finished
        return {self.state.primary: Reading(is_there=True, value="" if is_over else None, lacks=f"{name} to complete")}

    def think(self) -> None:
        """Make a step, of what is stored now."""
        self._put(self.version, self.state, self.ask)

    def read(self) -> None:
        """A replica of fedsvc reads the row, and is stopped before it acts."""
        self.stale = (self.version, self.state)

    def wake(self) -> None:
        """It goes on with what it read."""
        if self.stale is not None:
            self._put(*self.stale, None)

    def _put(self, version: int, state: Switchover, ask: Ask | None) -> None:
        done = step(self.policy, BACK, state, self.sight(), self.now, ask=ask)
        if version != self.version:
            return  # the transaction finds another version, and writes nothing
        if ask is not None and not done.keeps_ask:
            self.ask = None
        if done.state != self.state:
            for one in self.members.values():
                one.finished = frozenset()
            self.state, self.version = done.state, self.version + 1

    def decide(self) -> None:
        """Render for each cluster what it shall hold."""
        for name, one in self.members.items():
            shall = self.state.role_on(name)
            if shall is not one.shall:
                one.shall, one.knows = shall, None

    def apply(self, name: str) -> None:
        """Make a member hold what it shall, where it is reached; what it is answered is known."""
        one = self.members[name]
        if one.is_up and one.knows is not one.shall:
            if one.runs is Role.PRIMARY and one.shall is Role.REPLICA:
                one.demotions += 1
            one.runs = one.knows = one.shall

    def lose(self, name: str) -> None:
        """A member is cut off; what it runs runs on."""
        self.members[name].is_up = False

    def find(self, name: str) -> None:
        """Find out whether a member is lost."""
        self.members[name].is_lost = not self.members[name].is_up

    def heal(self, name: str) -> None:
        """A member is reached again."""
        self.members[name].is_up = True

    def finish(self, name: str) -> None:
        """What runs in a step there comes to its end."""
        if self.members[name].is_up:
            self.members[name].finished = frozenset({"demote", "promote"})

    def leave(self, name: str) -> None:
        """The unit is to leave a cluster, or is let be there again."""
        self.wanted = self.wanted ^ {name} or self.wanted

    def hold(self, name: str) -> None:
        """Automation is held for a cluster, or let go."""
        self.members[name].is_held = not self.members[name].is_held

    def want(self, name: str) -> None:
        """Somebody wants the primary elsewhere."""
        self.ask = Ask(target=name)

    def accept(self, name: str) -> None:
        """Somebody wants the primary elsewhere, whatever is lost."""
        self.ask, self.is_accepted = Ask(target=name, accepts_loss=True), True

    def tick(self, seconds: int) -> None:
        """Time goes by."""
        self.now += timedelta(seconds=seconds)

    def settle(self, rounds: int = 80) -> None:
        """All faults end, and everybody does what there is to do."""
        for one in self.members.values():
            one.is_up, one.is_lost, one.is_held = True, False, False
        self.wanted = frozenset(CLUSTERS)
        for _ in range(rounds):
            self.think()
            self.decide()
            for name in CLUSTERS:
                self.apply(name)
                self.finish(name)
            self.tick(1)


def play(world: World, events: Iterable[tuple[str, str, int]], judge: Callable[[World], None]) -> None:
    """Have events happen, each by name, cluster and seconds, and judge the world after each."""
    for name, cluster, seconds in events:
        match name:
            case "think" | "decide" | "read" | "wake":
                getattr(world, name)()
            case "tick":
                world.tick(seconds)
            case _:
                getattr(world, name)(cluster)
        judge(world)
