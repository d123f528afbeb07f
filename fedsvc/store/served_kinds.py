"""What members serve: read by content, since most of a fleet serves the same, and it hardly ever changes."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

import orjson

from fedsvc.store.sql import text
from fedsvc.store.store import Look, Transaction

ServedKind = tuple[str, str, str, str, bool]
"""Group, version, kind, plural, whether it is namespaced."""

_PUT = text(
    "UPDATE cluster SET api_resources = CAST(:resources AS jsonb) WHERE name = :name"
    " AND api_resources <> CAST(:resources AS jsonb)"
)
_DIGESTS = text(
    "SELECT name, api_digest FROM cluster WHERE CAST(:names AS text[]) IS NULL OR name = ANY(CAST(:names AS text[]))"
)
_SETS = text(
    "SELECT DISTINCT ON (api_digest) api_digest, api_resources FROM cluster WHERE api_digest = ANY(CAST(:digests AS text[]))"
)
_MAX_KNOWN: Final = 256

_known: dict[str, tuple[ServedKind, ...]] = {}
"""By digest, those that were read last: what a digest stands for is the same for ever and everywhere."""


async def set_api_resources(tx: Transaction, name: str, resources: Sequence[Sequence[Any]]) -> None:
    """Store what a member serves, as [group, version, kind, plural, namespaced] each."""
    rows = orjson.dumps([list(entry) for entry in resources]).decode()
    if await tx.change(_PUT, {"name": name, "resources": rows}):
        tx.record("cluster", f"clusters/{name}")


async def api_resources(look: Look, names: Iterable[str] | None = None) -> dict[str, tuple[ServedKind, ...]]:
    """What members serve, by cluster, as it was last seen: of those of the names that exist, or of the whole fleet.

    Clusters that serve the same have the same tuple.
    """
    parameters = {"names": None if names is None else list(names)}
    digests = {row.name: row.api_digest for row in await look.execute(_DIGESTS, parameters)}
    found = await of_digests(look, set(digests.values()))
    return {name: found.get(digest, ()) for name, digest in digests.items()}


async def of_digests(look: Look, needed: AbstractSet[str]) -> dict[str, tuple[ServedKind, ...]]:
    """What is served by those members whose `api_digest` is one of these, by it."""
    found = {digest: _known[digest] for digest in needed & _known.keys()}
    if missing := sorted(needed - found.keys()):
        for row in await look.execute(_SETS, {"digests": missing}):
            found[row.api_digest] = tuple(
                (entry[0], entry[1], entry[2], entry[3], entry[4]) for entry in row.api_resources
            )
        while len(_known) >= _MAX_KNOWN:
            del _known[next(iter(_known))]
        _known.update(found)
    # What a member serves may have changed since its digest was read: the next reading tells.
    return found
