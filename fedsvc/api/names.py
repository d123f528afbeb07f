"""Names of resources in the API (AIP-122): parsing, with a message that shows the right form, and formatting."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from fedsvc.api.problems import Problems
from fedsvc.model.hold import FLEET_SUBJECT, REGIONS
from fedsvc.rendering.names import dns_label_problem, label_value_problem

MAX_CLUSTER_ID: Final = 48
"""Cluster ids become parts of object names and DNS labels, which leave room for a suffix."""

_MOST_DIGITS: Final = 18  # an id is a signed number of 64 bits

ANY: Final = "-"
"""The wildcard of AIP-159: any namespace, any unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitName:
    """Which unit."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"namespaces/{self.namespace}/units/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitParent:
    """Whose resources or works to list; None stands for any."""

    namespace: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceName:
    """Which federated resource."""

    unit: UnitName
    id: int

    def __str__(self) -> str:
        return f"{self.unit}/resources/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionName:
    """Which revision of a unit."""

    unit: UnitName
    number: int

    def __str__(self) -> str:
        return f"{self.unit}/revisions/{self.number}"


def check_cluster_id(name: str, path: str, problems: Problems) -> None:
    """Note what keeps `name` from being the id of a cluster."""
    problem = dns_label_problem(name)
    if problem is None and len(name) > MAX_CLUSTER_ID:
        problem = f"has {len(name)} characters; at most {MAX_CLUSTER_ID} are allowed"
    if problem is not None:
        problems.add(path, problem)


def parse_cluster(text: str, path: str) -> str:
    """The id in ``clusters/{cluster}``.

    Raises:
        InvalidInputError: it is not of that form.
    """
    return _single(text, path, "clusters", "clusters/{cluster}")


def parse_drill(text: str, path: str) -> int:
    """The number in ``drills/{drill}``.

    Raises:
        InvalidInputError: it is not of that form.
    """
    number = _single(text, path, "drills", "drills/{drill}")
    if not (number.isascii() and number.isdecimal() and len(number) < _MOST_DIGITS):
        problems = Problems()
        problems.add(path, f"is '{text[:64]}'; write drills/{{drill}}, as ListDrills names it")
        problems.refuse()
    return int(number)


def parse_placement_policy(text: str, path: str) -> str:
    """The id in ``placementPolicies/{policy}``.

    Raises:
        InvalidInputError: it is not of that form.
    """
    return _single(text, path, "placementPolicies", "placementPolicies/{policy}")


def parse_override_policy(text: str, path: str) -> str:
    """The id in ``overridePolicies/{policy}``.

    Raises:
        InvalidInputError: it is not of that form.
    """
    return _single(text, path, "overridePolicies", "overridePolicies/{policy}")


def parse_status_policy(text: str, path: str) -> str:
    """The id in ``statusPolicies/{policy}``.

    Raises:
        InvalidInputError: it is not of that form.
    """
    return _single(text, path, "statusPolicies", "statusPolicies/{policy}")


def parse_zone(text: str, path: str) -> str:
    """The id in ``zones/{zone}``.

    Raises:
        InvalidInputError: it is not of that form.
    """
    return _single(text, path, "zones", "zones/{zone}")


def parse_unit(text: str, path: str) -> UnitName:
    """The parts of ``namespaces/{namespace}/units/{unit}``.

    Raises:
        InvalidInputError: it is not of that form.
    """
    problems = Problems()
    match text.split("/"):
        case ["namespaces", namespace, "units", name]:
            _check_label(namespace, path, "namespace", problems)
            _check_label(name, path, "unit", problems)
            problems.refuse()
            return UnitName(namespace=namespace, name=name)
    raise _refused(problems, text, path, "namespaces/{namespace}/units/{unit}")


def parse_resource(text: str, path: str) -> ResourceName:
    """The parts of ``namespaces/{namespace}/units/{unit}/resources/{resource}``.

    Raises:
        InvalidInputError: it is not of that form.
    """
    unit, slash, number = text.rpartition("/resources/")
    if slash and number.isascii() and number.isdecimal() and len(number) <= 18:
        return ResourceName(unit=parse_unit(unit, path), id=int(number))
    raise _refused(Problems(), text, path, "namespaces/{namespace}/units/{unit}/resources/{number}")


def parse_hold_subject(text: str, path: str, *, has_regions: bool = False) -> str:
    """What a hold is of: ``fleet``, ``clusters/{cluster}`` or ``namespaces/{namespace}/units/{unit}``.

    Args:
        text: as it was given.
        path: of the field.
        has_regions: whether ``regions/{region}`` will do, too.

    Raises:
        InvalidInputError: it is none of them.
    """
    if text == FLEET_SUBJECT:
        return text
    if text.startswith("clusters/"):
        return f"clusters/{parse_cluster(text, path)}"
    if text.startswith("namespaces/"):
        return str(parse_unit(text, path))
    if has_regions and text.startswith(REGIONS) and label_value_problem(text.removeprefix(REGIONS)) is None:
        return text
    regions = "regions/{region}, " if has_regions else ""
    form = f"{FLEET_SUBJECT}, {regions}clusters/{{cluster}} or namespaces/{{namespace}}/units/{{unit}}"
    raise _refused(Problems(), text, path, form)


def parse_revision(text: str, path: str) -> RevisionName:
    """The parts of ``namespaces/{namespace}/units/{unit}/revisions/{number}``.

    Raises:
        InvalidInputError: it is not of that form.
    """
    unit, slash, number = text.rpartition("/revisions/")
    if slash and number.isascii() and number.isdecimal() and len(number) <= 18:
        return RevisionName(unit=parse_unit(unit, path), number=int(number))
    raise _refused(Problems(), text, path, "namespaces/{namespace}/units/{unit}/revisions/{number}")


def parse_rollout(text: str, path: str) -> UnitName:
    """The unit in ``namespaces/{namespace}/units/{unit}/rollout``.

    Raises:
        InvalidInputError: it is not of that form.
    """
    unit, slash, rest = text.rpartition("/rollout")
    if slash and not rest:
        return parse_unit(unit, path)
    raise _refused(Problems(), text, path, "namespaces/{namespace}/units/{unit}/rollout")


def parse_decision(text: str, path: str) -> str:
    """The id in ``decisions/{decision}``.

    Raises:
        InvalidInputError: it is not of that form.
    """
    collection, _, name = text.partition("/")
    try:
        if collection == "decisions":
            return str(UUID(name))
    except ValueError:
        pass
    raise _refused(Problems(), text, path, "decisions/{decision}, whose id is a UUID")


def parse_namespace_parent(text: str, path: str) -> str | None:
    """The namespace in ``namespaces/{namespace}``; None for ``namespaces/-`` and for nothing at all: any.

    Raises:
        InvalidInputError: it is not of that form.
    """
    if text in ("", f"namespaces/{ANY}"):
        return None
    return _single(text, path, "namespaces", "namespaces/{namespace}, or namespaces/- for all")


def parse_unit_parent(text: str, path: str) -> UnitParent:
    """The parts of ``namespaces/{namespace}/units/{unit}``, each of which may be ``-``; nothing at all means any.

    Raises:
        InvalidInputError: it is not of that form.
    """
    if not text:
        return UnitParent()
    problems = Problems()
    match text.split("/"):
        case ["namespaces", namespace, "units", name]:
            if namespace != ANY:
                _check_label(namespace, path, "namespace", problems)
            if name != ANY:
                _check_label(name, path, "unit", problems)
            problems.refuse()
            return UnitParent(namespace=None if namespace == ANY else namespace, name=None if name == ANY else name)
    raise _refused(problems, text, path, "namespaces/{namespace}/units/{unit}, where - stands for any")


def parse_request_id(text: str, path: str = "request_id") -> str | None:
    """The canonical spelling of a version 4 UUID; None where none is given.

    Raises:
        InvalidInputError: it is not one.
    """
    if not text:
        return None
    problems = Problems()
    try:
        value = UUID(text)
    except ValueError:
        value = None
    if value is None or value.version != 4 or len(text) != 36:
        problems.add(
            path, f"'{text[:64]}' is not a random UUID (version 4) such as 1c9f9b3e-6f0a-4d0c-9a0e-3f6f6f1b2a77"
        )
        problems.refuse()
    return str(value)


def _single(text: str, path: str, collection: str, form: str) -> str:
    problems = Problems()
    match text.split("/"):
        case [first, name] if first == collection:
            _check_label(name, path, collection, problems)
            problems.refuse()
            return name
    raise _refused(problems, text, path, form)


def _check_label(name: str, path: str, what: str, problems: Problems) -> None:
    if (problem := dns_label_problem(name)) is not None:
        problems.add(path, f"{what}: {problem}")


def _refused(problems: Problems, text: str, path: str, form: str) -> Exception:
    shown = "is missing" if not text else f"'{text[:200]}' is not a name of this kind"
    problems.add(path, f"{shown}: write {form}")
    return problems.error()
