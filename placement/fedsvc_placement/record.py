"""Decisions as plain data, to be kept as JSON and read back to the same value."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any

from fedsvc_placement.model import (
    ClusterVerdict,
    Decision,
    Division,
    PlacementWarning,
    ScorePart,
    Share,
    Shortfall,
    Target,
    Verdict,
)


def to_dict(decision: Decision) -> dict[str, Any]:
    """Return a decision as JSON types; keys are the field names, instants are ISO 8601 text, tuples are lists."""
    return {part.name: _plain(getattr(decision, part.name)) for part in fields(decision)}


def _plain(value: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: _plain(value[key]) for key in sorted(value)}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if is_dataclass(value):
        return {part.name: _plain(getattr(value, part.name)) for part in fields(value)}
    return value


def from_dict(data: Mapping[str, Any]) -> Decision:
    """Return the decision that `to_dict` was given.

    Raises:
        KeyError: a field is missing.
        TypeError: a field is not known.
    """
    until = data["reconsider_at"]
    return Decision(
        **{
            **data,
            "clusters": tuple(_cluster_verdict(entry) for entry in data["clusters"]),
            "targets": tuple(Target(**entry) for entry in data["targets"]),
            "divisions": tuple(_division(entry) for entry in data["divisions"]),
            "shortfall": tuple(Shortfall(**entry) for entry in data["shortfall"]),
            "warnings": tuple(
                PlacementWarning(**{**entry, "names": tuple(entry["names"])}) for entry in data["warnings"]
            ),
            "reconsider_at": None if until is None else datetime.fromisoformat(until),
        }
    )


def _cluster_verdict(data: Mapping[str, Any]) -> ClusterVerdict:
    return ClusterVerdict(
        **{
            **data,
            "verdicts": tuple(Verdict(**entry) for entry in data["verdicts"]),
            "score": tuple(ScorePart(**entry) for entry in data["score"]),
        }
    )


def _division(data: Mapping[str, Any]) -> Division:
    return Division(
        **{**data, "steps": tuple(data["steps"]), "shares": tuple(Share(**entry) for entry in data["shares"])}
    )
