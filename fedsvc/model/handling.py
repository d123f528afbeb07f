"""How one work is made to hold, as far as its unit says more than its modes: kept with the work, as text."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final

from fedsvc.model.unit import FieldPolicy, ImmutableMode, Propagation
from fedsvc.rendering.canonical import canonical_json, load_json
from fedsvc.rendering.fieldpaths import FieldPath, is_within, names_conflict, parse_field_path
from fedsvc.rendering.identity import ObjectKey
from fedsvc.rendering.overrides import resource_matches

RECREATION_UNCONFIRMED: Final = "RecreationUnconfirmed"
"""The reason of works whose object is to be made anew, and that wait for a confirmation."""


@dataclass(frozen=True, kw_only=True)
class Handling:
    """What holds for one work beside the modes of its unit.

    Attributes:
        fields: paths and what to do about them; of several that name a field the first counts.
        immutable: what to do about changes of what cannot be changed.
        migrate: whose fields become ours when the object is taken over.
    """

    fields: tuple[tuple[str, FieldPolicy], ...] = ()
    immutable: ImmutableMode = ImmutableMode.FAIL
    migrate: tuple[str, ...] = ()

    @cached_property
    def rules(self) -> tuple[tuple[FieldPath, FieldPolicy], ...]:
        """The paths, taken apart."""
        return tuple((parse_field_path(path), policy) for path, policy in self.fields)

    @cached_property
    def ignored(self) -> tuple[FieldPath, ...]:
        """Fields that are left to others once the object is there."""
        return tuple(path for path, policy in self.rules if policy is FieldPolicy.IGNORE)

    @cached_property
    def judges(self) -> bool:
        """Whether it depends on the field what is done about somebody else's value."""
        return any(policy is not FieldPolicy.IGNORE for _, policy in self.rules)

    def of_conflict(self, field: str) -> FieldPolicy | None:
        """The policy of a field as an API server names it in a conflict; None where no rule is of it."""
        return next((policy for path, policy in self.rules if names_conflict(path, field)), None)

    def of_path(self, text: str) -> FieldPolicy | None:
        """The policy of a field as a report of drift names it; None where no rule is of it."""
        try:
            field = parse_field_path(text)
        except ValueError:
            return None  # a name that only a broken object has; the modes say what becomes of it
        return next((policy for path, policy in self.rules if is_within(field, path)), None)


PLAIN = Handling()
"""Of works of units that say no more than their modes."""


def handling_of(propagation: Propagation, key: ObjectKey, labels: Mapping[str, str]) -> Handling:
    """What a unit says of one of its resources, whose template has these labels."""
    fields = tuple(
        (rule.path, rule.policy) for rule in propagation.fields if resource_matches(rule.target, key, labels)
    )
    return Handling(fields=fields, immutable=propagation.immutable, migrate=propagation.migrate)


def handling_text(handling: Handling) -> str:
    """The form that is stored: JSON; empty for what is plain, as nearly all are."""
    if handling == PLAIN:
        return ""
    plain = {"fields": handling.fields, "immutable": handling.immutable, "migrate": handling.migrate}
    return canonical_json({name: _listed(value) for name, value in plain.items() if value}).decode()


@lru_cache(maxsize=4096)
def read_handling(text: str) -> Handling:
    """What `handling_text` made the text from."""
    if not text:
        return PLAIN
    given = load_json(text.encode())
    return Handling(
        fields=tuple((path, FieldPolicy(policy)) for path, policy in given.get("fields", ())),
        immutable=ImmutableMode(given["immutable"]),
        migrate=tuple(given.get("migrate", ())),
    )


def _listed(value: Any) -> Any:
    return [_listed(item) for item in value] if isinstance(value, tuple) else value
