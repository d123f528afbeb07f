"""The domain errors of the service; `fedsvc.api.status` maps each to one gRPC status.

FedsvcError
  InvalidInputError            one or more fields of the input are wrong
    DependencyCycleError       a unit would wait for itself
  NotFoundError                there is no such object
  AlreadyExistsError           the object is there already
  EtagMismatchError            the object changed since the caller read it
  PreconditionError            the state of the system forbids it
    ObjectOwnedError           a Kubernetes object belongs to another unit
    UnitManagedError           fedsvc makes and changes the unit itself
    InUseError                 something still refers to the object
    RemovalUnconfirmedError    more would be removed from members than goes without a confirmation
    ProtectedError             something of a protected unit would be removed
    DeletingError              the object is being deleted
    NotDecidedError            the unit is not decided on yet
    NotReplayableError         a decision cannot be made again from what is kept of it
    NothingToConfirmError      nothing waits for a confirmation
    NoEarlierRevisionError     there is nothing to go back to
    RolloutStateError          the rollout does not stand where that can be done
    DrillStateError            a drill cannot be begun or stopped now
    NotOnClustersError         a unit is not on clusters that it would have to be on
  RequestIdReusedError         the request id was used for another request
  LimitExceededError           a stated limit is passed
  ResumeTokenExpiredError      a watch cannot go on from there
  WatchTooSlowError            a reader of a watch does not keep up
  UnauthenticatedError         no token, or one that is not known
  StoreUnavailableError        PostgreSQL does not answer
  SchemaError                  the database's schema is not one this release can use
  ConfigurationError           the settings do not make sense
"""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with one field."""

    path: str  # of the field, in the caller's own words: "unit.spec.placement.replicas.clusters[0].min"
    message: str  # what is wrong and what would be right


class FedsvcError(Exception):
    """The root; its text is fit to be shown to the caller."""


class InvalidInputError(FedsvcError):
    """Fields of the input are wrong: mend all of `problems` and call again."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{problem.path}: {problem.message}" for problem in problems))


class DependencyCycleError(InvalidInputError):
    """A unit would wait for itself."""

    def __init__(self, *, path: str, cycle: str) -> None:
        super().__init__(Problem(path=path, message=f"closes a cycle, in which nothing could ever begin: {cycle}"))


class NotFoundError(FedsvcError):
    """There is no object of that name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{name} does not exist")


class AlreadyExistsError(FedsvcError):
    """There is an object of that name already."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{name} exists already")


class EtagMismatchError(FedsvcError):
    """The object changed since it was read: read it again and redo the change."""

    def __init__(self, name: str, *, stored: str) -> None:
        self.name = name
        self.stored = stored
        super().__init__(f"{name} was changed by somebody else meanwhile: read it again, then redo your change")


class PreconditionError(FedsvcError):
    """The state of the system forbids the call; repeating it alone does not help."""


class ObjectOwnedError(PreconditionError):
    """A Kubernetes object of the unit belongs to another unit."""

    def __init__(self, *, path: str, key: str, unit: str) -> None:
        self.path = path
        self.key = key
        self.unit = unit
        super().__init__(
            f"{path}: {key} belongs to {unit}; an object can be part of one unit only: hand it over, name that unit "
            "in propagation.adopts, or remove it there first"
        )


class UnitManagedError(PreconditionError):
    """The unit is of what clusters export; what these export changes it, and nobody else."""

    def __init__(self, name: str, *, service: str) -> None:
        self.name = name
        super().__init__(
            f"{name} is fedsvc's own: it imports the Service {service} that clusters export; to end it, delete the"
            " ServiceExports of that name"
        )


class InUseError(PreconditionError):
    """Something still refers to the object."""

    def __init__(self, name: str, *, used_by: tuple[str, ...], advice: str = "") -> None:
        self.name = name
        self.used_by = used_by
        shown = ", ".join(used_by[:5]) + (f" and {len(used_by) - 5} more" if len(used_by) > 5 else "")
        super().__init__(f"{name} is used by {shown}{f': {advice}' if advice else ''}")


class RemovalUnconfirmedError(PreconditionError):
    """More would be removed from members than goes without a confirmation."""

    def __init__(self, name: str, *, objects: int, reason: str, why: str, what: Collection[str]) -> None:
        self.name = name
        self.objects = objects
        self.reason = reason
        listed = sorted(what)
        more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
        goes = f"{objects} object{'' if objects == 1 else 's'} would be removed from members"
        super().__init__(
            f"{goes}: {', '.join(listed[:5])}{more}; {why}: confirm it by naming {name} in confirmed_removals"
        )


class ProtectedError(PreconditionError):
    """Something of a protected unit would be removed."""

    def __init__(self, name: str, loses: str) -> None:
        self.name = name
        super().__init__(f"{name} is protected and would lose {loses}: take protection back first")


class DeletingError(PreconditionError):
    """The object is being deleted and cannot be changed any more."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{name} is being deleted: wait until it is gone, then create it anew")


class ClusterGoneError(FedsvcError):
    """A cluster that was decided on is registered no more: decide again."""


class NotDecidedError(PreconditionError):
    """The unit is not decided on yet."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{name} is not decided on yet: try again in a moment, or ask what would be decided now")


class NotReplayableError(PreconditionError):
    """A decision cannot be made again from what is kept of it."""

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        super().__init__(f"{name} cannot be replayed: {why}")


class NothingToConfirmError(PreconditionError):
    """Nothing waits for this confirmation, or what waits is of another revision."""

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        super().__init__(why)


class NoEarlierRevisionError(PreconditionError):
    """The unit has no earlier revision, or none is kept: there is nothing to go back to."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{name} has no earlier revision that is kept: there is nothing to go back to")


class RolloutStateError(PreconditionError):
    """The rollout does not stand where that can be done."""

    def __init__(self, *, phase: str, message: str) -> None:
        self.phase = phase
        super().__init__(message)


class DrillStateError(PreconditionError):
    """A drill cannot be begun or stopped now."""

    def __init__(self, why: str, message: str) -> None:
        self.why = why  # CamelCase constant
        super().__init__(message)


class NotOnClustersError(PreconditionError):
    """A unit is not on clusters on which objects are that it is to get: there they would be removed."""

    def __init__(self, name: str, *, clusters: tuple[str, ...]) -> None:
        self.name = name
        self.clusters = clusters
        shown = ", ".join(clusters[:5]) + (f" and {len(clusters) - 5} more" if len(clusters) > 5 else "")
        super().__init__(
            f"{name} is not on {shown}, where objects would be removed that change hands: place it there first"
        )


class RequestIdReusedError(FedsvcError):
    """The request id was used before, for another request: take a new one."""

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        super().__init__(f"request_id {request_id} was used for another request")


class LimitExceededError(FedsvcError):
    """A stated limit is passed."""

    def __init__(self, limit: str, value: int, message: str) -> None:
        self.limit = limit
        self.value = value
        super().__init__(message)


class ResumeTokenExpiredError(FedsvcError):
    """Changes since that token are no longer kept: list again, then watch from the list's token."""


class WatchTooSlowError(FedsvcError):
    """The reader of a watch does not keep up: resume from the last token it got."""


class UnauthenticatedError(FedsvcError):
    """The call brings no token, or one that is not known or has ended."""


class StoreUnavailableError(FedsvcError):
    """PostgreSQL does not answer: the call may be tried again."""


class SchemaError(FedsvcError):
    """The schema of the database is newer than this release knows, or cannot be migrated."""


class ConfigurationError(FedsvcError):
    """The settings do not make sense; the text names the setting and what would be right."""
