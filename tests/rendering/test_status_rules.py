"""Status rules: what they make of objects, what sums up, and how they fail."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.rendering.cel import CelError
from fedsvc.rendering.status.health import HEALTHY, Health, HealthState
from fedsvc.rendering.status.rules import Aggregation, FieldRule, StatusRule, compile_rule, compile_rules

OBJECT = {
    "metadata": {"name": "web", "generation": 3},
    "spec": {"replicas": 4},
    "status": {"ready": 3, "phase": "Live", "observedGeneration": 3, "hosts": ["b", "a"]},
}


def rule(**fields: Any) -> StatusRule:
    return StatusRule(group="example.com", kind="Shop", **fields)


def judged(live: Any = None, **fields: Any) -> Any:
    return compile_rule("shops", rule(**fields)).judge(OBJECT if live is None else live, otherwise=HEALTHY)


@pytest.mark.parametrize(
    ("health", "state"),
    [
        ("status.ready == spec.replicas", HealthState.PROGRESSING),
        ("status.ready < spec.replicas", HealthState.HEALTHY),
        ("status.phase == 'Live' ? 'Degraded' : 'Unknown'", HealthState.DEGRADED),
        ("", HealthState.HEALTHY),
    ],
)
def test_an_object_does_as_the_expression_says_and_without_one_as_its_conditions_say(
    health: str, state: HealthState
) -> None:
    assert judged(health=health).health.state is state


def test_a_rule_tells_reason_message_replicas_and_fields() -> None:
    found = judged(
        health="'Progressing'",
        reason="status.phase",
        message="string(status.ready) + ' of ' + string(spec.replicas)",
        desired_replicas="spec.replicas",
        ready_replicas="status.ready",
        fields=(FieldRule(name="open", value="status.ready > 0"),),
    )
    assert found.health == Health(state=HealthState.PROGRESSING, reason="Live", message="3 of 4")
    assert found.counts == (4, 3)
    assert found.status == {"generation": 3, "observedGeneration": 3, "open": True}


@pytest.mark.parametrize(
    ("fields", "where", "why"),
    [
        ({"health": "status.nope"}, "health", "there is no field nope"),
        ({"health": "'Fine'"}, "health", "gives 'Fine'; it must give true, false or one of Healthy"),
        ({"health": "true", "message": "3"}, "message", "it must give a string"),
        ({"desired_replicas": "-1"}, "desiredReplicas", "it must give an integer from 0"),
        ({"fields": (FieldRule(name="x", value="0.0 / 0.0"),)}, "fields[0].value", "what JSON cannot say"),
    ],
)
def test_what_fails_is_told_and_the_rest_goes_on(fields: dict[str, Any], where: str, why: str) -> None:
    found = judged(**fields | {"ready_replicas": "1"})
    assert why in found.status["ruleErrors"][where]
    assert found.health.reason == "StatusRuleFailed"
    assert found.health.message.startswith(f"status policy shops, {where}: ")
    assert found.health.state is (HealthState.UNKNOWN if where == "health" else HealthState.HEALTHY)


def test_an_object_that_is_being_deleted_is_on_its_way() -> None:
    live = OBJECT | {"metadata": {"deletionTimestamp": "2026-01-02T03:04:05Z"}}
    assert judged(live, health="true").health.reason == "Terminating"


@pytest.mark.parametrize(
    ("aggregation", "values", "total"),
    [
        (Aggregation.SUM, [1, 2.5, "x", True], 3.5),
        (Aggregation.MIN, [3, 2], 2),
        (Aggregation.MAX, [3, 2], 3),
        (Aggregation.ALL, [True, False], False),
        (Aggregation.ANY, [True, False], True),
        (Aggregation.UNION, [["b", "a"], ["a"], "c"], ["a", "b", "c"]),
        (Aggregation.SUM, ["x"], None),
        (None, [1], None),
    ],
)
def test_values_of_clusters_sum_up_as_the_rule_says(aggregation: Aggregation | None, values: Any, total: Any) -> None:
    compiled = compile_rule("shops", rule(fields=(FieldRule(name="v", value="1", aggregation=aggregation),)))
    statuses = {f"c{number}": {"v": value} for number, value in enumerate(values)}
    assert compiled.aggregate(statuses | {"silent": {}}) == ({} if total is None else {"v": total})


def test_a_sum_names_the_clusters_whose_rules_failed() -> None:
    compiled = compile_rule("shops", rule())
    assert compiled.aggregate({"b": {"ruleErrors": {"health": "x"}}, "a": {}}) == {"ruleErrors": ["b"]}


def test_an_expression_that_is_none_is_refused_with_its_place() -> None:
    with pytest.raises(CelError, match=r"fields\[0\].value: there is no variable 'stat'; did you mean status\?"):
        compile_rule("shops", rule(fields=(FieldRule(name="x", value="stat.x"),)))


def test_of_two_policies_for_a_kind_the_first_by_name_counts() -> None:
    found = compile_rules([("b", [rule(health="true")]), ("a", [rule(health="false"), rule(health="?")])])
    assert found["example.com", "Shop"].policy == "a"


@given(
    st.dictionaries(
        st.sampled_from(["metadata", "spec", "status"]),
        st.none() | st.text() | st.dictionaries(st.text(), st.integers()),
    ),
    st.sampled_from(["status.ready > 1", "status.x.y == spec.z", "object.spec == status", "metadata.size() > 1"]),
)
def test_no_object_makes_a_rule_fail_loudly(live: Any, health: str) -> None:
    found = judged(live, health=health)
    assert found.health.state in set(HealthState)
