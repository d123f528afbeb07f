"""Pure: how the versions of a zone lead from one to the next, and what its primary makes of any request."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.testing.primaries import ORIGIN, TSIG, a, puts, start_version
from fedsvc_dns.providers.contract import ChangeSet, Fence
from fedsvc_dns.providers.judging import Holder, Ownership, judge
from fedsvc_dns.providers.primary import answers, requests, versions
from fedsvc_dns.providers.primary.versions import (
    advanced,
)
from fedsvc_dns.providers.transfer import Step, changed
from fedsvc_dns.providers.transfer import advanced as with_changes


@st.composite
def change_sets(draw: st.DrawFn) -> list[ChangeSet]:
    found = []
    for generation in range(1, draw(st.integers(1, 6))):
        wanted = {}
        for _ in range(draw(st.integers(0, 4))):
            one = a(
                f"{draw(st.sampled_from('abc'))}.{ORIGIN}",
                *(f"10.0.0.{number}" for number in draw(st.sets(st.integers(0, 3), min_size=1))),
                ttl_seconds=draw(st.sampled_from([30, 60])),
            )
            wanted[one.key] = one
        gone = {(f"{name}.{ORIGIN}", "A") for name in draw(st.sets(st.sampled_from("abc")))} - wanted.keys()
        found.append(
            ChangeSet(fence=Fence(epoch=1, generation=generation), puts=tuple(wanted.values()), deletes=tuple(gone))
        )
    return found


@given(change_sets(), st.integers(0, 2**32 - 1))
def test_the_journal_leads_from_every_version_to_the_newest(changes: list[ChangeSet], serial: int) -> None:
    holder = Holder(origin=ORIGIN, owner="", ownership=Ownership.ZONE)
    seen = [start_version(serial=serial)]
    for change in changes:
        seen.append(advanced(seen[-1], change.fence, judge(change, seen[-1].record_sets, holder)[0]))
    newest = seen[-1]

    for version in seen:
        deltas = versions.since(newest, version.serial)
        assert deltas is not None
        steps = [
            Step(
                removed=tuple((one.name, one.type, one.ttl_seconds, v) for one in delta.removed for v in one.values),
                added=tuple((one.name, one.type, one.ttl_seconds, v) for one in delta.added for v in one.values),
            )
            for delta in deltas
        ]
        assert with_changes(version.record_sets, changed(version.record_sets, steps) or {}) == dict(newest.record_sets)


def test_a_journal_ends_where_it_is_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "MOST_DELTAS", 3)
    holder = Holder(origin=ORIGIN, owner="", ownership=Ownership.ZONE)
    version = start_version()
    for generation in range(1, 7):
        change = puts(generation, a(f"web.{ORIGIN}", f"10.0.0.{generation}"))
        version = advanced(version, change.fence, judge(change, version.record_sets, holder)[0])

    assert version.serial == 7
    assert versions.since(version, 3) is None
    assert [delta.before for delta in versions.since(version, 4) or ()] == [4, 5, 6]


def test_a_difference_of_more_than_half_the_zone_is_sent_as_the_zone() -> None:
    holder = Holder(origin=ORIGIN, owner="", ownership=Ownership.ZONE)
    version = start_version(*(a(f"n{number}.{ORIGIN}", "10.0.0.1") for number in range(100)))
    change = puts(2, *(a(f"n{number}.{ORIGIN}", "10.0.0.2") for number in range(50)))
    after = advanced(version, change.fence, judge(change, version.record_sets, holder)[0])

    assert answers.difference(after, 1) is None


@given(st.binary(max_size=300))
def test_no_request_brings_the_primary_down(octets: bytes) -> None:
    requests.understood(octets, requests.keyring([TSIG]))
    plausible = struct.pack("!HHHHHH", 1, 0, 1, 0, 0, 1) + octets
    requests.understood(plausible, requests.keyring([TSIG]))


def test_an_answer_is_not_answered() -> None:
    assert requests.understood(struct.pack("!HHHHHH", 1, 0x8000, 0, 0, 0, 0), {}) is None
