"""How soon a lost member is found to be so, for every setting of it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.controllers.health import HealthSettings, health_settings
from fedsvc.detection import DEFAULT_DETECT_SECONDS, LEAST_DETECT_SECONDS, MOST_DETECT_SECONDS
from fedsvc.health import Evidence, EvidenceKind, Health, Streak, Verdict, detection, judge
from fedsvc.model.failover import FailoverPolicy, tolerating
from fedsvc_placement import Placement

START = datetime(2026, 11, 27, tzinfo=UTC)
SETTINGS = st.floats(LEAST_DETECT_SECONDS, MOST_DETECT_SECONDS)


def unreachable_after(detect_seconds: float, kind: EvidenceKind, *, phase: float) -> float:
    """Seconds from the death of a member, `phase` of the longest time between probes before the next one."""
    times = detection(detect_seconds)
    takes = times.probe_timeout_seconds if kind is EvidenceKind.TIMED_OUT else 0.0
    health, streak = Health(verdict=Verdict.HEALTHY, since=START), Streak()
    seconds = times.probe_seconds * 1.1 * phase
    while True:
        seconds += takes
        now = START + timedelta(seconds=seconds)
        health, streak = judge(health, streak, Evidence(kind=kind), now=now, limits=times.limits)
        if health.verdict is Verdict.UNREACHABLE:
            return seconds
        seconds += times.probe_again_seconds


@given(
    detect_seconds=SETTINGS, kind=st.sampled_from([EvidenceKind.REFUSED, EvidenceKind.TIMED_OUT]), phase=st.floats(0, 1)
)
def test_a_lost_member_is_found_to_be_so_within_what_is_set(
    detect_seconds: float, kind: EvidenceKind, phase: float
) -> None:
    assert unreachable_after(detect_seconds, kind, phase=phase) <= detect_seconds


@given(detect_seconds=SETTINGS)
def test_where_fedsvc_is_cut_off_others_are_in_doubt_before_the_first_member_is_left(detect_seconds: float) -> None:
    """The first refuses and is asked at once; the last swallows everything, and was asked just before."""
    times = detection(detect_seconds)
    policy = FailoverPolicy(toleration_seconds=0)
    share = detect_seconds / DEFAULT_DETECT_SECONDS
    (toleration,) = tolerating(Placement(), policy, is_held=False, detect_share=share).tolerations
    assert toleration.toleration_seconds is not None
    left = unreachable_after(detect_seconds, EvidenceKind.REFUSED, phase=0.0) + toleration.toleration_seconds
    in_doubt = times.probe_seconds * 1.1 + 2 * times.probe_timeout_seconds + times.probe_again_seconds
    assert in_doubt < left


def test_by_default_nothing_is_stretched() -> None:
    found = health_settings(DEFAULT_DETECT_SECONDS)
    times = detection()
    assert found == HealthSettings()
    assert (found.probe_seconds, found.probe_again_seconds) == (times.probe_seconds, times.probe_again_seconds)
    assert (found.probe_timeout_seconds, found.limits) == (times.probe_timeout_seconds, times.limits)


@pytest.mark.parametrize(("detect_seconds", "probe", "timeout"), [(5.0, 1.25, 0.75), (40.0, 10.0, 6.0)])
def test_detection_sets_how_members_are_asked(detect_seconds: float, probe: float, timeout: float) -> None:
    found = health_settings(detect_seconds)
    assert (found.probe_seconds, found.probe_timeout_seconds) == (probe, timeout)
    assert found.survey_seconds == HealthSettings().survey_seconds
