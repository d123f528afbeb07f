import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.api.convert import cluster as convert_cluster
from fedsvc.api.convert import unit as convert_unit
from fedsvc.api.convert.common import read_time, timestamp
from fedsvc.api.convert.masking import shown_manifest, shown_value
from fedsvc.api.convert.override import override_message, read_override
from fedsvc.api.convert.placement import placement_message, read_placement, read_taint, taint_message
from fedsvc.api.problems import Problems
from fedsvc.errors import InvalidInputError
from fedsvc.model.cluster import Cluster, Connection, Credential
from fedsvc.model.unit import Unit, UnitSpec, UnitState, UnitStatus
from fedsvc.rendering.identity import ObjectKey
from fedsvc.rendering.overrides import ABSENT, ImageOverride, Override, PatchOperation, ResourceMatcher
from fedsvc.v1 import cluster_pb2, override_pb2, placement_pb2, unit_pb2
from fedsvc_placement import (
    AffinityGroup,
    AffinityMode,
    ClusterField,
    ClusterMatcher,
    ClusterPreference,
    ConditionRequirement,
    DataAccess,
    DataAnchor,
    Effect,
    FieldRequirement,
    GroupReturn,
    GroupReturnPolicy,
    LabelRequirement,
    LabelSelector,
    Mode,
    Movement,
    Operator,
    Placement,
    ReplicaPolicy,
    ReplicaRule,
    SpreadConstraint,
    Stability,
    Strategy,
    Taint,
    Toleration,
    TolerationOperator,
    Topology,
    Trigger,
    UnitAffinity,
    UnitMatcher,
    VersionRange,
)

NOW = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)
SECRET = ObjectKey(group="", version="v1", kind="Secret", namespace="shop", name="db")
CONFIG = ObjectKey(group="", version="v1", kind="ConfigMap", namespace="shop", name="db")

WORDS = st.text(alphabet="abcdefghij-./", min_size=1, max_size=8)
LABELS = st.dictionaries(WORDS, WORDS, max_size=3)
COUNTS = st.integers(min_value=0, max_value=2**31 - 1)
SELECTORS = st.builds(
    lambda labels, expressions: LabelSelector(
        match_labels=tuple(sorted(labels.items())), match_expressions=tuple(expressions)
    ),
    LABELS,
    st.lists(
        st.builds(LabelRequirement, key=WORDS, operator=st.sampled_from(Operator), values=st.lists(WORDS).map(tuple)),
        max_size=2,
    ),
)
NAMES = st.none() | st.lists(WORDS, min_size=1, max_size=3).map(tuple)
FIELDS = st.lists(
    st.builds(
        FieldRequirement,
        field=st.sampled_from(ClusterField),
        operator=st.sampled_from(Operator),
        values=st.lists(WORDS, max_size=2).map(tuple),
    ),
    max_size=2,
).map(tuple)
MATCHERS = st.builds(ClusterMatcher, names=NAMES, selector=st.none() | SELECTORS, fields=FIELDS)
REPLICAS = st.builds(
    ReplicaPolicy,
    mode=st.sampled_from(Mode),
    strategy=st.sampled_from(Strategy),
    movement=st.none() | st.sampled_from(Movement),
    total=st.none() | COUNTS,
    within_capacity=st.none() | st.booleans(),
    clusters=st.lists(
        st.builds(
            ReplicaRule,
            clusters=MATCHERS,
            weight=st.none() | COUNTS,
            min=COUNTS,
            max=st.none() | COUNTS,
            tier=st.none() | COUNTS,
        ),
        max_size=2,
    ).map(tuple),
)
GROUPS = st.builds(AffinityGroup, name=WORDS, clusters=MATCHERS, overflow=st.lists(MATCHERS, max_size=2).map(tuple))
AFFINITIES = st.builds(
    UnitAffinity,
    mode=st.sampled_from(AffinityMode),
    units=st.builds(UnitMatcher, names=NAMES, selector=st.none() | SELECTORS),
    by=st.sampled_from(Topology),
    label_key=st.just("") | WORDS,
    weight=st.none() | COUNTS,
)
PREFERENCES = st.builds(
    ClusterPreference,
    weight=COUNTS,
    clusters=st.none() | MATCHERS,
    near_regions=st.lists(WORDS, max_size=2).map(tuple),
    cheap=st.booleans(),
    score=st.just("") | WORDS,
)
PLACEMENTS = st.builds(
    Placement,
    clusters=st.none() | st.lists(WORDS, max_size=3).map(tuple),
    cluster_selector=st.none() | SELECTORS,
    exclude=st.none() | MATCHERS,
    tolerations=st.lists(
        st.builds(
            Toleration,
            key=WORDS,
            operator=st.sampled_from(TolerationOperator),
            value=WORDS,
            effect=st.none() | st.sampled_from(Effect),
            toleration_seconds=st.none() | st.integers(min_value=-(2**63), max_value=2**63 - 1),
        ),
        max_size=2,
    ).map(tuple),
    fields=FIELDS,
    groups=st.lists(GROUPS, max_size=2).map(tuple),
    group_return=st.builds(GroupReturnPolicy, mode=st.sampled_from(GroupReturn), stable_seconds=COUNTS),
    kubernetes=st.none() | st.builds(VersionRange, at_least=st.just("") | WORDS, below=st.just("") | WORDS),
    conditions=st.lists(st.builds(ConditionRequirement, type=WORDS, status=WORDS), max_size=2).map(tuple),
    jurisdictions=st.none() | st.lists(WORDS, max_size=2).map(tuple),
    data=st.lists(
        st.builds(DataAnchor, dataset=WORDS, access=st.sampled_from(DataAccess), max_lag_seconds=st.none() | COUNTS),
        max_size=2,
    ).map(tuple),
    follows=st.lists(WORDS, max_size=2).map(tuple),
    affinities=st.lists(AFFINITIES, max_size=2).map(tuple),
    spread=st.lists(
        st.builds(
            SpreadConstraint,
            by=st.sampled_from(Topology),
            label_key=st.just("") | WORDS,
            min_groups=COUNTS,
            max_groups=st.none() | COUNTS,
        ),
        max_size=2,
    ).map(tuple),
    preferences=st.lists(PREFERENCES, max_size=2).map(tuple),
    replicas=st.none() | REPLICAS,
    stability=st.builds(
        Stability,
        stickiness=COUNTS,
        replace_on=st.lists(st.sampled_from(Trigger), max_size=3).map(tuple),
        cooldown_seconds=COUNTS,
    ),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
TEXTS = st.none() | WORDS
OVERRIDES = st.builds(
    Override,
    clusters=MATCHERS,
    target=st.builds(
        ResourceMatcher, api_version=TEXTS, kind=TEXTS, namespace=TEXTS, name=TEXTS, selector=st.none() | SELECTORS
    ),
    images=st.lists(st.builds(ImageOverride, name=WORDS, new_name=WORDS), max_size=2).map(tuple),
    labels=LABELS,
    annotations=LABELS,
    patch=st.lists(st.builds(PatchOperation, op=WORDS, path=WORDS, value=st.just(ABSENT) | JSON), max_size=2).map(
        tuple
    ),
)


@given(PLACEMENTS)
def test_placements_survive_the_round_trip(placement: Placement) -> None:
    problems = Problems()
    message = placement_message(placement)
    assert message is not None

    again = read_placement(placement_pb2.Placement.FromString(message.SerializeToString()), "placement", problems)

    assert again == placement
    assert not len(problems)


@given(OVERRIDES)
def test_overrides_survive_the_round_trip(override: Override) -> None:
    problems = Problems()

    again = read_override(
        override_pb2.Override.FromString(override_message(override).SerializeToString()), "overrides[0]", problems
    )

    assert again == override
    assert not len(problems)


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)))  # noqa: DTZ001 - hypothesis wants bounds without zone
def test_times_survive_the_round_trip(time: datetime) -> None:
    aware = time.replace(tzinfo=UTC)
    message = timestamp(aware)
    assert message is not None

    assert read_time(message, "x", Problems()) == aware


def test_a_time_out_of_range_is_noted() -> None:
    problems = Problems()

    assert read_time(Timestamp(seconds=2**60), "cluster.time", problems) is None
    assert problems.error().problems[0].path == "cluster.time"


def test_taints_keep_what_the_caller_may_set() -> None:
    taint = Taint(key="a", value="b", effect=Effect.NO_EXECUTE, time_added=NOW)

    again = read_taint(taint_message(taint), "taints[0]", Problems())

    assert again == Taint(key="a", value="b", effect=Effect.NO_EXECUTE)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"{", "not JSON", id="broken"),
        pytest.param(b'1,"x":2', "not one JSON value", id="smuggled key"),
        pytest.param(b"", "not JSON", id="empty"),
        pytest.param(b'{"a":1,"a":2}', "stands twice", id="key twice"),
        pytest.param(b"NaN", "NaN", id="nan"),
    ],
)
def test_the_value_of_a_patch_must_be_one_json_value(data: bytes, message: str) -> None:
    problems = Problems()
    operation = override_pb2.PatchOperation(op="add", path="/x", value_json=data)

    read_override(override_pb2.Override(patch=[operation]), "unit.spec.overrides[1]", problems)

    found = problems.error().problems[0]
    assert found.path == "unit.spec.overrides[1].patch[0].value_json"
    assert message in found.message


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        pytest.param(
            unit_pb2.UnitSpec(propagation=unit_pb2.Propagation(drift=99)),  # type: ignore[arg-type]  # a value from a newer client
            "unit.spec.propagation.drift",
            id="propagation",
        ),
        pytest.param(
            unit_pb2.UnitSpec(
                placement=placement_pb2.Placement(replicas=placement_pb2.ReplicaPolicy(mode=99))  # type: ignore[arg-type]  # as above
            ),
            "unit.spec.placement.replicas.mode",
            id="replica mode",
        ),
        pytest.param(
            unit_pb2.UnitSpec(
                placement=placement_pb2.Placement(tolerations=[placement_pb2.Toleration(effect=99)])  # type: ignore[arg-type]  # as above
            ),
            "unit.spec.placement.tolerations[0].effect",
            id="effect",
        ),
    ],
)
def test_enum_values_that_are_not_known_are_refused_with_their_path(spec: unit_pb2.UnitSpec, path: str) -> None:
    problems = Problems()

    convert_unit.read_unit_spec(spec, "unit.spec", problems)

    with pytest.raises(InvalidInputError) as caught:
        problems.refuse()
    assert [problem.path for problem in caught.value.problems] == [path]


def test_credentials_never_come_out() -> None:
    credential = Credential(token="hunter2", client_key_pem=b"hunter3", token_expire_time=NOW)
    cluster = Cluster(
        name="eu-1",
        uid=str(uuid4()),
        labels={},
        annotations={},
        provider="",
        region="",
        zones=(),
        taints=(),
        connection=Connection(endpoint="https://eu-1", credential=credential),
        create_time=NOW,
        update_time=NOW,
    )

    message = convert_cluster.cluster_message(cluster)

    assert b"hunter" not in message.SerializeToString()
    assert not message.connection.HasField("credential")
    assert message.status.credential_expire_time.ToDatetime(tzinfo=UTC) == NOW
    assert "hunter" not in repr(cluster)


def test_a_connection_is_read_with_its_credential() -> None:
    message = cluster_pb2.ClusterConnection(
        endpoint="https://a/", credential=cluster_pb2.ClusterCredential(token="t", client_key_pem=b"k")
    )

    connection = convert_cluster.read_connection(message, "x", Problems())

    assert connection == Connection(endpoint="https://a", credential=Credential(token="t", client_key_pem=b"k"))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            {"kind": "Secret", "data": {"a": "eA==", "b": ""}, "type": "Opaque"},
            {"kind": "Secret", "data": {"a": "***", "b": "***"}, "type": "Opaque"},
            id="data",
        ),
        pytest.param({"stringData": {"a": "x"}}, {"stringData": {"a": "***"}}, id="string data"),
        pytest.param({"data": "oops"}, {"data": "***"}, id="wrong type"),
        pytest.param({"immutable": True}, {"immutable": True}, id="no data"),
    ],
)
def test_values_of_secrets_are_masked_and_keys_stay(body: dict[str, object], expected: dict[str, object]) -> None:
    assert json.loads(shown_manifest(SECRET, json.dumps(body).encode())) == expected


def test_other_manifests_go_out_byte_for_byte() -> None:
    assert shown_manifest(CONFIG, b'{"data":{"a":"b"}}') == b'{"data":{"a":"b"}}'


def test_drifted_values_of_secrets_are_masked() -> None:
    assert shown_value(SECRET, "x") == '"***"'
    assert shown_value(CONFIG, {"a": 1}) == '{"a":1}'
    assert shown_value(CONFIG, None) == ""


@pytest.mark.parametrize(
    ("state", "generation", "decided", "deleted", "expected"),
    [
        pytest.param(UnitState.READY, 1, 1, False, False, id="ready"),
        pytest.param(UnitState.READY, 2, 1, False, True, id="not decided yet"),
        pytest.param(UnitState.APPLYING, 1, 1, False, True, id="applying"),
        pytest.param(UnitState.UNPLACED, 1, 1, False, False, id="unplaced"),
        pytest.param(UnitState.READY, 1, 1, True, True, id="being deleted"),
    ],
)
def test_reconciling_tells_whether_intent_is_met(
    state: UnitState,
    generation: int,
    decided: int,
    deleted: bool,  # noqa: FBT001 - as below
    expected: bool,  # noqa: FBT001 - a table's column
) -> None:
    unit = Unit(
        namespace="shop",
        name="web",
        uid=str(uuid4()),
        labels={},
        annotations={},
        spec=UnitSpec(),
        revision=1,
        generation=generation,
        decided_generation=decided,
        status=UnitStatus(state=state),
        resource_count=0,
        create_time=NOW,
        update_time=NOW,
        delete_time=NOW if deleted else None,
    )

    status = convert_unit.unit_message(unit).status

    assert status.reconciling is expected
    assert (status.state == unit_pb2.UNIT_STATE_DELETING) is deleted
