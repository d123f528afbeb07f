import base64
import datetime as dt
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedctl.join import steps
from fedsvc.members.lifetimes import (
    RENEW_AFTER_SECONDS,
    TOKEN_LIFETIME_SECONDS,
    lifetime_seconds,
    renewal_time,
    renewal_time_of,
)
from fedsvc.model.cluster import Credential

BEGIN = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)
HOUR = 3_600
DAY = 24 * HOUR


def token(claims: Any) -> str:
    payload = base64.urlsafe_b64encode(orjson.dumps(claims)).rstrip(b"=").decode()
    return f"e30.{payload}.c2ln"


def credential(life: int, *, opaque: bool = False) -> Credential:
    begin = int(BEGIN.timestamp())
    text = "opaque" if opaque else token({"iat": begin, "exp": begin + life})
    return Credential(token=text, token_expire_time=BEGIN + dt.timedelta(seconds=life))


@pytest.mark.parametrize(
    ("life", "renewed_after"),
    [
        pytest.param(7 * DAY, DAY, id="as-asked-for"),
        pytest.param(365 * DAY, DAY, id="longer-than-asked-for"),
        pytest.param(2 * DAY, DAY, id="two-days"),
        pytest.param(DAY, 12 * HOUR, id="capped-at-a-day"),
        pytest.param(HOUR, HOUR // 2, id="capped-at-an-hour"),
        pytest.param(600, 300, id="the-shortest"),
    ],
)
def test_a_token_is_renewed_after_a_day_or_at_half_of_a_shorter_life(life: int, renewed_after: int) -> None:
    assert renewal_time(credential(life)) == BEGIN + dt.timedelta(seconds=renewed_after)


def test_an_outage_over_a_long_weekend_ends_no_token() -> None:
    due = renewal_time(credential(TOKEN_LIFETIME_SECONDS))
    assert due is not None
    outage = dt.timedelta(days=5)  # from the moment at which it would have been renewed
    assert due + outage < BEGIN + dt.timedelta(seconds=TOKEN_LIFETIME_SECONDS)


def test_a_token_that_does_not_tell_its_begin_is_taken_for_one_as_asked_for() -> None:
    assert renewal_time(credential(7 * DAY, opaque=True)) == BEGIN + dt.timedelta(seconds=DAY)
    assert renewal_time(credential(HOUR, opaque=True)) == BEGIN + dt.timedelta(seconds=HOUR - 6 * DAY)


@pytest.mark.parametrize(
    "without_end",
    [Credential(token="secret-token"), Credential(client_certificate_pem=b"x", token_expire_time=BEGIN), Credential()],
    ids=["no-end", "certificate", "nothing"],
)
def test_what_does_not_end_or_is_no_token_is_not_renewed(without_end: Credential) -> None:
    assert renewal_time(without_end) is None


def test_joining_and_renewing_ask_for_the_same_life() -> None:
    assert steps.TOKEN_LIFETIME_SECONDS == TOKEN_LIFETIME_SECONDS


@pytest.mark.parametrize(
    "text",
    [
        *("", "opaque", "a.b", "a.%%%.c", "a.bm8ganNvbg.c", "é.ü.ß", token([1]), token({"iat": 5})),
        *(token({"iat": "1", "exp": "2"}), token({"iat": 9, "exp": 9}), token({"iat": 9, "exp": 3})),
    ],
)
def test_claims_that_make_no_sense_tell_nothing(text: str) -> None:
    assert lifetime_seconds(text) is None


@given(life=st.integers(min_value=1, max_value=10**9))
def test_a_renewal_comes_within_the_life_and_at_most_a_day_after_its_begin(life: int) -> None:
    due = renewal_time_of(BEGIN, BEGIN + dt.timedelta(seconds=life))
    assert BEGIN < due < BEGIN + dt.timedelta(seconds=life)
    assert due - BEGIN <= dt.timedelta(seconds=RENEW_AFTER_SECONDS)


def test_an_end_before_the_begin_is_due_at_once() -> None:
    assert renewal_time_of(BEGIN, BEGIN - dt.timedelta(hours=1)) == BEGIN


@given(text=st.text(max_size=60))
def test_any_text_may_be_a_token(text: str) -> None:
    assert lifetime_seconds(text) is None or text.count(".") == 2
