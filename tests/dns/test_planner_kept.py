"""What has to outlive a process does so as JSON."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter

from fedsvc_dns.planner.facts import Endpoint, Kind, Port, Service
from fedsvc_dns.planner.memory import HealthPolicy, OnStale, Policy, State, TargetMemory
from fedsvc_dns.planner.zone import (
    Budget,
    DnsSettings,
    Layout,
    MinHealthy,
    OnAllDown,
    ServiceBinding,
    Strategy,
    Tier,
    Zone,
)

NOW = datetime(2026, 11, 26, 12, 0, 0, 300000, tzinfo=UTC)


@pytest.mark.parametrize(
    "made",
    [
        TargetMemory(
            state=State.RECOVERING,
            since=NOW,
            down_at=NOW - timedelta(seconds=3),
            penalty=1999.5,
            penalty_at=NOW,
            is_suppressed=True,
            is_withdrawn=True,
            is_ready=False,
            ready_since=NOW,
            addresses=("10.0.0.1", "lb.test"),
            endpoints=(Endpoint(id="a", addresses=("10.0.0.1",), hostname="a"),),
            ports=(Port(name="http", port=80),),
            emptied_at=NOW,
        ),
        Zone(name="prod", domain="example.com", layout=Layout.CNAME, is_frozen=True, budget=Budget(share=0.5)),
        Service(
            key="shop/web",
            kind=Kind.HEADLESS,
            namespace="shop",
            name="web",
            settings=DnsSettings(
                zone="prod",
                strategy=Strategy.FAILOVER,
                min_healthy=MinHealthy(share=0.5),
                on_all_down=OnAllDown.SORRY,
                weights={"a": 0},
                tiers=(Tier(labels=(("tier", "a"),)),),
                sorry=("192.0.2.1",),
                bindings=(ServiceBinding(port=8443),),
            ),
            hosts=("*.example.com",),
        ),
        Policy(health=HealthPolicy(on_stale=OnStale.REMOVE, unready_for=timedelta(milliseconds=250)), is_held=True),
    ],
    ids=lambda made: type(made).__name__,
)
def test_it_is_the_same_after_json(made: Any) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(type(made))

    assert adapter.validate_json(adapter.dump_json(made)) == made
