"""Properties of server-side apply that hold for any configurations."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.simulator.managed import (
    APPLY,
    UPDATE,
    ConflictError,
    Manager,
    apply,
    decode,
    update,
    without_managed_fields,
)
from fedsvc.simulator.schema import ATOMIC, SET, Schema, SchemaError, Shape, keyed, struct
from fedsvc.simulator.typed import field_set, merge, same

SCHEMA = struct(
    metadata=struct(labels=Schema(shape=Shape.MAP, element=ATOMIC)),
    spec=struct(items=keyed("name", element=struct(ports=keyed("port"))), tags=SET, whole=ATOMIC),
)
_SCALARS = st.one_of(st.integers(0, 3), st.sampled_from(["a", "b"]), st.booleans())
_NAMES = st.sampled_from(["x", "y", "z"])


def unique(key: str, **parts: Any) -> Any:
    item = st.fixed_dictionaries({key: parts.pop("of", _NAMES)}, optional=parts)
    return st.lists(item, max_size=3, unique_by=lambda value: value[key])


_PORTS = unique("port", of=st.integers(1, 3), value=_SCALARS)
_SPECS = st.fixed_dictionaries(
    {},
    optional={
        "replicas": _SCALARS,
        "items": unique("name", image=_SCALARS, ports=_PORTS),
        "tags": st.lists(_NAMES, unique=True, max_size=3),
        "whole": st.lists(_SCALARS, max_size=3),
        "deep": st.fixed_dictionaries({}, optional={"one": _SCALARS, "two": _SCALARS}),
    },
)
_LABELS = st.dictionaries(_NAMES, st.sampled_from(["1", "2"]), max_size=3)


def config(spec: dict[str, Any], labels: dict[str, str]) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "n", "namespace": "ns"}
    if labels:
        metadata["labels"] = labels
    return {"metadata": metadata, "spec": spec} if spec else {"metadata": metadata}


CONFIGS = st.builds(config, _SPECS, _LABELS)


def manager(name: str, operation: str = APPLY) -> Manager:
    return Manager(name=name, operation=operation, api_version="v1")


def applied(live: Any, wanted: Any, name: str = "one", *, force: bool = False, now: str = "t1") -> dict[str, Any]:
    return apply(live, wanted, schema=SCHEMA, manager=manager(name), force=force, now=now)


def owned(body: dict[str, Any], name: str) -> Any:
    found = [entry.fields for entry in decode(body).values() if entry.manager.name == name]
    return found[0] if found else {}


@given(CONFIGS)
def test_applying_twice_is_applying_once(wanted: dict[str, Any]) -> None:
    once = applied(None, wanted)
    assert applied(once, wanted, now="t2") == once


@given(CONFIGS)
def test_what_is_created_is_what_was_sent(wanted: dict[str, Any]) -> None:
    assert without_managed_fields(applied(None, wanted)) == wanted


@given(CONFIGS, CONFIGS)
def test_a_sole_applier_gets_exactly_what_he_sends_now(first: dict[str, Any], second: dict[str, Any]) -> None:
    after = without_managed_fields(applied(applied(None, first), second))
    assert ordered(without_empty(after)) == ordered(without_empty(second))


@given(CONFIGS, CONFIGS)
def test_a_forced_apply_holds_all_it_sent_and_owns_it(first: dict[str, Any], second: dict[str, Any]) -> None:
    after = applied(applied(None, first, "one"), second, "two", force=True)
    bare = without_managed_fields(after)
    assert same(merge(bare, second, SCHEMA), bare)
    expected = field_set(second, SCHEMA)
    expected.pop("f:metadata", None)
    got = dict(owned(after, "two"))
    got.pop("f:metadata", None)
    assert got == expected


@given(CONFIGS, CONFIGS)
def test_without_force_nothing_of_others_changes(first: dict[str, Any], second: dict[str, Any]) -> None:
    live = applied(None, first, "one")
    after = None
    with suppress(ConflictError):
        after = applied(live, second, "two")
    if after is None:
        return
    assert same(merge(without_managed_fields(after), first, SCHEMA), without_managed_fields(after))
    assert owned(after, "one") == owned(live, "one")


@given(CONFIGS, CONFIGS)
def test_who_leaves_takes_only_his_own(first: dict[str, Any], second: dict[str, Any]) -> None:
    live = applied(None, first, "one")
    both = applied(live, second, "two", force=True)
    left = applied(both, config({}, {}), "two")
    assert owned(left, "two") == {}
    kept = owned(left, "one")
    assert kept == owned(both, "one")


@given(CONFIGS, CONFIGS)
def test_an_update_owns_what_it_changed(first: dict[str, Any], second: dict[str, Any]) -> None:
    live = applied(None, first, "one")
    new = {**second, "metadata": {**second["metadata"]}}
    after = update(live, new, schema=SCHEMA, manager=manager("editor", UPDATE), now="t2", blank={})
    if not decode(live):
        assert not decode(after)
    elif json.dumps(without_managed_fields(after)) == json.dumps(without_managed_fields(live)):  # False is not 0
        assert after == live
    assert without_managed_fields(after) == second


@given(CONFIGS, CONFIGS)
def test_no_argument_is_changed(first: dict[str, Any], second: dict[str, Any]) -> None:
    live = applied(None, first, "one")
    before, wanted = repr(live), repr(second)
    applied(live, second, "two", force=True)
    assert (repr(live), repr(second)) == (before, wanted)


def test_an_item_without_its_key_is_refused() -> None:
    with pytest.raises(SchemaError, match='omits key field "name"'):
        applied(None, config({"items": [{"image": "a"}]}, {}))


def test_an_item_that_comes_twice_is_refused() -> None:
    with pytest.raises(SchemaError, match="duplicate entries for key"):
        applied(None, config({"items": [{"name": "x"}, {"name": "x"}]}, {}))


def test_the_first_apply_on_an_untracked_object_can_conflict() -> None:
    live = config({"replicas": 1}, {})
    with pytest.raises(ConflictError, match=r'conflict with "before-first-apply" using v1: \.spec\.replicas'):
        applied(live, config({"replicas": 2}, {}))


def without_empty(value: Any) -> Any:
    """Empty containers may remain where the last item went: the API server drops them when it stores."""
    if isinstance(value, dict):
        parts = {name: without_empty(part) for name, part in value.items()}
        return {name: part for name, part in parts.items() if part not in ({}, [])}
    if isinstance(value, list):
        return [without_empty(item) for item in value]
    return value


def ordered(value: Any) -> Any:
    """Keyed lists and sets have no order of their own."""
    if isinstance(value, dict):
        return {name: part if name == "whole" else ordered(part) for name, part in value.items()}
    if isinstance(value, list):
        return sorted((ordered(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value
