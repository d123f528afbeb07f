"""Pure: how long tokens live, and when they are renewed.

A token is asked for seven days and renewed once a day, so fedsvc may be away over a long weekend, and a token that got
into wrong hands is worth something for a week at most. API servers may cap what is asked for
(`--service-account-max-token-expiration`): a shorter life is renewed at its half.
"""

import base64
import binascii
from datetime import datetime, timedelta
from typing import Final

import orjson

from fedsvc.model.cluster import Credential

TOKEN_LIFETIME_SECONDS: Final = 7 * 86_400
"""Asked for at every renewal; `fedctl join` asks for the same."""

RENEW_AFTER_SECONDS: Final = 86_400


def renewal_time(credential: Credential) -> datetime | None:
    """When a token is to be renewed; None for a credential that has no end, or is no token.

    A token that does not tell when it began is taken for one of the life that is asked for.
    """
    end = credential.token_expire_time
    if not credential.token or end is None:
        return None
    life = lifetime_seconds(credential.token) or TOKEN_LIFETIME_SECONDS
    return renewal_time_of(end - timedelta(seconds=life), end)


def renewal_time_of(begin: datetime, end: datetime) -> datetime:
    """When a token that lives from `begin` to `end` is to be renewed: after a day, or at half of a shorter life."""
    return begin + min(timedelta(seconds=RENEW_AFTER_SECONDS), max(end - begin, timedelta()) / 2)


def lifetime_seconds(token: str) -> int | None:
    """How long a token lives in all, from its own claims (RFC 7519); None where it does not tell."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None
    begin, end = (claims.get(name) for name in ("iat", "exp")) if isinstance(claims, dict) else (None, None)
    return int(end - begin) if isinstance(begin, int) and isinstance(end, int) and end > begin else None
