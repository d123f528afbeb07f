"""What counts as refused by automation, and what is told of it together."""

from datetime import UTC, datetime
from typing import Any

import pytest

from fedsvc.controllers.auditing import refused_moves, refused_removals
from fedsvc.health import Automation, BreakerState, Health, Verdict
from fedsvc.model.audit import AuditKind, AuditOutcome, NewRecord
from fedsvc.model.failover import FailoverMode, FailoverPolicy
from fedsvc.model.hold import FLEET_SUBJECT
from fedsvc.model.pending import Ailment, Standing, Stop, pending_move
from fedsvc.store.automation import Sight, Stored
from fedsvc.store.removals import HeldRemoval

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
LOST = Health(verdict=Verdict.UNREACHABLE, since=NOW, message="refused")
STORED = Stored(version=3, state=BreakerState(automation=Automation.HOLDING, reason="TooManyLost"), sight=Sight())


def standing(unit: str = "web", cluster: str = "a", **fields: Any) -> Standing:
    given: dict[str, Any] = {
        "unit_name": f"namespaces/shop/units/{unit}",
        "cluster": cluster,
        "policy": FailoverPolicy(),
        "health": LOST,
        "is_bound": True,
        "reconsider_time": None,
        "departure": None,
    }
    return Standing(**(given | fields))


def refused(stop: Stop, *found: Standing) -> list[NewRecord]:
    moves = [(one, move) for one in found if (move := pending_move(one, stop, NOW)) is not None]
    records = refused_moves(moves, stop, STORED, [])
    assert all(one.outcome is AuditOutcome.REFUSED for one in records)
    return records


def test_what_is_borne_for_a_time_is_no_refusal() -> None:
    assert refused(Stop(), standing()) == []


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        (Stop(held=frozenset({FLEET_SUBJECT})), "Held"),
        (Stop(held=frozenset({"clusters/a"})), "Held"),
        (Stop(held=frozenset({"regions/eu"}), regions={"a": "regions/eu"}), "Held"),
        (Stop(off_message="two members"), "AutomationOff"),
        (Stop(held=frozenset({FLEET_SUBJECT, "namespaces/shop/units/web"})), "Held"),
    ],
)
def test_what_keeps_all_units_on_a_lost_cluster_is_one_refusal(stop: Stop, reason: str) -> None:
    (one,) = refused(stop, standing("web"), standing("db"))
    assert (one.reason, one.unit, one.cluster) == (reason, "", "a")
    assert one.units == ["namespaces/shop/units/db", "namespaces/shop/units/web"]
    assert one.message.startswith("2 units stay on a, which is lost: ")
    assert one.evidence["automation"] == {"state": "Holding", "reason": "TooManyLost"}
    assert one.evidence["health"]["message"] == "refused"


def test_each_lost_cluster_has_a_refusal_of_its_own() -> None:
    found = refused(Stop(held=frozenset({FLEET_SUBJECT})), standing(cluster="a"), standing(cluster="b"))
    assert sorted(one.cluster for one in found) == ["a", "b"]


@pytest.mark.parametrize(
    ("one", "stop", "reason"),
    [
        (standing(policy=FailoverPolicy(mode=FailoverMode.MANUAL)), Stop(), "Manual"),
        (standing(policy=FailoverPolicy(mode=FailoverMode.NEVER)), Stop(), "Never"),
        (standing(), Stop(held=frozenset({"namespaces/shop/units/web"})), "Held"),
        (
            standing(
                health=Health(verdict=Verdict.HEALTHY),
                ailment=Ailment(reason="UnhealthyEverywhere", message="crashes", due_time=None),
            ),
            Stop(),
            "UnhealthyEverywhere",
        ),
    ],
)
def test_what_is_the_units_own_reason_is_told_of_it(one: Standing, stop: Stop, reason: str) -> None:
    (found,) = refused(stop, one)
    assert (found.kind, found.reason, found.unit, found.cluster) == (AuditKind.FAILOVER, reason, one.unit_name, "a")
    assert found.evidence["policy"]["mode"] == one.policy.mode.value


def test_a_removal_that_is_kept_back_is_a_refusal() -> None:
    held = HeldRemoval(
        unit_name="namespaces/shop/units/web", cluster="a", reason="Protected", message="m", object_count=3
    )
    (one,) = refused_removals([held])
    assert (one.kind, one.reason, one.evidence) == (AuditKind.REMOVAL, "Protected", {"objects": 3})
