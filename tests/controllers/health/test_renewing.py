"""Tokens of members are renewed in time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from fedsvc.controllers.renewing import Renewal, after_failure, is_due, renew
from fedsvc.members import tokens
from fedsvc.members.errors import MemberGarbageError
from fedsvc.model.cluster import Credential
from fedsvc.store import clusters

RBAC = "/apis/rbac.authorization.k8s.io/v1"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


async def test_a_token_is_renewed_after_a_day_and_used_from_then_on(ward: Any) -> None:
    before = (await ward.cluster()).connection.credential
    ward.start()
    await ward.until("CredentialsValid", "True", "Accepted")
    member = ward.members.get("a")
    ward.ahead = timedelta(days=1, minutes=1)

    async def renewed() -> Credential | None:
        found = (await ward.cluster()).connection.credential
        return found if found != before else None

    after = await ward.world.until(renewed)
    assert after.token_expire_time > before.token_expire_time
    assert after.token_expire_time - datetime.now(UTC) > timedelta(days=6, hours=23)
    assert ward.members.get("a") is member, "connections and watches live on"
    raw = await _sealed(ward.world)
    assert after.token.encode() not in raw
    # A revoked old token shows that the new one is in use.
    ward.world.member("a").authority._verify(after.token, datetime.now(UTC).timestamp())
    assert member is not None

    async def used() -> bool:
        return bool(member.client._transport._authorization == {"Authorization": f"Bearer {after.token}"})

    await ward.world.until(used)


async def _sealed(world: Any) -> bytes:
    async with world.store.database.begin(read_only=True) as connection:
        return bytes(await connection.fetchval("SELECT credential FROM cluster WHERE name = 'a'"))


async def test_a_renewal_that_fails_is_told_and_ends_with_the_next_that_does_not(ward: Any) -> None:
    before = (await ward.cluster()).connection.credential
    own = {"metadata": {"name": "fedsvc"}, "rules": []}
    await ward.world.client("a").patch(f"{RBAC}/clusterroles/fedsvc", orjson.dumps(own))
    ward.start()
    await ward.until("CredentialsValid", "True", "Accepted")
    ward.ahead = timedelta(days=1, minutes=1)
    condition = await ward.until("CredentialsValid", "True", "RenewalFailing")
    assert 'cannot create resource "serviceaccounts/token"' in condition.message
    assert (await ward.cluster()).connection.credential == before

    async def warned() -> bool:
        return "CredentialsRenewalFailing" in {reason for _, reason, _ in await ward.world.events()}

    await ward.world.until(warned)
    await ward.grant()
    ward.ahead += timedelta(minutes=5)  # past the back-off
    await ward.until("CredentialsValid", "True", "Accepted")
    assert (await ward.cluster()).connection.credential != before


async def test_a_new_token_that_is_not_taken_replaces_nothing(ward: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (await ward.cluster()).connection.credential
    ask = tokens.request_token

    async def useless(*words: Any, **more: Any) -> tokens.IssuedToken:
        return replace(await ask(*words, **more), token="useless")

    monkeypatch.setattr(tokens, "request_token", useless)
    ward.ahead = timedelta(days=1, minutes=1)
    ward.start()
    condition = await ward.until("CredentialsValid", "True", "RenewalFailing")
    assert "Unauthorized" in condition.message
    assert (await ward.cluster()).connection.credential == before


async def test_a_credential_that_was_replaced_meanwhile_is_not_overwritten(ward: Any) -> None:
    seen = await ward.cluster()
    given = await ward.token(3_600)
    await ward.give(given)
    member = ward.members.member(seen)
    kept = Renewal(error="x", failures=2)
    after, renewed = await renew(ward.world.store, member, seen, renewal=kept, now=ward.now(), skew_seconds=0.0)
    assert (after, renewed) == (kept, None)
    assert (await ward.cluster()).connection.credential == given
    async with ward.world.store.transaction() as tx:
        await clusters.forget(tx, "a")
    assert (await renew(ward.world.store, member, seen, renewal=kept, now=ward.now(), skew_seconds=0.0))[1] is None


async def test_a_renewed_token_is_looked_at_again_at_half_its_life(ward: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def capped(*_: Any, **__: Any) -> tokens.IssuedToken:
        credential = await ward.token(3_600)
        assert credential.token_expire_time is not None
        return tokens.IssuedToken(token=credential.token, expire_time=credential.token_expire_time)

    monkeypatch.setattr(tokens, "request_token", capped)
    seen, now = await ward.cluster(), datetime.now(UTC)
    member = ward.members.member(seen)
    after, renewed = await renew(ward.world.store, member, seen, renewal=Renewal(), now=now, skew_seconds=0.0)
    assert renewed is not None
    assert after.not_before is not None
    assert abs(after.not_before - now - timedelta(minutes=30)) < timedelta(seconds=5)
    opaque = replace(renewed, token="opaque")
    cluster = replace(seen, connection=replace(seen.connection, credential=opaque))
    assert not is_due(cluster, after, now=now)
    assert is_due(cluster, after, now=after.not_before)
    with pytest.raises(MemberGarbageError, match="ended already"):
        await renew(ward.world.store, member, seen, renewal=after, now=now + timedelta(hours=2), skew_seconds=0.0)


@pytest.mark.parametrize(
    ("failures", "left", "pause"),
    [
        (0, timedelta(days=6), 30),
        (1, timedelta(days=6), 60),
        (5, timedelta(days=6), 960),
        (7, timedelta(days=6), 3_600),
        (10_000, timedelta(days=6), 3_600),
        (7, timedelta(minutes=40), 600),
        (7, timedelta(seconds=10), 30),
        (7, timedelta(days=-1), 30),
        (2, None, 120),
    ],
)
def test_renewals_that_fail_are_tried_less_and_less_often_but_in_time(
    failures: int, left: timedelta | None, pause: int
) -> None:
    end = None if left is None else NOW + left
    after = after_failure(Renewal(failures=failures), "no", now=NOW, end=end, retry_seconds=30.0)
    assert after == Renewal(error="no", failures=failures + 1, not_before=NOW + timedelta(seconds=pause))
