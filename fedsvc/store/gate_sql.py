"""The gates of the claim, in SQL: what works wait for besides their turn.

They are asked of the rows at every claim, so nothing slips through while somebody works out what is open. What a unit
makes no use of costs it nothing: each part begins with an index that holds the units that do.

In all parts `:cluster` is the cluster whose works are claimed, `d` a dependency of one unit on another, and `t` the unit
that is depended on.
"""

from typing import Final

from fedsvc.rendering.waves import STEPS

REACHED: Final = (
    "(work.state = 'Applied' AND NOT work.dirty AND ({awaited} = 'applied' OR (work.health = 'Healthy'"
    " AND coalesce(work.observed_digest, work.applied_digest) = work.applied_digest)))"
)
"""A work is as far as `awaited`, an SQL expression of that state. What the object was seen to be before it was made to
hold something new tells nothing."""

PLACED: Final = (
    "EXISTS (SELECT 1 FROM binding tb WHERE tb.unit_uid = t.uid AND (d.everywhere OR tb.cluster = {cluster}))"
)
"""A dependency is where it must be, for works on `cluster`."""

LAGGING: Final = (
    "FROM work WHERE work.unit_uid = t.uid AND (d.everywhere OR work.cluster = {cluster}) AND work.removal IS NULL"
    f" AND NOT {REACHED.format(awaited='d.state')}"
)
"""The works of a dependency that are not as far as they must be, for works on `cluster`."""

NEEDED: Final = (
    "unit_dependency d JOIN unit t ON t.namespace = d.namespace AND t.name = d.name"
    " JOIN work w ON w.unit_uid = d.unit_uid AND (d.everywhere OR w.cluster = {cluster})"
    " AND (w.applied_digest IS NOT NULL OR w.member_uid <> '') WHERE NOT " + PLACED
)
"""Units that leave `cluster`, and a work by which a member still holds a unit that depends on them."""

_MET: Final = (
    f"t.uid IS NOT NULL AND t.delete_time IS NULL AND t.decided_generation >= t.generation AND {PLACED}"
    f" AND NOT EXISTS (SELECT 1 {LAGGING})"
).format(cluster=":cluster")

# A drift is put right whatever is waited for: what runs there ran before.
_CORRECTION: Final = "work.reason IN ('DriftDetected', 'Contested')"

GATES: Final = (
    # The lowest place by unit that a later written wave waits for.
    "awaiting AS (SELECT unit_uid, min(wave) AS low FROM work WHERE cluster = :cluster AND awaited <> ''"
    f" AND removal IS NULL AND NOT {REACHED.format(awaited='awaited')} GROUP BY unit_uid),"
    # Units that wait for others. Where a unit is not placed itself nothing of it waits.
    " waiting AS (SELECT DISTINCT d.unit_uid FROM unit_dependency d"
    " JOIN binding b ON b.unit_uid = d.unit_uid AND b.cluster = :cluster"
    " LEFT JOIN unit t ON t.namespace = d.namespace AND t.name = d.name"
    " WHERE d.unit_uid IN (SELECT unit_uid FROM work WHERE cluster = :cluster AND dirty)"
    f" AND NOT ({_MET})),"
    # Units that are leaving and that others still need.
    f" needed AS (SELECT DISTINCT t.uid FROM {NEEDED.format(cluster=':cluster')}"
    " AND t.uid IN (SELECT unit_uid FROM work WHERE cluster = :cluster AND dirty AND removal IS NOT NULL))"
)
"""Common table expressions."""

JOIN_GATES: Final = (
    "LEFT JOIN awaiting ON awaiting.unit_uid = u.uid LEFT JOIN waiting ON waiting.unit_uid = u.uid"
    " LEFT JOIN needed ON needed.uid = u.uid"
)
"""To units `u`."""

MAY_APPLY: Final = (
    f"({_CORRECTION} OR ((awaiting.low IS NULL OR floor(work.wave / {STEPS}.0) <= floor(awaiting.low / {STEPS}.0))"
    " AND waiting.unit_uid IS NULL))"
)
MAY_REMOVE: Final = "(needed.uid IS NULL OR work.removal = 'Orphan')"
