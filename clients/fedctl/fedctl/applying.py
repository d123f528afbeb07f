"""Applying one item of a plan: to the server, and what to tell of the answer."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from fedctl.failures import Exit, Failure, UsageFailure
from fedctl.files.plan import Item
from fedctl.files.shape import FLEET_NAME
from fedctl.output.views import object_text
from fedctl.output.words import enum_word
from fedctl.removals import UnconfirmedFailure, is_unconfirmed
from fedctl.target import Target
from fedsvc.v1 import fleet_pb2, policy_pb2, unit_pb2, unit_service_pb2, zone_pb2
from fedsvc_client import (
    AlreadyExistsError,
    Client,
    ConflictError,
    FieldProblem,
    InvalidArgumentError,
    NotFoundError,
    PreconditionError,
    ResourceExhaustedError,
    split_unit_name,
)
from fedsvc_client.names import last_part

_ATTEMPTS = 4

_PATH = re.compile(r"(?P<path>unit(?:\.[a-z_]+|\[\d+\])+): (?P<message>.*)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an apply did."""

    line: str
    details: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()  # what was taken for granted


def prepare_unit(client: Client, item: Item, target: Target) -> tuple[Item, tuple[str, ...]]:
    """Complete the unit of plain manifests: its placement, and what the stored unit says beside its resources.

    Returns:
        The item to apply, and remarks for the user.

    Raises:
        UsageFailure: The unit is new, and nothing says where it shall run.
    """
    if item.document is not None or not isinstance(item.message, unit_pb2.Unit):
        return item, ()
    try:
        stored = client.units.get(item.message.name)
    except NotFoundError:
        stored = None
    if stored is None and not target.given():
        raise UsageFailure(
            f"say where {item.title} shall run",
            hint="One of: --all-clusters, --clusters eu-1,us-1, --selector tier=prod, --placement POLICY",
        )
    unit = unit_pb2.Unit(name=item.message.name)
    if stored is not None:
        unit.labels.update(stored.labels)
        unit.annotations.update(stored.annotations)
        unit.spec.CopyFrom(stored.spec)
        unit.etag = stored.etag  # what is kept must be what was read
    unit.spec.ClearField("resources")
    unit.spec.resources.extend(item.message.spec.resources)
    remarks: tuple[str, ...] = ()
    if target.given():
        target.put_into(unit.spec)
    else:
        remarks = (f"{item.title} keeps its placement",)
    return replace(item, message=unit), remarks


def apply_item(client: Client, item: Item, target: Target, *, dry_run: bool, confirmed: Sequence[str] = ()) -> Outcome:
    """Apply one item; again where somebody was faster, unless the document says which version it changes.

    Raises:
        UsageFailure: A unit of plain manifests is new, and nothing says where it shall run.
        Failure: The server refuses it; every problem is told with file and line where there is one.
    """
    attempts = 1 if item.message.etag else _ATTEMPTS
    for attempt in range(attempts):
        prepared, remarks = prepare_unit(client, item, target)
        try:
            return replace(_apply(client, prepared, confirmed=confirmed, dry_run=dry_run), remarks=remarks)
        except ConflictError as error:
            if attempt == attempts - 1:
                hint = "Somebody else changed it meanwhile: apply again, or read it again with  fedctl get ... -o yaml"
                raise Failure(f"{item.title}: {error.message}", code=Exit.CONFLICT, hint=hint) from error
    raise AssertionError("the last attempt returns or raises")


def _apply(client: Client, item: Item, *, confirmed: Sequence[str], dry_run: bool) -> Outcome:
    message = item.message
    try:
        if isinstance(message, unit_pb2.Unit):
            return _unit_outcome(client.units.apply(message, confirmed_removals=confirmed, validate_only=dry_run))
        if isinstance(message, policy_pb2.PlacementPolicy):
            placement = client.policies.apply_placement(message, validate_only=dry_run)
            line = f"placementpolicy/{last_part(message.name)} {_word(placement.outcome)}"
            return Outcome(line=line, warnings=tuple(placement.warnings))
        if isinstance(message, fleet_pb2.FleetSettings):
            settings = client.placement.update_fleet_settings(message, validate_only=dry_run)
            word = "configured" if settings.changed else "unchanged"
            return Outcome(line=f"fleetsettings/{FLEET_NAME} {word}", warnings=tuple(settings.warnings))
        if isinstance(message, zone_pb2.Zone):
            zone = client.zones.apply(message, validate_only=dry_run)
            line = f"zone/{last_part(message.name)} {_word(zone.outcome)}"
            return Outcome(line=line, warnings=tuple(zone.warnings))
        if isinstance(message, policy_pb2.StatusPolicy):
            status = client.policies.apply_status(message, validate_only=dry_run)
            line = f"statuspolicy/{last_part(message.name)} {_word(status.outcome)}"
            return Outcome(line=line, warnings=tuple(status.warnings))
        override = client.policies.apply_override(message, validate_only=dry_run)
        line = f"overridepolicy/{last_part(message.name)} {_word(override.outcome)}"
        return Outcome(line=line, warnings=tuple(override.warnings))
    except InvalidArgumentError as error:
        lines = [item.locate(problem) for problem in error.fields] or [error.message]
        told = lines[0] if len(lines) == 1 else "\n  ".join([f"{len(lines)} problems:", *lines])
        raise Failure(f"{item.title} is refused: {told}") from error
    except (PreconditionError, AlreadyExistsError) as error:
        if isinstance(error, PreconditionError) and is_unconfirmed(error):
            raise UnconfirmedFailure(error, title=item.title) from error
        raise Failure(f"{item.title}: {_placed(item, error.message)}", code=Exit.CONFLICT) from error
    except ResourceExhaustedError as error:
        raise Failure(f"{item.title} is refused: {_beyond(item, error)}") from error


def _placed(item: Item, message: str) -> str:
    """Put file and line in the place of a path that a message begins with."""
    found = _PATH.match(message)
    return message if found is None else item.locate(FieldProblem(path=found["path"], message=found["message"]))


def _beyond(item: Item, error: ResourceExhaustedError) -> str:
    """Say where in the files a limit is passed: at the object that is too large, or the first that is too much."""
    found = _PATH.match(error.message)
    message = error.message if found is None else found["message"]
    unit = item.message if isinstance(item.message, unit_pb2.Unit) else unit_pb2.Unit()
    sizes = [len(manifest.json) for manifest in unit.spec.resources] if item.resources else []
    if not error.reason:  # gRPC refuses what is larger than any request may be, before the server sees it
        message = "the unit is larger than a request may be; split it into several units"
        if not sizes:
            return message
        largest = max(range(len(sizes)), key=sizes.__getitem__)
        return (
            f"{message} (its {len(sizes)} resources have {sum(sizes)} bytes together; "
            f"the largest, with {sizes[largest]}, is {item.place(largest)})"
        )
    if not sizes:
        return message
    limit, value = error.metadata.get("limit", ""), int(error.metadata.get("value", "0") or 0)
    match limit:
        case "max_manifest_bytes":
            passed = [size > value for size in sizes]
        case "max_unit_bytes":
            passed = [total > value for total in accumulate(sizes)]
        case "max_unit_resources":
            passed = [number > value for number in range(1, len(sizes) + 1)]
        case _:
            passed = []
    return f"{item.place(passed.index(True))}: {message}" if True in passed else message


def _unit_outcome(answer: unit_service_pb2.ApplyUnitResponse) -> Outcome:
    name = "/".join(split_unit_name(answer.unit.name))
    counts = Counter(_word(resource.outcome) for resource in answer.resources)
    parts = [f"{counts[word]} {word}" for word in ("created", "configured", "unchanged", "removed") if counts[word]]
    total = sum(count for word, count in counts.items() if word != "removed")
    inner = f"{total} resource{'' if total == 1 else 's'}" + (f": {', '.join(parts)}" if parts else "")
    clusters = ", ".join(answer.clusters) or "no cluster yet"
    waves = ", in waves" if answer.in_waves else ""
    return Outcome(
        line=f"unit/{name} {_word(answer.outcome)} ({inner}) on {clusters}{waves}",
        details=tuple(f"{object_text(resource.ref)} {_word(resource.outcome)}" for resource in answer.resources),
        warnings=tuple(answer.warnings),
    )


def _word(outcome: int) -> str:
    word = enum_word(unit_service_pb2.ApplyOutcome.DESCRIPTOR, outcome).lower()
    return "applied" if word == "-" else word
