"""The gates of the claim, in SQL: what works wait for besides their turn.

They are asked of the rows at every claim, so nothing slips through while somebody works out what is open. What a unit
makes no use of costs it nothing: each part begins with an index that holds the units that do.

In all parts `:cluster` is the cluster whose works are claimed and `:units` the units whose turn it is; `d` is a dependency
of one unit on another, and `t` the unit that is depended on.
"""

from typing import Final

from fedsvc.rendering.kinds import LAST_CONFIGURATION_WAVE
from fedsvc.rendering.references import NAMING_NOTHING
from fedsvc.rendering.waves import STEPS


def same_object(one: str, other: str) -> str:
    """The rows of two aliases are of the same object, whatever version it is written in."""
    return " AND ".join(f"{one}.{column} = {other}.{column}" for column in ("group_", "kind", "namespace", "name"))


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

NAMES_SOMETHING: Final = (
    "({work}.group_ <> '' OR {work}.kind NOT IN ("
    + ", ".join(f"'{kind}'" for group, kind in NAMING_NOTHING if not group)
    + "))"
)
"""A work may name others; those that only are named need nobody, so units that name each other's can leave."""

NAMED_HERE: Final = (
    f"work k JOIN object_reference f ON f.cluster = k.cluster AND {same_object('f', 'k')} AND f.unit_uid <> k.unit_uid"
    " JOIN unit s ON s.uid = k.unit_uid JOIN unit u ON u.uid = f.unit_uid AND u.namespace = s.namespace"
    " JOIN work w ON w.unit_uid = f.unit_uid AND w.cluster = f.cluster"
    f" AND (w.applied_digest IS NOT NULL OR w.member_uid <> '') AND {NAMES_SOMETHING.format(work='w')}"
)
"""A work `k` of unit `s`, and a work `w` of unit `u`, held by the same member, that may name its object."""

COPY_OPEN: Final = (
    f"NOT EXISTS (SELECT 1 FROM work k WHERE k.cluster = f.cluster AND {same_object('k', 'f')}"
    " AND k.unit_uid = s.uid AND k.removal IS NULL"
    " AND (k.state NOT IN ('Pending', 'Retrying') OR k.reason = 'KindNotServed'))"
)
"""The object of unit `s` that `f` names is still to be applied where it is named. One that cannot be holds up nobody:
where it is there already and somebody else's, pods find it."""

_MET: Final = (
    f"t.uid IS NOT NULL AND t.delete_time IS NULL AND t.decided_generation >= t.generation AND {PLACED}"
    f" AND NOT EXISTS (SELECT 1 {LAGGING})"
).format(cluster=":cluster")

# A drift is put right whatever is waited for: what runs there ran before.
_CORRECTION: Final = "work.reason IN ('DriftDetected', 'Contested')"

GIVEN_UNITS: Final = (
    "(SELECT CAST(given.id AS uuid) AS uid FROM jsonb_array_elements_text(CAST(:units AS jsonb)) AS given (id))"
)
"""The units whose turn it is. JSON and not an array: of an array PostgreSQL looks how long it is, finds a plan for just this
one to be worth it, and plans every claim anew, which takes ten times as long as to carry it out."""

GATES: Final = (
    # The lowest place by unit that a later written wave waits for.
    "awaiting AS (SELECT unit_uid, min(wave) AS low FROM work WHERE cluster = :cluster AND awaited <> ''"
    f" AND unit_uid IN {GIVEN_UNITS}"
    f" AND removal IS NULL AND NOT {REACHED.format(awaited='awaited')} GROUP BY unit_uid),"
    # Units that wait for others. Where a unit is not placed itself nothing of it waits.
    " waiting AS (SELECT DISTINCT d.unit_uid FROM unit_dependency d"
    " JOIN binding b ON b.unit_uid = d.unit_uid AND b.cluster = :cluster"
    " LEFT JOIN unit t ON t.namespace = d.namespace AND t.name = d.name"
    f" WHERE d.unit_uid IN {GIVEN_UNITS}"
    f" AND NOT ({_MET})),"
    # Units that are leaving and that others still need.
    f" needed AS (SELECT DISTINCT t.uid FROM {NEEDED.format(cluster=':cluster')}"
    f" AND t.uid IN {GIVEN_UNITS}),"
    # Units whose works here name objects of others that are still to be applied here.
    " naming AS (SELECT DISTINCT f.unit_uid FROM object_reference f JOIN unit u ON u.uid = f.unit_uid"
    f" JOIN resource r ON {same_object('r', 'f')}"
    " JOIN unit s ON s.uid = r.unit_uid AND s.uid <> u.uid AND s.namespace = u.namespace AND s.delete_time IS NULL"
    f" WHERE f.cluster = :cluster AND f.unit_uid IN {GIVEN_UNITS}"
    f" AND {COPY_OPEN}),"
    # Works to be removed, of objects that their unit still has, that are named by what a member still holds.
    f" named AS (SELECT DISTINCT k.id FROM {NAMED_HERE} JOIN resource r ON r.unit_uid = k.unit_uid"
    f" AND {same_object('r', 'k')} WHERE k.cluster = :cluster AND k.unit_uid IN {GIVEN_UNITS} AND k.dirty AND k.removal IS NOT NULL)"
)
"""Common table expressions."""

MAY_BE_GATED: Final = (
    "EXISTS (SELECT 1 FROM work WHERE work.cluster = :cluster AND work.unit_uid = u.uid AND work.awaited <> '')"
    " OR EXISTS (SELECT 1 FROM unit_dependency d WHERE d.unit_uid = u.uid)"
    " OR EXISTS (SELECT 1 FROM unit t JOIN unit_dependency d ON d.namespace = t.namespace AND d.name = t.name"
    "   WHERE t.uid = u.uid)"
    " OR EXISTS (SELECT 1 FROM object_reference f WHERE f.cluster = :cluster AND f.unit_uid = u.uid)"
    " OR EXISTS (SELECT 1 FROM work k JOIN object_reference f ON f.cluster = k.cluster"
    f"  AND {same_object('f', 'k')} AND f.unit_uid <> k.unit_uid"
    "   WHERE k.cluster = :cluster AND k.unit_uid = u.uid AND k.dirty AND k.removal IS NOT NULL)"
)
"""Some gate may be closed for a unit `u`: each part is wider than one of `GATES`, and quick to plan. Where none holds
the gates need not be asked, whose planning takes thirty times as long as the rest of a claim."""

JOIN_GATES: Final = (
    "LEFT JOIN awaiting ON awaiting.unit_uid = u.uid LEFT JOIN waiting ON waiting.unit_uid = u.uid"
    " LEFT JOIN needed ON needed.uid = u.uid LEFT JOIN naming ON naming.unit_uid = u.uid"
)
"""To units `u`."""

MAY_APPLY: Final = (
    f"({_CORRECTION} OR ((awaiting.low IS NULL OR floor(work.wave / {STEPS}.0) <= floor(awaiting.low / {STEPS}.0))"
    " AND waiting.unit_uid IS NULL"
    # What only is named, and what comes before it, waits for nobody: units may name each other's.
    f" AND (naming.unit_uid IS NULL OR work.wave - floor(work.wave / {STEPS}.0) * {STEPS} <= {LAST_CONFIGURATION_WAVE})))"
)
MAY_REMOVE: Final = (
    "((needed.uid IS NULL AND NOT EXISTS (SELECT 1 FROM named WHERE named.id = work.id)) OR work.removal = 'Orphan')"
)
