"""What is free in a cluster, from its nodes through a survey to the user's terminal."""

import asyncio
from functools import partial
from typing import Any

import pytest

from fedsvc.controllers import health

UNIT = """\
apiVersion: fedsvc.io/v1
kind: Unit
metadata: {name: web}
spec:
  placement: {clusters: [a]}
  resources:
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web}
    spec:
      replicas: 4
      selector: {matchLabels: {app: web}}
      template:
        metadata: {labels: {app: web}}
        spec:
          containers:
          - {name: web, image: web, resources: {requests: {cpu: "CORES", memory: 1Gi}}}
"""


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Members are surveyed often."""
    monkeypatch.setattr(health, "HealthSettings", partial(health.HealthSettings, survey_seconds=0.2))


async def shown(town: Any, *, free: tuple[str, str, str]) -> list[str]:
    """Wait until `get clusters -o wide` shows that in its columns; the words of the line."""
    words: list[str] = []
    async with asyncio.timeout(20):
        while tuple(words[9:12]) != free:
            await asyncio.sleep(0.1)
            result = await town.fedctl("get", "cluster", "a", "-o", "wide")
            words = next(line.split() for line in result.stdout.splitlines() if line.startswith("a  "))
    return words


async def test_a_unit_that_runs_leaves_less_free(often: None, town: Any) -> None:
    joined = await town.join("a", "--provider", "aws", "--jurisdiction", "EU", "--cost-core", "0.031")
    assert joined.exit_code == 0, joined.output
    line = await shown(town, free=("24/24", "96Gi/96Gi", "330/330"))
    assert line[13:15] == ["EU", "0.031/0"]

    applied = await town.fedctl("apply", "-f", "-", stdin=UNIT.replace("CORES", "500m"))
    assert applied.exit_code == 0, applied.output
    await shown(town, free=("22/24", "92Gi/96Gi", "326/330"))
    described = await town.fedctl("describe", "cluster", "a")
    assert "22 of 24 cores, 92Gi of 96Gi memory, 326 of 330 pods (read " in described.stdout


async def test_a_pod_that_no_node_takes_takes_nothing(often: None, town: Any) -> None:
    assert (await town.join("a", "--provider", "aws")).exit_code == 0
    await shown(town, free=("24/24", "96Gi/96Gi", "330/330"))
    applied = await town.fedctl("apply", "-f", "-", stdin=UNIT.replace("CORES", "5"))
    assert applied.exit_code == 0, applied.output

    await shown(town, free=("9/24", "93Gi/96Gi", "327/330"))
    waited = await town.fedctl("wait", "web", "--timeout", "0.2s")
    assert waited.exit_code == 5, waited.output
