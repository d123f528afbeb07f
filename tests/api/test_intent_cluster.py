from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from google.protobuf.timestamp_pb2 import Timestamp

from fedsvc.api.intent.cluster import MASKABLE, ClusterIntent, read_cluster
from fedsvc.api.intent.connection import connection_warnings
from fedsvc.api.problems import Problems
from fedsvc.model.cluster import Cluster, Connection, Credential
from fedsvc.v1 import cluster_pb2
from fedsvc_placement import Effect, Taint

NOW = datetime(2026, 11, 24, tzinfo=UTC)
NO_SCHEDULE = cluster_pb2.TAINT_EFFECT_NO_SCHEDULE


def connection(**changes: object) -> cluster_pb2.ClusterConnection:
    fields: dict[str, object] = {
        "endpoint": "https://eu-1.example:6443",
        "credential": cluster_pb2.ClusterCredential(token="abc"),
        **changes,
    }
    return cluster_pb2.ClusterConnection(**fields)  # type: ignore[arg-type]  # a table's words


def stored(**changes: object) -> Cluster:
    fields: dict[str, object] = {
        "name": "eu-1",
        "uid": "1",
        "labels": {"a": "b"},
        "annotations": {},
        "provider": "aws",
        "region": "eu",
        "zones": ("eu-a",),
        "taints": (Taint(key="old", effect=Effect.NO_SCHEDULE, time_added=NOW - timedelta(days=1)),),
        "connection": Connection(endpoint="https://old", credential=Credential(token="old")),
        "create_time": NOW,
        "update_time": NOW,
        **changes,
    }
    return Cluster(**fields)  # type: ignore[arg-type]  # as above


def refused(message: cluster_pb2.Cluster, before: Cluster | None = None) -> list[tuple[str, str]]:
    problems = Problems()
    read_cluster(message, MASKABLE, before, NOW, problems)
    return [(problem.path, problem.message) for problem in problems.error().problems]


def pair(*, days: int = 1, password: bytes | None = None) -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fedsvc")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=10))
        .not_valid_after(NOW + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    encryption = NoEncryption() if password is None else BestAvailableEncryption(password)
    return certificate.public_bytes(Encoding.PEM), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


CERTIFICATE, KEY = pair()
OLD_CERTIFICATE, OLD_KEY = pair(days=-1)
_, OTHER_KEY = pair()
_, LOCKED_KEY = pair(password=b"x")


def client(certificate: bytes, key: bytes) -> cluster_pb2.ClusterConnection:
    credential = cluster_pb2.ClusterCredential(client_certificate_pem=certificate, client_key_pem=key)
    return connection(credential=credential)


BAD_CONNECTIONS = [
    pytest.param(None, "cluster.connection", "is missing", id="none"),
    pytest.param(connection(endpoint=""), "cluster.connection.endpoint", "is missing", id="no endpoint"),
    pytest.param(connection(endpoint="eu-1"), "cluster.connection.endpoint", "https://", id="no scheme"),
    pytest.param(connection(endpoint="http://eu-1"), "cluster.connection.endpoint", "plain http", id="plain http"),
    pytest.param(connection(endpoint="https://a:b@c"), "cluster.connection.endpoint", "user name", id="user"),
    pytest.param(connection(endpoint=f"https://{'a' * 3000}"), "cluster.connection.endpoint", "2048", id="long"),
    pytest.param(connection(proxy_url="ftp://a"), "cluster.connection.proxy_url", "http://", id="proxy"),
    pytest.param(connection(ca_pem=b"x"), "cluster.connection.ca_pem", "PEM", id="authority"),
    pytest.param(
        connection(ca_pem=CERTIFICATE, insecure_skip_tls_verify=True),
        "cluster.connection.insecure_skip_tls_verify",
        "contradicts",
        id="authority and none",
    ),
    pytest.param(connection(tls_server_name="a b"), "cluster.connection.tls_server_name", "must be", id="server name"),
    pytest.param(
        connection(member_namespace="A"), "cluster.connection.member_namespace", "'a' would do", id="namespace"
    ),
    pytest.param(
        connection(credential=cluster_pb2.ClusterCredential()),
        "cluster.connection.credential",
        "is missing",
        id="no credential",
    ),
    pytest.param(
        connection(credential=cluster_pb2.ClusterCredential(token="a\nb")),
        "cluster.connection.credential.token",
        "no line ends",
        id="token with line end",
    ),
    pytest.param(
        connection(credential=cluster_pb2.ClusterCredential(token="a", token_expire_time=Timestamp(seconds=2**60))),
        "cluster.connection.credential.token_expire_time",
        "not a time",
        id="token time",
    ),
    pytest.param(client(CERTIFICATE, b""), "cluster.connection.credential.client_key_pem", "is missing", id="no key"),
    pytest.param(client(b"", KEY), "cluster.connection.credential.client_certificate_pem", "is missing", id="only key"),
    pytest.param(client(b"x", KEY), "cluster.connection.credential.client_certificate_pem", "PEM", id="no certificate"),
    pytest.param(client(CERTIFICATE, b"x"), "cluster.connection.credential.client_key_pem", "PEM", id="broken key"),
    pytest.param(
        client(CERTIFICATE, OTHER_KEY), "cluster.connection.credential.client_key_pem", "belong", id="other key"
    ),
    pytest.param(
        client(CERTIFICATE, LOCKED_KEY), "cluster.connection.credential.client_key_pem", "passphrase", id="locked"
    ),
    pytest.param(
        client(OLD_CERTIFICATE, OLD_KEY), "cluster.connection.credential.client_certificate_pem", "ended at", id="ended"
    ),
]


@pytest.mark.parametrize(("message", "path", "text"), BAD_CONNECTIONS)
def test_a_connection_that_cannot_be_used_is_refused(
    message: cluster_pb2.ClusterConnection | None, path: str, text: str
) -> None:
    problems = refused(cluster_pb2.Cluster(connection=message))

    assert [found for found, _ in problems] == [path]
    assert text in problems[0][1]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        pytest.param({"labels": {"a b": "c"}}, "cluster.labels[a b]", id="label key"),
        pytest.param({"labels": {"a": "b c"}}, "cluster.labels[a]", id="label value"),
        pytest.param({"labels": {f"l{index}": "" for index in range(101)}}, "cluster.labels", id="many labels"),
        pytest.param({"annotations": {"a b": "c"}}, "cluster.annotations[a b]", id="annotation key"),
        pytest.param({"annotations": {"a": "c" * 2**18}}, "cluster.annotations", id="large annotations"),
        pytest.param({"provider": "a b"}, "cluster.provider", id="provider"),
        pytest.param({"region": "x" * 64}, "cluster.region", id="region"),
        pytest.param({"zones": ["a", ""]}, "cluster.zones[1]", id="zone"),
        pytest.param({"taints": [cluster_pb2.Taint(key="a")]}, "cluster.taints[0].effect", id="taint without effect"),
        pytest.param(
            {"taints": [cluster_pb2.Taint(effect=NO_SCHEDULE)]}, "cluster.taints[0].key", id="taint without key"
        ),
        pytest.param(
            {"taints": [cluster_pb2.Taint(key="a", effect=NO_SCHEDULE)] * 2}, "cluster.taints", id="taint twice"
        ),
        pytest.param({"jurisdiction": "a b"}, "cluster.jurisdiction", id="jurisdiction"),
        pytest.param(
            {"cost": cluster_pb2.ClusterCost(micros_per_core=-1)}, "cluster.cost.micros_per_core", id="negative cost"
        ),
        pytest.param({"scores": [cluster_pb2.ExternalScore(value=1)]}, "cluster.scores[0].name", id="score, no name"),
        pytest.param(
            {"scores": [cluster_pb2.ExternalScore(name="carbon", value=101)]}, "cluster.scores[0].value", id="score"
        ),
        pytest.param(
            {"scores": [cluster_pb2.ExternalScore(name="carbon"), cluster_pb2.ExternalScore(name="carbon")]},
            "cluster.scores[1].name",
            id="score twice",
        ),
    ],
)
def test_what_describes_a_cluster_follows_the_rules_of_kubernetes(fields: dict[str, object], path: str) -> None:
    message = cluster_pb2.Cluster(connection=connection(), **fields)  # type: ignore[arg-type]  # a table's words

    assert [found for found, _ in refused(message)] == [path]


def test_all_problems_are_told_at_once() -> None:
    message = cluster_pb2.Cluster(region="a b", taints=[cluster_pb2.Taint(key="a")])

    assert [path for path, _ in refused(message)] == [
        "cluster.region",
        "cluster.taints[0].effect",
        "cluster.connection",
    ]


def accepted(message: cluster_pb2.Cluster, *fields: str, before: Cluster | None = None) -> ClusterIntent:
    problems = Problems()
    intent = read_cluster(message, fields, before, NOW, problems)
    problems.refuse()
    return intent


def test_only_named_fields_change() -> None:
    intent = accepted(cluster_pb2.Cluster(region="us", labels={"x": "y"}), "region", before=stored())

    assert (intent.region, intent.labels, intent.provider, intent.zones) == ("us", {"a": "b"}, "aws", ("eu-a",))
    assert intent.connection.credential.token == "old"


def test_a_named_field_can_be_emptied() -> None:
    assert accepted(cluster_pb2.Cluster(), "labels", "taints", before=stored()).labels == {}


def test_zones_are_a_sorted_set() -> None:
    message = cluster_pb2.Cluster(connection=connection(), zones=["b", "a", "b"])

    assert accepted(message, *MASKABLE).zones == ("a", "b")


def test_a_taint_that_stays_keeps_its_time_and_a_new_one_gets_now() -> None:
    taints = [cluster_pb2.Taint(key=key, effect=NO_SCHEDULE) for key in ("old", "new")]

    intent = accepted(cluster_pb2.Cluster(taints=taints), "taints", before=stored())

    assert [(taint.key, taint.time_added) for taint in intent.taints] == [
        ("old", NOW - timedelta(days=1)),
        ("new", NOW),
    ]


def test_a_connection_sent_back_as_it_was_read_keeps_its_credential() -> None:
    message = cluster_pb2.Cluster(connection=cluster_pb2.ClusterConnection(endpoint="https://new"))

    intent = accepted(message, "connection", before=stored())

    assert (intent.connection.endpoint, intent.connection.credential.token) == ("https://new", "old")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        pytest.param(Connection(endpoint="x", insecure_skip_tls_verify=True), "not verified", id="insecure"),
        pytest.param(Connection(endpoint="x", credential=Credential(token_expire_time=NOW)), "ended at", id="ended"),
        pytest.param(
            Connection(endpoint="x", credential=Credential(token_expire_time=NOW + timedelta(hours=1))),
            "cannot be renewed",
            id="will end",
        ),
    ],
)
def test_odd_connections_are_warned_of(given: Connection, text: str) -> None:
    warnings = connection_warnings(given, NOW)

    assert len(warnings) == 1
    assert text in warnings[0]
