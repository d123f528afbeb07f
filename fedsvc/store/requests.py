"""Answers to mutations that came with a request_id, kept for 24 hours, so that repeating one is safe (AIP-155)."""

from fedsvc.errors import RequestIdReusedError
from fedsvc.store.sql import text
from fedsvc.store.store import Transaction

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 1))")
_FIND = text(
    "SELECT method, request_digest, response FROM request WHERE caller = :caller AND request_id = CAST(:id AS uuid)"
)
_REMEMBER = text(
    "INSERT INTO request (caller, request_id, method, request_digest, response)"
    " VALUES (:caller, CAST(:id AS uuid), :method, :digest, :response)"
)


async def find(tx: Transaction, *, caller: str, request_id: str, method: str, digest: bytes) -> bytes | None:
    """The answer that was given before, or None; a twin that is under way is waited for.

    Raises:
        RequestIdReusedError: the id was used for another request.
    """
    await tx.execute(_LOCK, {"key": f"{caller}/{request_id}"})
    row = (await tx.execute(_FIND, {"caller": caller, "id": request_id})).one_or_none()
    if row is None:
        return None
    if row.method != method or row.request_digest != digest:
        raise RequestIdReusedError(request_id)
    return bytes(row.response)


async def remember(
    tx: Transaction, *, caller: str, request_id: str, method: str, digest: bytes, response: bytes
) -> None:
    """Keep an answer, in the transaction that made it true."""
    parameters = {"caller": caller, "id": request_id, "method": method, "digest": digest, "response": response}
    await tx.execute(_REMEMBER, parameters)
