"""Manifests: bytes by digest, each stored once; those of Secrets sealed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from fedsvc.store.sql import text
from fedsvc.store.store import Look, Transaction

_PUT = text(
    "INSERT INTO manifest (digest, body, key_id)"
    " SELECT * FROM unnest(CAST(:digests AS bytea[]), CAST(:bodies AS bytea[]), CAST(:key_ids AS text[]))"
    # An old one that nothing refers to may be trimmed at this moment: made young again, it stays. Young ones are not
    # written, since this is the hot path.
    " ON CONFLICT (digest) DO UPDATE SET create_time = now() WHERE manifest.create_time < now() - interval '30 minutes'"
)
_OPEN = text("SELECT digest, body, key_id FROM manifest WHERE digest = ANY(CAST(:digests AS bytea[]))")


_MAX_ROWS: Final = 1_000
"""Manifests that one statement stores: making it ready keeps all else in the process waiting."""


def context_of(digest: bytes) -> str:
    """What a sealed manifest is bound to."""
    return f"manifest/{digest.hex()}"


async def put_many(tx: Transaction, manifests: Sequence[tuple[bytes, bytes, bool]]) -> None:
    """Store manifests as (digest, body, whether to seal); those that are there already are left."""
    distinct = {digest: (body, seal) for digest, body, seal in manifests}
    if not distinct:
        return
    # In the order of the keys, so that two transactions never wait for each other.
    ordered = sorted(distinct)
    for start in range(0, len(ordered), _MAX_ROWS):
        part = ordered[start : start + _MAX_ROWS]
        await tx.execute(
            _PUT,
            {
                "digests": part,
                "bodies": [
                    tx.sealer.seal(body, context_of(digest)) if seal else body
                    for digest in part
                    for body, seal in (distinct[digest],)
                ],
                "key_ids": [tx.sealer.key_id if distinct[digest][1] else None for digest in part],
            },
        )


async def open_many(look: Look, digests: Iterable[bytes]) -> Mapping[bytes, bytes]:
    """The bodies of manifests by digest; what is not there is left out.

    Raises:
        SealError: a sealed one does not open.
    """
    wanted = sorted(set(digests))
    if not wanted:
        return {}
    rows = await look.execute(_OPEN, {"digests": wanted})
    return {row.digest: opened(look, row.digest, row.body, row.key_id) for row in rows}


def opened(tx: Look, digest: bytes, body: bytes, key_id: str | None) -> bytes:
    """The body of a row."""
    return body if key_id is None else tx.sealer.open(body, context_of(digest))
