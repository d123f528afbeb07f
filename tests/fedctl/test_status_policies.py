"""Status policies by the command line, against a real server."""

from typing import Any

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
