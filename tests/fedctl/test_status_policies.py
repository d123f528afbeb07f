"""Status policies by the command line, against a real server."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from fedctl.files.convert import Findings, read_message
from fedsvc.api.convert.status_policy import read_status_rule
from fedsvc.api.problems import Problems
from fedsvc.rendering.status.health import HEALTHY
from fedsvc.rendering.status.rules import compile_rule
from fedsvc.v1 import policy_pb2

EXAMPLES = Path(__file__).parents[2] / "examples" / "status-policies.yaml"

POLICY = """\
apiVersion: fedsvc.io/v1
kind: StatusPolicy
metadata: {name: argo}
spec:
  rules:
    - group: argoproj.io
      kind: Rollout
      health: status.phase == 'Healthy'
      desiredReplicas: spec.replicas
      readyReplicas: status.?readyReplicas.orValue(0)
      fields:
        - {name: ready, value: status.readyReplicas, aggregation: sum}
"""


async def test_a_status_policy_is_applied_shown_and_deleted(town: Any) -> None:
    made = await town.fedctl("apply", "-f", "-", stdin=POLICY)
    assert "statuspolicy/argo created" in made.stdout, made.output
    assert "statuspolicy/argo unchanged" in (await town.fedctl("apply", "-f", "-", stdin=POLICY)).stdout

    table = (await town.fedctl("get", "statuspolicies")).stdout
    assert "argo" in table
    assert "Rollout" in table
    assert "argo" in (await town.fedctl("get", "policies")).stdout
    document = (await town.fedctl("get", "statuspolicy", "argo", "-o", "yaml")).stdout
    assert "kind: StatusPolicy" in document
    again = await town.fedctl("apply", "-f", "-", stdin=document[document.index("apiVersion") :])
    assert "statuspolicy/argo unchanged" in again.stdout, again.output

    gone = await town.fedctl("delete", "statuspolicy", "argo")
    assert "statuspolicy/argo deleted" in gone.stdout, gone.output
    assert (await town.fedctl("get", "statuspolicy", "argo")).exit_code == 3


async def test_a_wrong_expression_is_told_with_its_line(town: Any) -> None:
    wrong = await town.fedctl("apply", "-f", "-", stdin=POLICY.replace("status.phase ==", "stat.phase =="))
    assert wrong.exit_code == 1
    assert "spec.rules[0].health: there is no variable 'stat'; did you mean status?" in wrong.stderr
    assert ":8:" in wrong.stderr


async def test_the_examples_are_taken(town: Any) -> None:
    applied = await town.fedctl("apply", "-f", str(EXAMPLES))
    assert applied.exit_code == 0, applied.output
    for name in ("openkruise", "argo", "spark"):
        assert f"statuspolicy/{name} created" in applied.stdout


@pytest.mark.parametrize(
    ("kind", "status", "state", "reason"),
    [
        ("CloneSet", {"observedGeneration": 2, "updatedReadyReplicas": 3, "readyReplicas": 3}, "Healthy", ""),
        ("CloneSet", {"observedGeneration": 2, "updatedReadyReplicas": 1}, "Progressing", ""),
        ("CloneSet", {"observedGeneration": 1, "updatedReadyReplicas": 3}, "Progressing", ""),
        ("CloneSet", {}, "Progressing", ""),
        ("Rollout", {"phase": "Degraded", "message": "aborted"}, "Degraded", "Degraded"),
        ("Rollout", {"phase": "Paused"}, "Progressing", "Paused"),
        ("Rollout", {}, "Progressing", "NotObserved"),
        ("Workflow", {"phase": "Error"}, "Degraded", "Error"),
        ("Workflow", {}, "Progressing", "Pending"),
        ("SparkApplication", {"applicationState": {"state": "FAILED"}}, "Degraded", "FAILED"),
        ("SparkApplication", {}, "Progressing", "NEW"),
    ],
)
def test_the_examples_judge_objects_as_their_projects_mean_it(
    kind: str, status: dict[str, Any], state: str, reason: str
) -> None:
    found = Problems()
    rules = [
        read_status_rule(read_message(policy_pb2.StatusRule, rule, (), Findings()), "", found)
        for document in yaml.safe_load_all(EXAMPLES.read_text())
        for rule in document["spec"]["rules"]
        if rule["kind"] == kind
    ]
    live = {"metadata": {"generation": 2}, "spec": {"replicas": 3}, "status": status}
    judged = compile_rule("example", rules[0]).judge(live, otherwise=HEALTHY)
    assert (judged.health.state.value, judged.health.reason) == (state, reason)
    assert "ruleErrors" not in judged.status
