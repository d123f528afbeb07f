"""What the audit keeps of what is refused: one record for each matter and reason, however often it is looked at."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from fedsvc.health import Health, Verdict
from fedsvc.model.audit import (
    SAME,
    AuditKind,
    AuditOutcome,
    NewRecord,
    Refused,
    health_evidence,
    refusal_changes,
    said,
)

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def refusal(
    reason: str, *, cluster: str = "a", unit: str = "", message: str = "m", units: tuple[str, ...] = ()
) -> NewRecord:
    return NewRecord(
        kind=AuditKind.FAILOVER,
        outcome=AuditOutcome.REFUSED,
        reason=reason,
        message=message,
        cluster=cluster,
        unit=unit,
        units=units,
    )


@dataclass
class Row:
    record: NewRecord
    begin_time: datetime
    count: int = 1
    update_time: datetime = NOW
    end_time: datetime | None = None


@dataclass
class Book:
    """The table, as the store keeps it."""

    rows: dict[int, Row] = field(default_factory=dict)

    def follow(self, found: list[NewRecord], now: datetime) -> int:
        """Write what changes; gives how many rows that touched."""
        kept = [
            Refused(
                id=id_,
                kind=row.record.kind.value,
                unit=row.record.unit,
                cluster=row.record.cluster,
                region="",
                reason=row.record.reason,
                message=row.record.message,
                units=row.record.units,
                end_time=row.end_time,
            )
            for id_, row in self.rows.items()
        ]
        changes = refusal_changes(found, kept, now)
        for one in changes.begin:
            self.rows[len(self.rows)] = Row(one, now, update_time=now)
        for id_, one in changes.again:
            row = self.rows[id_]
            row.record, row.count, row.update_time, row.end_time = one, row.count + 1, now, None
        for id_, one in changes.tell:
            self.rows[id_].record, self.rows[id_].update_time = one, now
        for id_ in changes.end:
            self.rows[id_].end_time = self.rows[id_].update_time = now
        assert changes.is_any == bool(changes.begin or changes.again or changes.tell or changes.end)
        return len(changes.begin) + len(changes.again) + len(changes.tell) + len(changes.end)

    def lasting(self) -> set[tuple[str, str, str]]:
        return {
            (one.record.unit, one.record.cluster, one.record.reason) for one in self.rows.values() if not one.end_time
        }


def test_what_is_refused_for_a_while_is_one_record() -> None:
    book = Book()
    assert book.follow([refusal("Manual")], NOW) == 1
    for second in range(1, 100):
        assert book.follow([refusal("Manual")], NOW + timedelta(seconds=second)) == 0
    assert len(book.rows) == 1


def test_another_reason_is_another_record_and_ends_the_first() -> None:
    book = Book()
    book.follow([refusal("Held")], NOW)
    book.follow([refusal("Manual")], NOW + timedelta(seconds=5))
    assert [(row.record.reason, row.end_time) for row in book.rows.values()] == [
        ("Held", NOW + timedelta(seconds=5)),
        ("Manual", None),
    ]


def test_what_comes_and_goes_is_counted_and_what_comes_back_late_is_new() -> None:
    book = Book()
    for minute in range(20):
        book.follow([refusal("Held")] if minute % 2 == 0 else [], NOW + timedelta(minutes=minute))
    assert [row.count for row in book.rows.values()] == [10]
    book.follow([refusal("Held")], NOW + timedelta(minutes=19) + SAME + timedelta(seconds=1))
    assert [row.count for row in book.rows.values()] == [10, 1]


def test_that_it_concerns_other_units_is_told_by_the_same_record() -> None:
    book = Book()
    book.follow([refusal("Held", units=("x",))], NOW)
    assert book.follow([refusal("Held", units=("x", "y"))], NOW) == 1
    assert [row.record.units for row in book.rows.values()] == [("x", "y")]


CLUSTERS, REASONS = st.sampled_from("ab"), st.sampled_from(["Held", "Manual", "NoPlace"])


@given(
    st.lists(
        st.tuples(st.sets(st.tuples(CLUSTERS, REASONS), max_size=6), st.integers(min_value=1, max_value=900)),
        max_size=12,
    )
)
def test_what_lasts_in_the_audit_is_what_is_refused_now(steps: list[tuple[set[tuple[str, str]], int]]) -> None:
    book, now = Book(), NOW
    for refused, seconds in steps:
        now += timedelta(seconds=seconds)
        found = [refusal(reason, cluster=cluster) for cluster, reason in sorted(refused)]
        book.follow(found, now)
        assert book.lasting() == {("", cluster, reason) for cluster, reason in refused}
        assert book.follow(found, now) == 0  # looking again changes nothing
    for id_, row in book.rows.items():
        before = [one for other, one in book.rows.items() if other < id_ and one.record.reason == row.record.reason]
        of_place = [one for one in before if one.record.cluster == row.record.cluster]
        assert all(one.end_time is not None and row.begin_time - one.end_time > SAME for one in of_place)


def test_evidence_says_only_what_there_is_to_say() -> None:
    assert said(a=0, b="", c=None, d=[], e=False, f=1, g=NOW) == {"f": 1, "g": "2026-11-27T12:00:00+00:00"}
    found = health_evidence(Health(verdict=Verdict.UNREACHABLE, since=NOW, message="refused"))
    assert found == {
        "verdict": "Unreachable",
        "since": NOW.isoformat(),
        "finding": "Well",
        "message": "refused",
    }
