"""All that a decision was made from, in one value: kept beside it, and decided on again.

The fleet is the large part, and the same for many decisions; keep it under its digest, once.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any

from fedsvc_placement.decide import decide
from fedsvc_placement.fleet import prepare_fleet
from fedsvc_placement.model import (
    Decision,
    Fleet,
    Memory,
    PlacedUnit,
    Placement,
    PreviousBinding,
    Spoken,
    Trigger,
    UnitInput,
)
from fedsvc_placement.record import from_plain, to_plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The arguments of `decide` but for the fleet."""

    # The unit, policies resolved.
    unit: UnitInput
    # Where it was.
    previous: tuple[PreviousBinding, ...] = ()
    # What it remembered.
    memory: Memory = field(default_factory=Memory)
    # What gave rise to the decision: a word of `Trigger`.
    trigger: str = Trigger.OTHER
    # When it was made (time zone aware).
    now: datetime
    # The units around it that it looks at, besides those of the fleet.
    neighbours: tuple[PlacedUnit, ...] = ()
    # Room that decisions before it were given, in their order.
    spoken_for: tuple[Spoken, ...] = ()


def decide_on(inputs: Inputs, fleet: Fleet) -> Decision:
    """Decide on inputs as they were kept: the same decision, byte for byte, as long as `ENGINE_VERSION` is the same.

    Raises:
        ValueError: see `decide`; or a neighbour is a unit of the fleet too.
    """
    around = prepare_fleet(fleet)
    for spoken in inputs.spoken_for:
        around.speak_for(spoken.cluster, spoken.requests, spoken.replicas)
    if inputs.neighbours:
        around = around.beside((*fleet.units, *inputs.neighbours))
    return decide(inputs.unit, around, inputs.previous, inputs.now, memory=inputs.memory, trigger=inputs.trigger)


def inputs_to_dict(inputs: Inputs) -> dict[str, Any]:
    """Return inputs as JSON types."""
    unit = to_plain(inputs.unit, without=("placement",))
    unit["placement"] = _plain_placement(inputs.unit.placement)
    return {"unit": unit, **to_plain(inputs, without=("unit",))}


@lru_cache(maxsize=1_024)
def _plain_placement(placement: Placement) -> dict[str, Any]:
    """Return a placement as JSON types; many units have the same."""
    return to_plain(placement)


def inputs_from_dict(data: dict[str, Any]) -> Inputs:
    """Return the inputs that `inputs_to_dict` was given.

    Raises:
        TypeError: a field is missing or not known.
    """
    return from_plain(Inputs, data)


def fleet_to_json(fleet: Fleet) -> tuple[bytes, bytes]:
    """Return a fleet as canonical JSON, and the SHA-256 of that. Parts are sorted: their order means nothing."""
    plain = to_plain(fleet)
    for name, key in (("clusters", "name"), ("units", "key"), ("datasets", "name")):
        plain[name] = sorted(plain.get(name, ()), key=lambda entry: entry[key])
    body = json.dumps(plain, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    return body, sha256(body).digest()


def fleet_from_json(body: bytes) -> Fleet:
    """Return the fleet that `fleet_to_json` was given, its parts sorted.

    Raises:
        TypeError: a field is missing or not known.
    """
    return from_plain(Fleet, json.loads(body))
