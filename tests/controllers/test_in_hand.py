import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from fedsvc.controllers.group_writing import GroupWriter, Report
from fedsvc.controllers.in_hand import Excluded, InHand
from fedsvc.controllers.results import count_unlike
from fedsvc.model.unit import WorkState
from fedsvc.model.work import WorkResult
from fedsvc_placement import Placement

PATH = "/api/v1/namespaces/shop/configmaps/settings"


def result(work_id: int, generation: int = 1) -> WorkResult:
    return WorkResult(id=work_id, generation=generation, state=WorkState.APPLIED)


def test_what_is_acted_on_is_left_out_whatever_its_generation_and_what_is_answered_in_that_one() -> None:
    hand = InHand()
    for work_id in (3, 1, 2):
        hand.take(work_id)
    hand.answered(2, 7)
    hand.put_back([3])

    assert hand.excluded == Excluded(ids=(1,), answered=((2, 7),))
    assert (sorted(hand), len(hand), 3 in hand, 2 in hand) == ([1, 2], 2, False, True)


def test_a_work_is_in_hand_until_the_newest_result_is_stored() -> None:
    hand = InHand()
    hand.take(1)
    hand.answered(1, 1)
    hand.take(1)  # what became of it since
    assert not hand.stored(1, 1)
    hand.answered(1, 2)
    assert hand.excluded == Excluded(answered=((1, 2),))
    assert hand.stored(1, 2)
    assert len(hand) == 0


def test_a_result_that_is_not_the_newest_leaves_the_newest_unstored() -> None:
    hand = InHand()
    hand.answered(1, 1)
    hand.answered(1, 2)
    assert not hand.stored(1, 1)
    assert hand.excluded == Excluded(answered=((1, 2),))


@pytest.mark.parametrize(
    ("ids", "count"), [((), 0), ((1, 2, 3), 3), ((1, 2, 1), 2), ((1, 1), 1)], ids=["none", "unlike", "later", "at once"]
)
def test_one_transaction_stores_one_result_of_each_work(ids: Sequence[int], count: int) -> None:
    assert count_unlike([result(work_id) for work_id in ids]) == count


async def test_a_change_is_sent_though_what_came_of_the_one_before_is_not_stored_yet(
    world: Any, make_config_map: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    may_store = asyncio.Event()
    store = GroupWriter._write_rows

    async def slowly(self: GroupWriter, reports: Sequence[Report]) -> None:
        await may_store.wait()
        await store(self, reports)

    monkeypatch.setattr(GroupWriter, "_write_rows", slowly)
    for version in ("1", "2", "3"):
        await world.apply("web", make_config_map(v=version), placement=Placement(clusters=("a",)))

        async def arrived(version: str = version) -> bool:
            live = await world.get("a", PATH)
            return live is not None and live["data"] == {"v": version}

        await world.until(arrived)
    assert [work.state for work in await world.works("web")] == [WorkState.PENDING]
    may_store.set()

    await world.until_state("web", "Ready")
    [work] = await world.works("web")
    assert work.applied_digest == work.desired_digest
