"""What a unit names that comes along, and what is odd about it as things are now."""

from collections.abc import Iterable, Sequence

from fedsvc.api.intent.manifests import Template
from fedsvc.rendering.identity import ObjectKey
from fedsvc.rendering.references import Reference, names_others, references_of


def named_elsewhere(templates: Sequence[Template]) -> list[tuple[ObjectKey, Reference]]:
    """What templates name, cannot do without and do not hold themselves, each once, with the first that names it."""
    own = {template.key.identity for template in templates}
    found: dict[tuple[str, str, str, str], tuple[ObjectKey, Reference]] = {}
    for template in templates:
        if names_others(*template.key.group_kind):
            for reference in references_of(template.key, template.manifest):
                if not reference.optional and reference.identity not in own:
                    found.setdefault(reference.identity, (template.key, reference))
    return list(found.values())


def unheld_warning(key: ObjectKey, reference: Reference, namespace: str) -> str:
    """Nobody holds what is named."""
    return f"{key} names {reference}, which no unit of {namespace} holds: it must be in the clusters by other means"


def dropped_warning(key: ObjectKey, units: Iterable[str]) -> str:
    """What is no longer part of a unit is still named."""
    shown = ", ".join(f"units/{name}" for name in units)
    return f"{key} is removed though {shown} names it and has it follow: its copies go, too"
