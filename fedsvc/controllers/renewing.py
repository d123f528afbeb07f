"""Renewing the token of a member before it ends: asked for, tried, stored sealed, and only then used."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from fedsvc.errors import NotFoundError
from fedsvc.members import tokens
from fedsvc.members.errors import MemberGarbageError
from fedsvc.members.lifetimes import TOKEN_LIFETIME_SECONDS, renewal_time, renewal_time_of
from fedsvc.members.registry import Member
from fedsvc.model.cluster import Cluster, Credential
from fedsvc.store import clusters
from fedsvc.store.store import Store

_log = structlog.get_logger(__name__)

_RETRY_MAX_SECONDS: Final = 3_600.0
_DOUBLINGS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """How the renewal of one member's token fares."""

    error: str = ""  # why the last try failed; empty when it did not
    failures: int = 0  # in a row
    not_before: datetime | None = None  # when it is tried again, at the earliest


def is_due(cluster: Cluster, renewal: Renewal, *, now: datetime) -> bool:
    """Whether the token is to be renewed now, and can be from here."""
    due = renewal_time(cluster.connection.credential)
    if due is None or not cluster.connection.service_account or now < due:
        return False
    return renewal.not_before is None or now >= renewal.not_before


def after_failure(
    renewal: Renewal, error: str, *, now: datetime, end: datetime | None, retry_seconds: float
) -> Renewal:
    """The next try comes after `retry_seconds`, doubled for each failure up to an hour.

    Of what is left of the token's life no more than a quarter is waited for, `retry_seconds` at least.
    """
    pause = min(retry_seconds * 2 ** min(renewal.failures, _DOUBLINGS), _RETRY_MAX_SECONDS)
    if end is not None:
        pause = min(pause, max((end - now).total_seconds() / 4, retry_seconds))
    return Renewal(error=error, failures=renewal.failures + 1, not_before=now + timedelta(seconds=pause))


async def renew(
    store: Store, member: Member, cluster: Cluster, *, renewal: Renewal, now: datetime, skew_seconds: float
) -> tuple[Renewal, Credential | None]:
    """Put a new token in the place of the one that `cluster` holds, and give it.

    None in its place where the cluster got another credential meanwhile, or left: that is not overwritten.

    Args:
        store: where the token is stored, sealed.
        member: asked for it, with the token there is.
        cluster: as it was last seen.
        renewal: how it fared so far.
        now: by our clock.
        skew_seconds: how far the member's clock is ahead of ours.

    Raises:
        MemberError: no token could be had that the member takes; what is stored is as before.
    """
    connection = cluster.connection
    issued = await tokens.request_token(
        member.client,
        namespace=connection.member_namespace,
        service_account=connection.service_account,
        lifetime_seconds=TOKEN_LIFETIME_SECONDS,
        skew_seconds=skew_seconds,
    )
    if issued.expire_time <= now:
        raise MemberGarbageError("the member gave a token that has ended already: compare the clocks of both machines")
    await tokens.try_token(connection, issued.token)
    renewed = Credential(token=issued.token, token_expire_time=issued.expire_time)
    if not await _store_credential(store, cluster, renewed):
        return renewal, None
    _log.info("credential_renewed", cluster=cluster.name, expires=issued.expire_time.isoformat())
    # A token that does not tell its own life must not be taken for an old one at every look.
    return Renewal(not_before=renewal_time_of(now, issued.expire_time)), renewed


async def _store_credential(store: Store, cluster: Cluster, renewed: Credential) -> bool:
    async with store.transaction() as tx:
        try:
            stored = await clusters.lock(tx, cluster.name)
        except NotFoundError:
            return False
        if stored.uid != cluster.uid or stored.connection != cluster.connection:
            return False
        await clusters.rotate_credential(tx, cluster.name, renewed)
        return True
