"""Pure: whether anything new is known of a member, from the conditions of its cluster."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fedsvc.model.cluster import ClusterObservation, ConditionStatus

MEMBER_UNREACHABLE: Final = "MemberUnreachable"
CREDENTIALS_INVALID: Final = "CredentialsInvalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Why a member is not heard."""

    reason: str  # constant CamelCase word, the same that its waiting works carry
    message: str  # sentence for people
    last_heard_time: datetime | None  # what is known of its objects is as of then; None: never


def silence_of(observation: ClusterObservation) -> Silence | None:
    """Why a member is not heard; None while it is, and before it was ever asked.

    A member that refuses our credential answers, but tells nothing of its objects.
    """
    conditions = {condition.type: condition for condition in observation.conditions}
    reachable, credentials = conditions.get("Reachable"), conditions.get("CredentialsValid")
    if reachable is not None and reachable.status is not ConditionStatus.TRUE:
        message = f"the cluster does not answer ({reachable.message})"
        return Silence(reason=MEMBER_UNREACHABLE, message=message, last_heard_time=observation.last_seen_time)
    if credentials is not None and credentials.status is ConditionStatus.FALSE:
        since = credentials.last_transition_time
        return Silence(reason=CREDENTIALS_INVALID, message=credentials.message, last_heard_time=since)
    return None
