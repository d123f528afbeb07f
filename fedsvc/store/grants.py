"""Room that decisions gave away, until a reading of the member has seen it."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import orjson

from fedsvc.model.grants import SETTLING, Granted
from fedsvc.store.sql import text
from fedsvc.store.store import Look, Transaction
from fedsvc_placement.model import Spoken

_ADD: Final = text(
    "INSERT INTO room_grant (cluster, requests, replicas, grant_time) SELECT * FROM unnest(CAST(:clusters AS text[]),"
    " CAST(:requests AS jsonb[]), CAST(:replicas AS int[]), CAST(:times AS timestamptz[]))"
)
_OUTSTANDING: Final = text(
    "SELECT g.cluster, g.requests, g.replicas, g.grant_time FROM room_grant g JOIN cluster c ON c.name = g.cluster"
    " WHERE g.grant_time >= CAST(c.room ->> 'read_time' AS timestamptz)"
    f" - interval '{SETTLING.total_seconds()} seconds' ORDER BY g.id"
)


async def add(tx: Transaction, granted: Iterable[Granted]) -> None:
    """Note room that is given away; equal grants of one moment as one."""
    counts: Counter[tuple[str, bytes, datetime]] = Counter()
    for one in granted:
        requests = orjson.dumps(dict(one.spoken.requests), option=orjson.OPT_SORT_KEYS)
        counts[one.spoken.cluster, requests, one.at] += one.spoken.replicas
    if not counts:
        return
    rows = sorted(counts)
    await tx.execute(
        _ADD,
        {
            "clusters": [cluster for cluster, _, _ in rows],
            "requests": [requests.decode() for _, requests, _ in rows],
            "times": [at for _, _, at in rows],
            "replicas": [counts[row] for row in rows],
        },
    )


async def outstanding(look: Look) -> list[Granted]:
    """What no reading of its member may have seen yet; where room is unknown, there is none to give."""
    return [
        Granted(at=row.grant_time, spoken=Spoken(cluster=row.cluster, requests=row.requests, replicas=row.replicas))
        for row in await look.execute(_OUTSTANDING)
    ]
