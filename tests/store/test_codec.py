from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.model.cluster import Capacity, ClusterObservation, Condition, ConditionStatus, Connection, Credential
from fedsvc.model.unit import UnitClusterStatus, UnitSpec, UnitState, UnitStatus, WorkState
from fedsvc.rendering.overrides import Override, ResourceMatcher
from fedsvc.rendering.patch import PatchOperation
from fedsvc.store.codec import from_json, to_json
from fedsvc_placement.model import (
    ClusterMatcher,
    LabelRequirement,
    LabelSelector,
    Placement,
    ReplicaPolicy,
    ReplicaRule,
    Taint,
    Toleration,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
SELECTOR = LabelSelector(
    match_labels=(("tier", "prod"),),
    match_expressions=(LabelRequirement(key="region", operator="In", values=("eu", "us")),),
)
PLACEMENT = Placement(
    clusters=(),
    cluster_selector=SELECTOR,
    exclude=ClusterMatcher(names=("a",)),
    tolerations=(Toleration(key="k", toleration_seconds=0),),
    replicas=ReplicaPolicy(mode="Divided", total=3, clusters=(ReplicaRule(weight=0, min=1, max=2),)),
)
STATUS = UnitStatus(
    state=UnitState.APPLYING,
    conditions=(
        Condition(type="Placed", status=ConditionStatus.TRUE, reason="R", message="m", last_transition_time=NOW),
    ),
    clusters=(
        UnitClusterStatus(
            cluster="a",
            state=WorkState.RETRYING,
            reason="R",
            message="m",
            work_count=1,
            applied_work_count=0,
            healthy_work_count=0,
            desired_replicas=2,
            ready_replicas=1,
            update_time=NOW,
        ),
    ),
    observed_revision=7,
    decision="d",
)


def round_trip(kind: Any, value: Any) -> Any:
    return from_json(kind, orjson.loads(orjson.dumps(to_json(kind, value))))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        pytest.param(UnitSpec, UnitSpec(), id="empty spec"),
        pytest.param(UnitSpec, UnitSpec(placement=PLACEMENT), id="placement"),
        pytest.param(UnitSpec, UnitSpec(placement=Placement(clusters=None)), id="absent is not empty"),
        pytest.param(UnitSpec, UnitSpec(placement_policy="p", override_policies=("o",)), id="policies"),
        pytest.param(Taint, Taint(key="k", effect="NoExecute", time_added=NOW), id="taint"),
        pytest.param(UnitStatus, STATUS, id="status"),
        pytest.param(ClusterObservation, ClusterObservation(), id="nothing observed"),
        pytest.param(
            ClusterObservation,
            ClusterObservation(
                conditions=STATUS.conditions, node_count=3, allocatable=Capacity(memory_bytes=2**40), last_seen_time=NOW
            ),
            id="observation",
        ),
        pytest.param(Connection, Connection(endpoint="https://h", ca_pem=b"-----BEGIN"), id="connection"),
    ],
)
def test_what_is_stored_is_read_back_equal(kind: Any, value: Any) -> None:
    assert round_trip(kind, value) == value


def override(*patch: PatchOperation) -> UnitSpec:
    return UnitSpec(overrides=(Override(target=ResourceMatcher(kind="Deployment"), labels={"a": "b"}, patch=patch),))


def test_an_operation_without_a_value_stays_without_one() -> None:
    spec = override(PatchOperation(op="remove", path="/spec/x"), PatchOperation(op="add", path="/a", value=None))
    assert round_trip(UnitSpec, spec) == spec


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(value=JSON)
def test_any_json_is_kept_as_the_value_of_an_operation(value: Any) -> None:
    spec = override(PatchOperation(op="add", path="/a", value=value))
    got = round_trip(UnitSpec, spec)
    assert got == spec
    assert type(got.overrides[0].patch[0].value) is type(value)


def test_a_row_that_something_else_wrote_is_refused() -> None:
    with pytest.raises(ValueError, match="placement_policy"):
        from_json(UnitSpec, {"placement_policy": 3})


def test_a_credential_leaves_no_trace_in_the_connection_without_it() -> None:
    connection = Connection(endpoint="https://h", credential=Credential(token="hunter2"))
    assert b"hunter2" not in orjson.dumps(to_json(Connection, replace(connection, credential=Credential())))
