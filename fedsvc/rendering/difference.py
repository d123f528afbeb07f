"""What of the desired object a live object does not hold: a comparison of what we own, not of the whole object."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fedsvc.rendering.listkeys import is_set, keyed_items
from fedsvc.rendering.patch import json_equal
from fedsvc.rendering.paths import child_path
from fedsvc.rendering.quantities import equal_quantities, holds_quantity

# Identity: the live object was read by it, perhaps in another served version of its API.
_NOT_COMPARED: Final = ("apiVersion", "kind")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field that is not as desired.

    Attributes:
        path: as people read it: ``spec.template.spec.containers[name=web].image``.
        desired: the value we want.
        live: the value that stands there; None where the field is absent (see `live_absent`).
        live_absent: True where there is no such field.
    """

    path: str
    desired: Any
    live: Any
    live_absent: bool = False


def differences(desired: Mapping[str, Any], live: Mapping[str, Any]) -> list[Difference]:
    """Where `live` does not hold what `desired` says, sorted by path; what `desired` does not name is others'.

    What API servers rewrite is no difference: quantities, Secret.stringData (kept as data), nulls and empty objects
    (dropped), defaults added to items of lists.
    """
    wanted = _without_string_data(desired) if desired.get("kind") == "Secret" else desired
    found = [
        difference
        for name, value in wanted.items()
        if name not in _NOT_COMPARED
        for difference in _compare_member("", "", name, value, live)
    ]
    return sorted(found, key=lambda difference: difference.path)


def _without_string_data(secret: Mapping[str, Any]) -> Mapping[str, Any]:
    plain = secret.get("stringData")
    if not isinstance(plain, dict):
        return secret
    data = secret.get("data")
    encoded = {name: base64.b64encode(str(text).encode()).decode() for name, text in plain.items()}
    merged = {**data, **encoded} if isinstance(data, dict) else encoded
    return {**{name: value for name, value in secret.items() if name != "stringData"}, "data": merged}


def _compare_member(path: str, parent: str, name: str, desired: Any, live: Mapping[str, Any]) -> Iterator[Difference]:
    place = child_path(path, name)
    if desired is None or desired == {} or (desired == [] and live.get(name) is None):
        return
    if name not in live:
        yield Difference(path=place, desired=desired, live=None, live_absent=True)
        return
    yield from _compare(place, parent, name, desired, live[name])


def _compare(path: str, parent: str, field: str, desired: Any, live: Any) -> Iterator[Difference]:
    if isinstance(desired, dict) and isinstance(live, dict):
        for name, value in desired.items():
            yield from _compare_member(path, field, name, value, live)
    elif isinstance(desired, list) and isinstance(live, list):
        yield from _compare_lists(path, field, desired, live)
    elif not json_equal(desired, live) and not (holds_quantity(parent, field) and equal_quantities(desired, live)):
        yield Difference(path=path, desired=desired, live=live)


def _compare_lists(path: str, field: str, desired: list[Any], live: list[Any]) -> Iterator[Difference]:
    if is_set(field):
        for item in desired:
            if item not in live:
                yield Difference(path=f"{path}[={item}]", desired=item, live=None, live_absent=True)
        return
    wanted, present = keyed_items(field, desired), keyed_items(field, live)
    if wanted is not None and present is not None:
        for key, item in wanted.items():
            if key in present:
                yield from _compare(f"{path}[{key}]", field, "", item, present[key])
            else:
                yield Difference(path=f"{path}[{key}]", desired=item, live=None, live_absent=True)
    elif len(desired) != len(live):
        yield Difference(path=path, desired=desired, live=live)
    else:
        for index, (item, other) in enumerate(zip(desired, live, strict=True)):
            yield from _compare(f"{path}[{index}]", field, "", item, other)
