"""Pure: windows in which changes wait, as people say them: by wall clock, in a time zone.

A window is daily ("22:00" to "06:00", perhaps on some days alone), weekly ("Fri 16:00" to "Mon 08:00") or once
("2026-12-20 18:00" to "2027-01-02 08:00"). Cron expressions tell when something begins and not when it ends, and a
length added to that ends an hour early or late where clocks are changed meanwhile; here both ends are what the clock on
the wall shows.

Where clocks are put forward a time that is left out stands for the moment of the change. Where they are put back a
window begins at the first and ends at the second of the two moments that look the same: it is never shorter than meant.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from fedsvc_placement.model import ClusterMatcher

WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

_DAILY: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\Z")
_WEEKLY: Final = re.compile(r"([A-Z][a-z]{2}) ([01]\d|2[0-3]):([0-5]\d)\Z")
_ONCE: Final = re.compile(r"(\d{4}-\d{2}-\d{2})[T ]([01]\d|2[0-3]):([0-5]\d)\Z")
_FORMS: Final = "22:00 (daily), Fri 16:00 (weekly) or 2026-12-20 18:00 (once)"
_MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeWindow:
    """One window; both ends are of the same form."""

    name: str
    start: str
    end: str
    days: tuple[str, ...] = ()  # on which a daily window begins; empty: on all
    time_zone: str = "UTC"
    clusters: ClusterMatcher | None = None  # None: all
    namespaces: tuple[str, ...] = ()  # whose units it is for; empty, with no units either: all
    units: tuple[str, ...] = ()  # names in the API of units it is for besides


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One time that a window is on: from `start` on, before `end`; UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    """An end of a window as it is written."""

    form: str
    clock: time
    weekday: int = 0
    day: date = date.min


def window_problems(window: FreezeWindow) -> Iterator[tuple[str, str]]:
    """What is wrong with a window: the field, and what would be right."""
    ends: dict[str, _Moment] = {}
    for field, text in (("start", window.start), ("end", window.end)):
        try:
            ends[field] = _read(text)
        except ValueError:
            yield field, f"{'is missing' if not text else f'{text!r} is no time'}: write {_FORMS}"
    if not is_time_zone(window.time_zone):
        yield "time_zone", f"'{window.time_zone}' is no time zone that is known here: write one such as Europe/Berlin"
    unknown = [day for day in window.days if day not in WEEKDAYS]
    if unknown:
        yield "days", f"'{unknown[0]}' is no day: write {', '.join(WEEKDAYS)}"
    if len(ends) < 2:
        return
    start, end = ends["start"], ends["end"]
    if start.form != end.form:
        yield "end", "is not of the same form as start: write both daily, weekly or once"
    elif start == end:
        yield "end", "is the same as start: the window would have no length"
    elif start.form == "once" and (end.day, end.clock) < (start.day, start.clock):
        yield "end", "is before start"
    if window.days and start.form != "daily":
        yield "days", "are for daily windows alone: leave them out"


def is_time_zone(name: str) -> bool:
    """Whether a name is that of a time zone which is known here (IANA)."""
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # not there, a folder of zones, no name at all
        return False
    return True


def span_at(window: FreezeWindow, now: datetime) -> Span | None:
    """The time that a sound window is on at `now`; None: it is off."""
    return next((span for span in _spans(window, now) if span.start <= now < span.end), None)


def next_change(windows: Iterable[FreezeWindow], now: datetime) -> datetime | None:
    """When the next of the windows begins or ends after `now`; None: none ever does."""
    moments = (moment for window in windows for span in _spans(window, now) for moment in (span.start, span.end))
    return min((moment for moment in moments if moment > now), default=None)


def _spans(window: FreezeWindow, now: datetime) -> Iterator[Span]:
    """All times of a window that are near `now`: at least the last to begin, and the next."""
    zone, start, end = ZoneInfo(window.time_zone), _read(window.start), _read(window.end)
    if start.form == "once":
        yield _span(zone, start.day, start.clock, end.day, end.clock)
        return
    today = now.astimezone(zone).date()
    for offset in range(-8, 9):
        day = today + timedelta(days=offset)
        if start.form == "daily":
            if not window.days or WEEKDAYS[day.weekday()] in window.days:
                last = day if start.clock < end.clock else day + timedelta(days=1)
                yield _span(zone, day, start.clock, last, end.clock)
        elif day.weekday() == start.weekday:
            days = (end.weekday - start.weekday) % 7
            if days == 0 and end.clock < start.clock:
                days = 7
            yield _span(zone, day, start.clock, day + timedelta(days=days), end.clock)


def _span(zone: ZoneInfo, first: date, start: time, last: date, end: time) -> Span:
    return Span(
        start=_instant(zone, datetime.combine(first, start), is_end=False),
        end=_instant(zone, datetime.combine(last, end), is_end=True),
    )


def _instant(zone: ZoneInfo, wall: datetime, *, is_end: bool) -> datetime:
    """The moment at which the clock on the wall shows a time."""
    early = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    late = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if early <= late:  # it comes once, or twice where clocks are put back
        return late if is_end else early
    # It is left out: at `early` by the clock from before, at `late` by that from after; the change is in between.
    before = late.astimezone(zone).utcoffset()
    moment = late
    while moment.astimezone(zone).utcoffset() == before:
        moment += _MINUTE
    return moment


def _read(text: str) -> _Moment:
    """Read one end of a window.

    Raises:
        ValueError: it is of none of the forms.
    """
    if match := _DAILY.match(text):
        return _Moment(form="daily", clock=time(int(match[1]), int(match[2])))
    if (match := _WEEKLY.match(text)) and match[1] in WEEKDAYS:
        return _Moment(form="weekly", clock=time(int(match[2]), int(match[3])), weekday=WEEKDAYS.index(match[1]))
    if match := _ONCE.match(text):
        return _Moment(form="once", clock=time(int(match[2]), int(match[3])), day=date.fromisoformat(match[1]))
    raise ValueError(text)
