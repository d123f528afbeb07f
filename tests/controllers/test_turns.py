from collections import Counter, defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.controllers.turns import Turns
from fedsvc.model.unit import ConflictMode, DriftMode
from fedsvc.model.work import DirtyWork
from fedsvc.rendering.identity import ObjectKey


def work(number: int, unit: str) -> DirtyWork:
    return DirtyWork(
        id=number,
        unit_uid=unit,
        unit_name=f"namespaces/shop/units/{unit}",
        cluster="a",
        key=ObjectKey(group="", version="v1", kind="ConfigMap", namespace="shop", name=f"c{number}"),
        wave=0,
        generation=1,
        digest=b"d",
        body=b"{}",
        removal=None,
        conflict=ConflictMode.ABORT,
        drift=DriftMode.CORRECT,
        attempts=0,
        member_uid="",
        applied_digest=None,
    )


UNITS = st.sampled_from("abcd")
STEPS = st.lists(st.one_of(UNITS, st.none()), max_size=80)  # a unit whose work is added, or a work taken


@given(STEPS)
def test_no_unit_is_taken_from_twice_before_every_other_that_waited_had_a_turn(steps: list[str | None]) -> None:
    turns = Turns()
    passed_over: dict[str, Counter[str]] = defaultdict(Counter)  # by unit that waits: turns others had meanwhile
    waiting: Counter[str] = Counter()
    for number, step in enumerate(steps):
        if step is not None:
            turns.add(work(number, step))
            waiting[step] += 1
        elif turns:
            taken = turns.take().unit_uid
            waiting[taken] -= 1
            passed_over.pop(taken, None)
            for other in [unit for unit, count in waiting.items() if count and unit != taken]:
                passed_over[other][taken] += 1
                assert passed_over[other][taken] == 1
    assert len(turns) == waiting.total()


@given(st.lists(UNITS, max_size=40))
def test_all_that_is_added_is_taken_once_in_the_order_of_its_unit(units: list[str]) -> None:
    turns = Turns()
    for number, unit in enumerate(units):
        turns.add(work(number, unit))
    taken: list[Any] = []
    while turns:
        taken.append(turns.take())

    assert sorted(entry.id for entry in taken) == list(range(len(units)))
    for unit in set(units):
        of_unit = [entry.id for entry in taken if entry.unit_uid == unit]
        assert of_unit == sorted(of_unit)


def test_nothing_is_taken_from_an_empty_or_cleared_queue() -> None:
    turns = Turns()
    turns.add(work(1, "a"))
    turns.clear()

    assert len(turns) == 0
    assert not turns.has("a")
    with pytest.raises(IndexError):
        turns.take()
