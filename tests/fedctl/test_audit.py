"""The audit as people see it."""

import datetime as dt
import json
from typing import Any

import pytest

from fedctl.output import audit_views
from fedsvc.v1 import audit_pb2

NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)


def said(result: Any) -> str:
    """What fedctl wrote: the service logs to the same stream here."""
    assert result.exit_code == 0, result.output
    return "".join(line for line in result.stdout.splitlines(keepends=True) if not line.startswith("20"))


@pytest.mark.postgres
async def test_the_audit_tells_who_did_what_and_can_be_narrowed(town: Any) -> None:
    assert (await town.join("a")).exit_code == 0
    assert (await town.fedctl("hold", "--why", "network")).exit_code == 0
    assert (await town.fedctl("cordon", "a")).exit_code == 0
    shown = said(await town.fedctl("audit", "--kind", "hold"))
    assert shown.splitlines()[0].split() == ["LAST", "KIND", "OUTCOME", "UNIT", "WHERE", "REASON", "BY", "MESSAGE"]
    assert "automation is held: network" in shown
    assert "tester" in shown
    found = json.loads(said(await town.fedctl("audit", "--cluster", "a", "--by", "tester", "-o", "json")))
    assert [one["reason"] for one in found["records"]] == ["Taints", "Joined"]
    assert found["records"][0]["evidence"] == {"taints": ["fedsvc.io/cordoned:NoSchedule"]}
    names = said(await town.fedctl("audit", "--by", "tester", "-o", "name")).split()
    assert len(names) == 3
    assert all(name.startswith("audit/") for name in names)
    assert (await town.fedctl("audit", "shop", "--since", "5m", "--refused")).stderr == "nothing was done or refused\n"
    assert said(await town.fedctl("audit", "--limit", "1", "-o", "name")).count("\n") == 1
    assert (await town.fedctl("audit", "--kind", "nonsense")).exit_code == 2


@pytest.mark.parametrize(
    ("record", "cells"),
    [
        (
            {"unit": "namespaces/shop/units/web", "cluster": "a", "outcome": audit_pb2.AUDIT_OUTCOME_DID},
            ("Did", "shop/web", "a", "automation"),
        ),
        (
            {"unit_count": 12, "cluster": "a", "outcome": audit_pb2.AUDIT_OUTCOME_REFUSED},
            ("Refuses", "12 units", "a", "automation"),
        ),
        ({"region": "eu", "author": "ann", "outcome": audit_pb2.AUDIT_OUTCOME_DID}, ("Did", "-", "region/eu", "ann")),
        ({"author": "ann", "outcome": audit_pb2.AUDIT_OUTCOME_DID}, ("Did", "-", "fleet", "ann")),
        (
            {"unit": "namespaces/shop/units/web", "outcome": audit_pb2.AUDIT_OUTCOME_DID},
            ("Did", "shop/web", "-", "automation"),
        ),
    ],
)
def test_a_record_is_a_line(record: dict[str, Any], cells: tuple[str, ...]) -> None:
    row = audit_pb2.AuditRecord(**record)
    table = audit_views.records(lambda: NOW)
    found = {column.title: column.text(row) for column in table.columns}
    assert tuple(found[title] for title in ("OUTCOME", "UNIT", "WHERE", "BY")) == cells


def test_a_refusal_that_is_over_is_told_so() -> None:
    row = audit_pb2.AuditRecord(outcome=audit_pb2.AUDIT_OUTCOME_REFUSED)
    row.end_time.FromDatetime(NOW)
    assert audit_views.outcome_text(row) == "Refused"
