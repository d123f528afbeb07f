"""Bearer tokens of callers: 256 random bits, of which only the SHA-256 is kept."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from asyncpg import IntegrityConstraintViolationError

from fedsvc.errors import AlreadyExistsError, NotFoundError
from fedsvc.store.sql import text
from fedsvc.store.store import Transaction

PREFIX: Final = "fedsvc_"

_INSERT = text(
    "INSERT INTO api_token (name, token_digest, expire_time) VALUES (:name, :digest, CAST(:expire AS timestamptz))"
)
_FIND = text("SELECT name FROM api_token WHERE token_digest = :digest AND (expire_time IS NULL OR expire_time > now())")
_END = text("SELECT expire_time FROM api_token WHERE token_digest = :digest")
_LIST = text("SELECT name, create_time, expire_time FROM api_token ORDER BY name")
_DELETE = text("DELETE FROM api_token WHERE name = :name")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenInfo:
    """What is known of a token but itself."""

    name: str
    create_time: datetime
    expire_time: datetime | None


async def create(tx: Transaction, name: str, *, expire_time: datetime | None = None) -> str:
    """Make a token; it is returned this once.

    Raises:
        AlreadyExistsError: there is one of that name.
    """
    token = PREFIX + secrets.token_urlsafe(32)
    try:
        async with tx.savepoint():
            await tx.execute(_INSERT, {"name": name, "digest": _digest(token), "expire": expire_time})
    except IntegrityConstraintViolationError as error:
        raise AlreadyExistsError(f"token {name}") from error
    return token


async def authenticate(tx: Transaction, token: str) -> str | None:
    """The name of a token that is known and has not ended."""
    name: str | None = (await tx.execute(_FIND, {"digest": _digest(token)})).scalar_one_or_none()
    return name


async def end_of(tx: Transaction, token: str) -> datetime | None:
    """When a token ends or has ended; None where it is not known, or never does."""
    end: datetime | None = (await tx.execute(_END, {"digest": _digest(token)})).scalar_one_or_none()
    return end


async def list_all(tx: Transaction) -> list[TokenInfo]:
    """All tokens by name."""
    return [
        TokenInfo(name=row.name, create_time=row.create_time, expire_time=row.expire_time)
        for row in await tx.execute(_LIST)
    ]


async def revoke(tx: Transaction, name: str) -> None:
    """End a token.

    Raises:
        NotFoundError: there is none of that name.
    """
    if not await tx.change(_DELETE, {"name": name}):
        raise NotFoundError(f"token {name}")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
