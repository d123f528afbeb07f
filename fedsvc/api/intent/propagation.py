"""Whether what a unit says of its propagation makes sense."""

from collections.abc import Iterator, Sequence
from typing import Final

from fedsvc.api.intent.manifests import Template
from fedsvc.api.names import UnitName, parse_unit
from fedsvc.api.problems import Problems
from fedsvc.errors import InvalidInputError
from fedsvc.model.unit import ConflictMode, FieldPolicy, FieldRule, Propagation
from fedsvc.rendering.fieldpaths import FieldPath, is_within, parse_field_path
from fedsvc.rendering.marks import FIELD_MANAGER, MARK_DOMAIN
from fedsvc.rendering.overrides import resource_matches
from fedsvc.rendering.takeover import TOOLS
from fedsvc_placement.validate import validate_selector

_MAX_MANAGER: Final = 128  # characters of a field manager's name, by Kubernetes
# What tells which object it is, or whose: no rule changes what is done about it.
_FIXED: Final = ("apiVersion", "kind", "metadata.name", "metadata.namespace", "metadata.managedFields")
_REPLICAS: Final = parse_field_path("spec.replicas")
_WHOLE: Final = ("metadata", "metadata.labels", "metadata.annotations")


def check_propagation(
    propagation: Propagation, name: UnitName, templates: Sequence[Template], path: str, problems: Problems
) -> Iterator[str]:
    """Note what is wrong; gives warnings of what is only odd.

    Args:
        propagation: as the unit says it.
        name: of the unit.
        templates: its resources, those that could be read.
        path: where it stands in the request.
        problems: where what is wrong goes.
    """
    for index, rule in enumerate(propagation.fields):
        place = f"{path}.fields[{index}]"
        _check_rule(rule, place, problems)
        if templates and not any(
            resource_matches(rule.target, template.key, template.labels) for template in templates
        ):
            yield f"{place}.target matches none of the unit's resources"
    _check_migrate(propagation, f"{path}.migrate", problems)
    _check_others(propagation.adopts, name, f"{path}.adopts", problems)
    _check_others(propagation.gives, name, f"{path}.gives", problems)


def ignored_replicas(propagation: Propagation, path: str) -> Iterator[str]:
    """Warnings of rules that leave replicas to others, for a unit whose placement divides them."""
    for index, rule in enumerate(propagation.fields):
        if rule.policy is FieldPolicy.IGNORE and is_within(_REPLICAS, parse_field_path(rule.path)):
            yield (
                f"{path}.fields[{index}] leaves replicas to whoever sets them, and the placement divides them: "
                "what it gives a cluster reaches new objects only"
            )


def _check_rule(rule: FieldRule, place: str, problems: Problems) -> None:
    if rule.target.selector is not None:
        for problem in validate_selector(rule.target.selector, f"{place}.target.selector"):
            problems.add(problem.path, problem.message)
    try:
        field = parse_field_path(rule.path)
    except ValueError as error:
        problems.add(f"{place}.path", str(error))
        return
    if any(is_within(field, parse_field_path(fixed)) for fixed in _FIXED):
        problems.add(f"{place}.path", f"{rule.path} tells which object it is: no policy changes that")
    elif rule.policy is FieldPolicy.IGNORE and (rule.path in _WHOLE or _is_mark(field)):
        problems.add(f"{place}.path", f"fedsvc's own marks are below it ({MARK_DOMAIN}/...): name single keys of yours")


def _is_mark(field: FieldPath) -> bool:
    if len(field) < 3 or field[0].field != "metadata" or field[1].field not in ("labels", "annotations"):
        return False
    return field[2].is_any or (field[2].field or "").startswith(f"{MARK_DOMAIN}/")


def _check_migrate(propagation: Propagation, path: str, problems: Problems) -> None:
    if propagation.migrate and propagation.conflict is ConflictMode.ABORT:
        problems.add(path, "needs propagation.conflict adopt or overwrite: with abort nothing is taken over")
    seen: set[str] = set()
    for index, manager in enumerate(propagation.migrate):
        place = f"{path}[{index}]"
        if not manager or len(manager) > _MAX_MANAGER or not manager.isprintable():
            problems.add(place, f"is neither one of {', '.join(TOOLS)} nor the name of a field manager")
        elif manager == FIELD_MANAGER:
            problems.add(place, "is fedsvc's own field manager: leave it out")
        elif manager in seen:
            problems.add(place, f"'{manager}' stands here twice")
        seen.add(manager)


def _check_others(units: Sequence[str], name: UnitName, path: str, problems: Problems) -> None:
    seen: set[str] = set()
    for index, unit in enumerate(units):
        place = f"{path}[{index}]"
        try:
            parse_unit(unit, place)
        except InvalidInputError as error:
            problems.extend(error.problems)
            continue
        if unit == str(name):
            problems.add(place, "is this very unit")
        elif unit in seen:
            problems.add(place, f"'{unit}' stands here twice")
        seen.add(unit)
