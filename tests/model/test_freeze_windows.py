from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.model.freeze import WEEKDAYS, FreezeWindow, next_change, span_at, window_problems

NEW_YORK = "America/New_York"


def window(start: str, end: str, **more: object) -> FreezeWindow:
    return FreezeWindow(name="w", start=start, end=end, **more)  # type: ignore[arg-type]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "days", "now", "begin", "over"),
    [
        ("22:00", "06:00", (), "2026-11-26T05:59", "2026-11-25T22:00", "2026-11-26T06:00"),
        ("22:00", "06:00", (), "2026-11-26T06:00", None, None),
        ("22:00", "06:00", (), "2026-11-26T22:00", "2026-11-26T22:00", "2026-11-27T06:00"),
        ("09:00", "17:00", ("Mon", "Fri"), "2026-11-27T12:00", "2026-11-27T09:00", "2026-11-27T17:00"),
        ("09:00", "17:00", ("Mon", "Fri"), "2026-11-26T12:00", None, None),
        ("22:00", "06:00", ("Fri",), "2026-11-28T03:00", "2026-11-27T22:00", "2026-11-28T06:00"),
        ("Fri 16:00", "Mon 08:00", (), "2026-11-29T12:00", "2026-11-27T16:00", "2026-11-30T08:00"),
        ("Fri 16:00", "Mon 08:00", (), "2026-11-30T08:00", None, None),
        ("Mon 08:00", "Mon 07:00", (), "2026-11-30T07:30", None, None),
        ("Mon 08:00", "Mon 07:00", (), "2026-11-30T06:59", "2026-11-23T08:00", "2026-11-30T07:00"),
        ("2026-12-20 18:00", "2027-01-02T08:00", (), "2026-12-31T23:00", "2026-12-20T18:00", "2027-01-02T08:00"),
        ("2026-12-20 18:00", "2027-01-02T08:00", (), "2026-12-20T17:59", None, None),
    ],
)
def test_a_window_is_on_from_its_start_until_its_end(
    start: str, end: str, days: tuple[str, ...], now: str, begin: str | None, over: str | None
) -> None:
    span = span_at(window(start, end, days=days), utc(now))
    if begin is None or over is None:
        assert span is None
    else:
        assert span is not None
        assert (span.start, span.end) == (utc(begin), utc(over))


@pytest.mark.parametrize(
    ("start", "end", "now", "begin", "over"),
    [
        # Clocks go from 02:00 to 03:00 at 07:00 UTC: what begins or ends at 02:30 does so at that moment.
        ("02:30", "05:00", "2026-03-08T08:00", "2026-03-08T07:00", "2026-03-08T09:00"),
        ("01:00", "02:30", "2026-03-08T06:30", "2026-03-08T06:00", "2026-03-08T07:00"),
        # Clocks go from 02:00 back to 01:00 at 06:00 UTC: 01:30 comes twice, at 05:30 and at 06:30.
        ("01:30", "03:00", "2026-11-01T07:00", "2026-11-01T05:30", "2026-11-01T08:00"),
        ("00:00", "01:30", "2026-11-01T06:00", "2026-11-01T04:00", "2026-11-01T06:30"),
        # A night in which clocks change is an hour shorter or longer, its ends being what the clock shows.
        ("22:00", "06:00", "2026-03-08T05:00", "2026-03-08T03:00", "2026-03-08T10:00"),
        ("22:00", "06:00", "2026-11-01T05:00", "2026-11-01T02:00", "2026-11-01T11:00"),
    ],
)
def test_where_clocks_change_both_ends_are_what_the_clock_on_the_wall_shows(
    start: str, end: str, now: str, begin: str, over: str
) -> None:
    span = span_at(window(start, end, time_zone=NEW_YORK), utc(now))
    assert span is not None
    assert (span.start, span.end) == (utc(begin), utc(over))


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"start": ""}, "start", "is missing: write 22:00 (daily)"),
        ({"start": "25:00"}, "start", "'25:00' is no time"),
        ({"start": "Fry 10:00"}, "start", "is no time"),
        ({"start": "2026-02-30 10:00"}, "start", "is no time"),
        ({"end": "Mon 08:00"}, "end", "is not of the same form as start"),
        ({"end": "22:00"}, "end", "no length"),
        ({"start": "2026-12-02 10:00", "end": "2026-12-01 10:00"}, "end", "is before start"),
        ({"time_zone": "Mars/Base"}, "time_zone", "is no time zone that is known here"),
        ({"time_zone": "../etc/passwd"}, "time_zone", "is no time zone"),
        ({"days": ("Mon", "Funday")}, "days", "'Funday' is no day"),
        ({"start": "Fri 10:00", "end": "Sat 10:00", "days": ("Mon",)}, "days", "are for daily windows alone"),
    ],
)
def test_what_is_wrong_with_a_window_is_told_by_field(changes: dict[str, object], field: str, words: str) -> None:
    given: dict[str, object] = {"start": "22:00", "end": "06:00", **changes}
    found = dict(window_problems(window(**given)))  # type: ignore[arg-type]
    assert words in found[field]


def test_a_sound_window_has_no_problems() -> None:
    assert list(window_problems(window("22:00", "06:00", days=("Sat",), time_zone="Europe/Berlin"))) == []


TIMES = st.times(min_value=datetime.min.time()).map(lambda time: f"{time:%H:%M}")
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)).map(  # noqa: DTZ001 - made aware at once
    lambda moment: moment.replace(second=0, microsecond=0, tzinfo=UTC)
)


@st.composite
def windows(draw: st.DrawFn) -> FreezeWindow:
    start, end = draw(st.tuples(TIMES, TIMES).filter(lambda pair: pair[0] != pair[1]))
    zone = draw(st.sampled_from(["UTC", NEW_YORK, "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu"]))
    if draw(st.booleans()):
        return window(start, end, days=tuple(draw(st.sets(st.sampled_from(WEEKDAYS)))), time_zone=zone)
    days = draw(st.tuples(st.sampled_from(WEEKDAYS), st.sampled_from(WEEKDAYS)))
    return window(f"{days[0]} {start}", f"{days[1]} {end}", time_zone=zone)


@given(windows(), MOMENTS)
def test_nothing_changes_before_the_next_change_and_the_window_turns_there(given: FreezeWindow, now: datetime) -> None:
    at = next_change([given], now)
    assert at is not None
    assert now < at <= now + timedelta(days=8)
    is_on = span_at(given, now) is not None
    last = at - timedelta(seconds=1)
    assert (span_at(given, max(now, last)) is not None) == is_on
    middle = now + (at - now) / 2
    assert (span_at(given, middle) is not None) == is_on


@given(windows(), MOMENTS)
def test_away_from_changes_of_clocks_a_window_is_on_as_the_wall_clock_says(given: FreezeWindow, now: datetime) -> None:
    zone = ZoneInfo(given.time_zone)
    local = now.astimezone(zone)
    offsets = {(local + timedelta(days=days)).astimezone(UTC).astimezone(zone).utcoffset() for days in range(-9, 10)}
    if len(offsets) > 1:
        return
    clock, minute = f"{local:%H:%M}", 24 * 60 * local.weekday() + 60 * local.hour + local.minute
    if " " in given.start:
        start, end = _minute_of_week(given.start), _minute_of_week(given.end)
        expected = start <= minute < end if start < end else minute >= start or minute < end
    else:
        today, before = (WEEKDAYS[(local.weekday() - back) % 7] for back in (0, 1))
        begins = clock >= given.start and (not given.days or today in given.days)
        is_over_midnight = given.end < given.start
        expected = (begins and (is_over_midnight or clock < given.end)) or (
            is_over_midnight and clock < given.end and (not given.days or before in given.days)
        )
    assert (span_at(given, now) is not None) == expected


def _minute_of_week(text: str) -> int:
    day, clock = text.split(" ")
    return 24 * 60 * WEEKDAYS.index(day) + 60 * int(clock[:2]) + int(clock[3:])
