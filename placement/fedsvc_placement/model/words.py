"""The words that mean something in a placement.

Words that come from a document are kept as the `str` the user wrote, so that `validate` can name them; the enumerations
here list those that mean something. They are `StrEnum`s, hence equal to their words.
"""

from enum import StrEnum
from typing import Final

CORDON_TAINT: Final = "fedsvc.io/cordoned"
"""Key of the taint of a cordoned cluster, with effect NoSchedule: nothing new comes, what runs stays."""

MAINTENANCE_TAINT: Final = "fedsvc.io/maintenance"
"""Key of the taint of a cluster under maintenance: NoSchedule when it is announced, NoExecute while it lasts."""


class Operator(StrEnum):
    """How a requirement compares a label or a field with its values (Kubernetes label selectors)."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class ClusterField(StrEnum):
    """A field of a cluster that `FieldRequirement`s look at."""

    PROVIDER = "provider"
    REGION = "region"
    ZONE = "zone"


class Effect(StrEnum):
    """What a taint does to units that do not tolerate it."""

    # Nothing new comes here; a unit that is here already stays, and its replicas may grow.
    NO_SCHEDULE = "NoSchedule"
    # Lowers the cluster's score: used last where only some of the fitting clusters are taken.
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    # Nothing new comes here and what is here leaves, at once or when its toleration ends.
    NO_EXECUTE = "NoExecute"
    # Keeps exactly what runs here: no new unit, and no more replicas for a unit that stays.
    NO_SCHEDULE_NEW = "NoScheduleNew"


class TolerationOperator(StrEnum):
    """How a toleration compares a taint's value."""

    EQUAL = "Equal"
    EXISTS = "Exists"


class GroupReturn(StrEnum):
    """Whether a unit that fell back to a later affinity group returns to an earlier one that fits again."""

    NEVER = "Never"
    # As soon as it fits.
    IMMEDIATE = "Immediate"
    # Once it has fitted for `stable_seconds` without a break.
    AFTER = "After"


class Topology(StrEnum):
    """What makes clusters lie together, for spread constraints and affinity between units."""

    CLUSTER = "cluster"
    ZONE = "zone"
    REGION = "region"
    PROVIDER = "provider"
    # The value of a label, whose key is given beside it.
    LABEL = "label"


class AffinityMode(StrEnum):
    """Whether a unit wants to be where other units are, or where they are not."""

    TOGETHER = "Together"
    APART = "Apart"


class DataAccess(StrEnum):
    """What a unit does with a dataset."""

    # Any copy that is fresh enough will do.
    READ = "Read"
    # Only the primary will do.
    WRITE = "Write"


class Mode(StrEnum):
    """Whether each chosen cluster gets all replicas or its part of them."""

    DUPLICATED = "Duplicated"
    DIVIDED = "Divided"


class Strategy(StrEnum):
    """How replicas are divided in mode `Divided`."""

    # By the weights of the rules.
    WEIGHTED = "Weighted"
    # By how many replicas each cluster has room for.
    CAPACITY = "Capacity"
    # On as few clusters as hold them.
    AGGREGATED = "Aggregated"
    # The first tier as far as it has room, then the next.
    OVERFLOW = "Overflow"


class Movement(StrEnum):
    """How much a new division minds what runs already."""

    # As few replicas as possible move: more are added, fewer are taken away, the others stay.
    STEADY = "Steady"
    # As if nothing ran.
    FRESH = "Fresh"


class Trigger(StrEnum):
    """What gave rise to a decision: whether it may move what runs well is up to the unit's `Stability`."""

    # The unit itself or its policy was changed.
    INTENT = "Intent"
    # Labels or location of a cluster changed.
    LABELS = "Labels"
    # A cluster came.
    CLUSTER_JOINED = "ClusterJoined"
    # Room, cost or scores of clusters changed.
    CAPACITY = "Capacity"
    # A person or schedule asked for it.
    REBALANCE = "Rebalance"
    # Anything else: taints, other units, time.
    OTHER = "Other"
