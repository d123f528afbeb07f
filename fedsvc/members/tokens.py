"""Renewing the token of fedsvc's service account in a member, by TokenRequest (KEP-1205)."""

import dataclasses
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from fedsvc.members.client import MemberClient, status_of
from fedsvc.members.errors import MemberGarbageError
from fedsvc.model.cluster import Connection, Credential

MIN_LIFETIME_SECONDS: Final = 600
"""API servers refuse to make shorter ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """A new token, with its end by our clock."""

    token: str = field(repr=False)
    expire_time: datetime


async def request_token(
    client: MemberClient, *, namespace: str, service_account: str, lifetime_seconds: int, skew_seconds: float = 0.0
) -> IssuedToken:
    """Ask for a token that lives `lifetime_seconds`; the member may give a shorter or a longer one.

    Args:
        client: with a credential that may create the service account's token.
        namespace: of the service account.
        service_account: its name.
        lifetime_seconds: asked for; at least ten minutes.
        skew_seconds: how far the member's clock is ahead of ours; the end of the token is told by that clock.

    Raises:
        MemberError: no token was given.
    """
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}/serviceaccounts/{quote(service_account, safe='')}/token"
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": max(MIN_LIFETIME_SECONDS, lifetime_seconds)},
    }
    status = (await client.post(path, request)).get("status")
    token, end = _field(status, "token"), _moment(_field(status, "expirationTimestamp"))
    if not token or end is None:
        raise MemberGarbageError("the answer to the TokenRequest holds no token with an end")
    return IssuedToken(token=token, expire_time=end - timedelta(seconds=round(skew_seconds)))


async def try_token(connection: Connection, token: str) -> None:
    """Make a request with a token that is not in use yet, on a connection of its own.

    Raises:
        MemberError: the member does not take it.
    """
    trial = dataclasses.replace(connection, credential=Credential(token=token))
    async with MemberClient(trial) as client:
        answer = await client.raw_get("/api", timeout_seconds=10.0)
    if answer.status not in (200, 403):  # 403: known, but not allowed to look there
        raise status_of(answer, method="GET", path="/api")


def _field(value: Any, name: str) -> str:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
