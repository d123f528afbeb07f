"""A rollout driven by chance: clusters get well, fail, fall silent, come and go, and the process is restarted."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from fedsvc.rollout import ClusterView, Phase, Rollout, RolloutPolicy, RolloutWave
from fedsvc.rollout.acts import NewRevision, begin
from fedsvc.rollout.holding import revision_for
from fedsvc.rollout.policy import OnFailure, OnSilence
from fedsvc.rollout.step import failures, step
from fedsvc.rollout.waves import plan_waves
from fedsvc.store.codec import from_json, to_json
from fedsvc_placement import ClusterMatcher, ClusterSnapshot

START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = [f"c{number}" for number in range(8)]
STABLE, TARGET = 4, 5


@dataclass(kw_only=True)
class Fleet:
    """Clusters that do as they are told, or not."""

    views: dict[str, ClusterView]
    now: datetime = START
    bad: set[str] = field(default_factory=set)  # get no better with the new revision

    def obey(self, rollout: Rollout) -> None:
        """Placement and propagation: each cluster holds what it shall, and gets well where it can."""
        for name, view in self.views.items():
            if view.silent:
                continue
            revision = revision_for(rollout, rollout.revision, name, held=view.revision)
            is_bad = revision == rollout.revision and name in self.bad and not rollout.phase.goes_back
            self.views[name] = replace(
                view, revision=revision, applied=True, healthy=not is_bad, trouble="it crashes" if is_bad else ""
            )


def fleet(names: list[str]) -> Fleet:
    return Fleet(
        views={
            name: ClusterView(facts=ClusterSnapshot(name=name), revision=STABLE, applied=True, healthy=True)
            for name in names
        }
    )


waves = st.lists(
    st.builds(
        RolloutWave,
        clusters=st.one_of(
            st.just(ClusterMatcher()),
            st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True).map(
                lambda names: ClusterMatcher(names=tuple(names))
            ),
        ),
        percent=st.one_of(st.none(), st.integers(1, 100)),
        soak_seconds=st.one_of(st.none(), st.integers(0, 100)),
    ),
    max_size=4,
).map(tuple)
policies = st.builds(
    RolloutPolicy,
    waves=waves,
    soak_seconds=st.integers(0, 60),
    max_parallel=st.integers(0, 3),
    max_failures=st.integers(0, 2),
    deadline_seconds=st.integers(1, 300),
    on_failure=st.sampled_from(OnFailure),
    on_silence=st.sampled_from(OnSilence),
)
fleets = st.lists(st.sampled_from(NAMES), min_size=1, unique=True).map(fleet)


def first() -> Rollout:
    new = NewRevision(number=TARGET, previous=STABLE, same_as_previous=False, same_as_stable=False, at_once=False)
    rollout = begin(None, new, START)
    assert rollout is not None
    return rollout


def stored(rollout: Rollout) -> Rollout:
    """What a process that was started anew reads."""
    return from_json(Rollout, to_json(Rollout, rollout))


@given(policy=policies, one=fleets)
@settings(max_examples=60, deadline=None)
def test_with_clusters_that_get_well_it_comes_to_all_in_bounded_time(policy: RolloutPolicy, one: Fleet) -> None:
    rollout = first()
    for _ in range(200):
        done = step(policy, rollout, list(one.views.values()), one.now)
        rollout = stored(done.rollout)
        if rollout.phase is Phase.COMPLETED:
            break
        one.obey(rollout)
        # Either the clusters' news move it on, or the time that it names.
        if step(policy, rollout, list(one.views.values()), one.now).rollout == rollout:
            assert done.look_again is not None
            one.now = max(one.now, done.look_again)

    assert rollout.phase is Phase.COMPLETED
    assert rollout.stable == TARGET
    assert {view.revision for view in one.views.values()} == {TARGET}


@given(
    policy=policies,
    one=fleets,
    bad=st.sets(st.sampled_from(NAMES), max_size=4),
    silent=st.lists(st.sampled_from(NAMES), max_size=30),
    gaps=st.lists(st.integers(0, 120), min_size=30, max_size=30),
)
@settings(max_examples=100, deadline=None)
def test_it_never_goes_further_than_its_waves_and_failures_allow(
    policy: RolloutPolicy, one: Fleet, bad: set[str], silent: list[str], gaps: list[int]
) -> None:
    rollout, one.bad = first(), bad
    for turn, gap in enumerate(gaps):
        before, views = rollout, list(one.views.values())
        rollout = stored(step(policy, rollout, views, one.now).rollout)
        assert step(policy, rollout, views, one.now).rollout == rollout, "asked again it stays"
        if not rollout.phase.is_over and not rollout.phase.goes_back:
            plan = plan_waves(policy, views, released=rollout.names, stable=STABLE)
            assert rollout.names <= {name for wave in plan[: rollout.wave + 1] for name in wave}
        if policy.max_parallel and rollout.names > before.names:
            under_way = [release for release in rollout.released if release.unwell_since is not None]
            failed = failures(policy, rollout, one.views, one.now)
            skipped = [view for view in views if view.silent and policy.on_silence is OnSilence.SKIP]
            assert len(under_way) - len(failed) - len(skipped) <= policy.max_parallel
        if rollout.wave > before.wave and before.phase is not Phase.COMPLETED:
            unwell = {
                name
                for name in before.names
                if not one.views[name].is_well(TARGET)
                and not (one.views[name].silent and policy.on_silence is OnSilence.SKIP)
            }
            assert len(unwell) <= policy.max_failures, "a wave with more failures than may is never passed"
        one.obey(rollout)
        name = silent[turn] if turn < len(silent) else None
        if name in one.views:
            view = one.views[name]
            one.views[name] = replace(view, silent="" if view.silent else "it does not answer")
        one.now += timedelta(seconds=gap)


@given(policy=policies, one=fleets, bad=st.sets(st.sampled_from(NAMES), min_size=3))
@settings(max_examples=60, deadline=None)
def test_with_clusters_that_fail_it_stops_and_says_so_or_all_go_back(
    policy: RolloutPolicy, one: Fleet, bad: set[str]
) -> None:
    rollout, one.bad = first(), bad
    for _ in range(200):
        rollout = stored(step(policy, rollout, list(one.views.values()), one.now).rollout)
        one.obey(rollout)
        one.now += timedelta(seconds=20)

    ill = len(bad & set(one.views))
    if ill <= policy.max_failures:
        assert rollout.phase is Phase.COMPLETED
    elif policy.on_failure is OnFailure.PAUSE:
        assert rollout.phase is Phase.FAILED
        assert "failed on" in rollout.message
    else:
        assert rollout.phase is Phase.ROLLED_BACK
        assert {view.revision for view in one.views.values()} == {STABLE}


@given(
    policy=policies,
    one=fleets,
    joined=st.lists(st.sampled_from(NAMES), unique=True),
    left=st.sets(st.sampled_from(NAMES)),
)
@settings(max_examples=60, deadline=None)
def test_clusters_that_come_and_go_neither_stop_it_nor_get_it_before_their_wave(
    policy: RolloutPolicy, one: Fleet, joined: list[str], left: set[str]
) -> None:
    rollout = first()
    for turn in range(200):
        views = list(one.views.values())
        rollout = stored(step(policy, rollout, views, one.now).rollout)
        if turn == 2:
            for name in joined:
                snapshot = ClusterSnapshot(name=name)
                revision = revision_for(rollout, TARGET, name, held=None)
                assert revision == (TARGET if name in rollout.names or rollout.phase is Phase.COMPLETED else STABLE)
                one.views.setdefault(name, ClusterView(facts=snapshot, revision=revision, applied=True, healthy=True))
        if turn == 4:
            one.views = {name: view for name, view in one.views.items() if name not in left}
        one.obey(rollout)
        one.now += timedelta(seconds=30)

    assert rollout.phase is Phase.COMPLETED
    assert {view.revision for view in one.views.values()} <= {TARGET}
