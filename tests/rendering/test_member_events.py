from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from fedsvc.rendering.member_events import MemberEvent, merged, read_event

CORE = {
    "metadata": {"creationTimestamp": "2026-01-02T03:00:00Z"},
    "involvedObject": {"apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": "web-1", "uid": "u"},
    "type": "Warning",
    "reason": "BackOff",
    "message": "back-off restarting",
    "count": 7,
    "firstTimestamp": "2026-01-02T03:00:00Z",
    "lastTimestamp": "2026-01-02T03:30:00Z",
    "source": {"component": "kubelet"},
}
SERIES = {
    "metadata": {"creationTimestamp": "2026-01-02T03:00:00Z"},
    "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "web-1"},
    "eventTime": "2026-01-02T03:00:00.123456Z",
    "series": {"count": 3, "lastObservedTime": "2026-01-02T03:10:00.5Z"},
    "reportingComponent": "scheduler",
}


def test_an_event_is_read_whichever_api_wrote_it() -> None:
    first, second = read_event(CORE), read_event(SERIES)
    assert (first.count, first.first_time, first.last_time) == (7, "2026-01-02T03:00:00Z", "2026-01-02T03:30:00Z")
    assert (first.kind, first.name, first.uid, first.source) == ("Pod", "web-1", "u", "kubelet")
    assert (second.count, second.first_time, second.last_time) == (3, "2026-01-02T03:00:00Z", "2026-01-02T03:10:00Z")
    assert second.source == "scheduler"
    assert read_event({}).count == 1


def test_equal_events_are_one_with_their_counts_summed() -> None:
    late = read_event(CORE | {"firstTimestamp": "2026-01-02T09:00:00Z", "lastTimestamp": "2026-01-02T09:05:00Z"})
    (one,) = merged([read_event(CORE), late])
    assert (one.count, one.first_time, one.last_time) == (14, "2026-01-02T03:00:00Z", "2026-01-02T09:05:00Z")


_EVENTS = st.lists(
    st.builds(
        lambda name, reason, count, time: replace(
            read_event(CORE), name=name, reason=reason, count=count, first_time=time, last_time=time
        ),
        st.sampled_from("ab"),
        st.sampled_from("xy"),
        st.integers(1, 9),
        st.sampled_from(["2026-01-02T03:00:00Z", "2026-01-02T04:00:00Z"]),
    )
)


@given(_EVENTS, st.randoms())
def test_merging_loses_no_count_and_leaves_nothing_twice_in_whatever_order(
    events: list[MemberEvent], random: object
) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)  # type: ignore[attr-defined] # hypothesis' own generator
    found = merged(shuffled)
    assert found == merged(events)
    assert sum(event.count for event in found) == sum(event.count for event in events)
    assert max(Counter((event.name, event.reason) for event in found).values(), default=1) == 1
