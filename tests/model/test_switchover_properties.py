"""Random histories of a unit with a primary, its members and fedsvc: never two primaries without somebody's word."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from fedsvc.model.roles import Evidence, Phase, RolePolicy
from fedsvc.rendering.roles import Role
from fedsvc.testing.switchover_model import CLUSTERS, World, play

TOKEN = Evidence(kind="Cluster", name="db", path="status.token")
QUIET = Evidence(kind="Job", name="quiet")
OPEN = Evidence(kind="Job", name="open")
POLICIES = st.sampled_from(
    [
        RolePolicy(),
        RolePolicy(proof=TOKEN, timeout_seconds=20),
        RolePolicy(demote=QUIET, promote=OPEN, prefer=("a", "b"), timeout_seconds=20),
        RolePolicy(demote=QUIET, proof=TOKEN, prefer=("b",), timeout_seconds=20),
    ]
)
SAFE = ["think", "think", "decide", "apply", "apply", "read", "wake", "lose", "find", "heal", "finish", "leave", "hold"]
EVENTS = st.tuples(
    st.sampled_from([*SAFE, "want", "want", "tick"]), st.sampled_from(CLUSTERS), st.integers(min_value=1, max_value=40)
)
HISTORIES = st.lists(EVENTS, max_size=80)
# From a to b, and b is told so and never hears of it: a must not be made primary again before b is no more.
UNHEARD = [
    ("want", "b", 1),
    *[("think", "a", 1), ("decide", "a", 1), ("apply", "a", 1)] * 3,
    *[("think", "a", 1), ("decide", "a", 1), ("lose", "b", 1), ("want", "a", 1), ("think", "a", 1)],
    *[("decide", "a", 1), ("apply", "a", 1)] * 3,
]


def one_primary(world: World) -> None:
    assert len(world.running) <= 1, world
    assert [name for name in CLUSTERS if world.state.role_on(name) is Role.PRIMARY] in ([], [world.state.primary])


@given(policy=POLICIES, events=HISTORIES)
@example(policy=RolePolicy(), events=UNHEARD)
@settings(max_examples=200, deadline=None)
def test_there_are_never_two_primaries_where_nobody_accepts_a_loss(
    policy: RolePolicy, events: list[tuple[str, str, int]]
) -> None:
    play(World(policy=policy), events, one_primary)


@given(policy=POLICIES, events=st.lists(st.one_of(EVENTS, EVENTS.map(lambda one: ("accept", *one[1:]))), max_size=80))
@settings(max_examples=80, deadline=None)
def test_when_the_faults_end_there_is_one_primary_and_every_switchover_is_over_or_says_what_it_waits_for(
    policy: RolePolicy, events: list[tuple[str, str, int]]
) -> None:
    world = World(policy=policy)
    play(world, events, lambda _: None)
    world.settle()
    assert world.running == [world.state.primary], world
    assert world.state.phase is Phase.STEADY
    assert not world.state.undemoted
    assert world.ask is None


@given(policy=POLICIES, events=HISTORIES)
@settings(max_examples=80, deadline=None)
def test_what_waits_says_for_what(policy: RolePolicy, events: list[tuple[str, str, int]]) -> None:
    world = World(policy=policy)
    play(world, events, lambda _: None)
    for _ in range(8):
        before, asked = world.state, world.ask
        world.think()
        if world.state == before and asked is None:
            break
    assert world.state.phase is Phase.STEADY or world.state.message, world


def test_the_judge_finds_two_primaries_where_a_loss_is_accepted() -> None:
    world = World(policy=RolePolicy())
    events = [("lose", "a", 1), ("find", "a", 1), ("accept", "b", 1), *[("think", "a", 1)] * 3, ("decide", "a", 1)]
    play(world, [*events, ("apply", "b", 1)], lambda _: None)
    assert world.running == ["a", "b"]
    assert world.state.undemoted == ("a",)
