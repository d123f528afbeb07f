"""What a unit says that it waits for, checked; and what is odd about it as things are now."""

from collections.abc import Mapping, Sequence

from fedsvc.api.names import UnitName, parse_unit
from fedsvc.api.problems import Problems
from fedsvc.errors import InvalidInputError
from fedsvc.model.dependency import DependencyScope, UnitId, unit_words
from fedsvc.model.unit import UnitSpec
from fedsvc.rendering.names import dns_label_problem

_SHOWN = 5


def check_dependencies(spec: UnitSpec, unit: UnitName, path: str, problems: Problems) -> None:
    """Note what is wrong with the names of the units that `unit` waits for; cycles are found where units are stored."""
    first: dict[UnitId, int] = {}
    for index, dependency in enumerate(spec.depends_on):
        place = f"{path}[{index}].unit"
        if not dependency.unit:
            problems.add(place, "is missing: the unit to wait for")
            continue
        if "/" in dependency.unit:
            try:
                parse_unit(dependency.unit, place)
            except InvalidInputError as error:
                problems.extend(error.problems)
                continue
        elif (problem := dns_label_problem(dependency.unit)) is not None:
            problems.add(place, problem)
            continue
        target = dependency.target(unit.namespace)
        if (other := first.setdefault(target, index)) != index:
            problems.add(place, f"{unit_words(target, unit.namespace)} stands here twice, also as [{other}]: keep one")


def dependency_warnings(
    spec: UnitSpec, namespace: str, clusters: Sequence[str], placed: Mapping[UnitId, Sequence[str] | None]
) -> list[str]:
    """What a unit that is placed on `clusters` would wait for without end, as things are now.

    Args:
        spec: of the unit.
        namespace: of the unit.
        clusters: where it would be placed.
        placed: where those of its dependencies are that exist; None: it is being deleted.
    """
    found = []
    for index, dependency in enumerate(spec.depends_on):
        target = dependency.target(namespace)
        where = f"depends_on[{index}]: {unit_words(target, namespace)}"
        there = placed.get(target)
        if target not in placed:
            found.append(f"{where} does not exist yet; this unit waits for it")
        elif there is None:
            found.append(f"{where} is being deleted; this unit waits for it")
        elif dependency.where is DependencyScope.EVERYWHERE:
            if not there:
                found.append(f"{where} is placed nowhere; this unit waits for it")
        elif without := [name for name in clusters if name not in there]:
            shown = ", ".join(without[:_SHOWN]) + (f" and {len(without) - _SHOWN} more" if without[_SHOWN:] else "")
            found.append(f"{where} is not placed on {shown}; there this unit waits for it")
    return found
