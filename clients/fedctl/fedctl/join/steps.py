"""The steps of joining and leaving; each can be repeated, so a join that was broken off is begun again."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fedctl.failures import Failure
from fedctl.join.member import MemberApi, secret_value
from fedctl.join.rights import NAME, Rights, objects
from fedsvc.v1 import cluster_pb2

CLUSTER_ID_ANNOTATION = "fedsvc.io/cluster-id"
MADE_LABEL = "fedsvc.io/made-by-join"
TOKEN_LIFETIME_SECONDS = 7 * 24 * 3600  # the service renews it daily, and asks for as much each time
OLDEST = (1, 20)
_SECRET_SECONDS = 15.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was found out of a cluster."""

    version: str
    cluster_id: str  # uid of the namespace kube-system, which lives as long as the cluster
    region: str
    zones: tuple[str, ...]
    custom_groups: list[str]


def look_at(member: MemberApi) -> Facts:
    """Find out what is needed, changing nothing.

    Raises:
        Failure: it does not answer, is too old, or the user may not look.
    """
    version = member.call("GET", "/version")
    text = str(version.body.get("gitVersion", ""))
    numbers = (version.body.get("major", ""), version.body.get("minor", ""))
    major, minor = (int("".join(letter for letter in str(number) if letter.isdigit()) or 0) for number in numbers)
    if version.code != 200 or not text:
        raise Failure(f"{member.endpoint} is no Kubernetes API server: /version answers {version.message}")
    if (0, 0) < (major, minor) < OLDEST:  # 0.0 is a build that does not know its version
        raise Failure(f"the cluster is Kubernetes {text}; 1.20 or newer is needed")
    system = member.call("GET", "/api/v1/namespaces/kube-system")
    if system.code != 200:
        raise Failure(
            f"you may not look at the cluster: {system.message}. Joining needs the rights of an administrator"
        )
    region, zones = _location(member)
    return Facts(
        version=text,
        cluster_id=str(system.body["metadata"]["uid"]),
        region=region,
        zones=zones,
        custom_groups=_custom_groups(member),
    )


def _location(member: MemberApi) -> tuple[str, tuple[str, ...]]:
    nodes = member.call("GET", "/api/v1/nodes?limit=500")
    labels = [item["metadata"].get("labels", {}) for item in nodes.body.get("items", [])]
    regions = sorted({value for item in labels if (value := _topology(item, "region"))})
    zones = sorted({value for item in labels if (value := _topology(item, "zone"))})
    return (regions[0] if len(regions) == 1 else ""), tuple(zones)


def _topology(labels: dict[str, str], what: str) -> str:
    return labels.get(f"topology.kubernetes.io/{what}") or labels.get(f"failure-domain.beta.kubernetes.io/{what}", "")


def _custom_groups(member: MemberApi) -> list[str]:
    definitions = member.call("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?limit=500")
    return sorted({str(item["spec"]["group"]) for item in definitions.body.get("items", [])})


def prepare(member: MemberApi, rights: Rights, namespace: str, say: Say) -> None:
    """Namespace, service account and rights.

    Raises:
        Failure: the cluster refuses one of them.
    """
    for name in (namespace, *rights.namespaces):
        path = f"/api/v1/namespaces/{name}"
        if member.call("GET", path).code == 404:
            member.apply(
                path,
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {MADE_LABEL: "true"}}},
            )
            say(f"created namespace {name}")
        else:
            say(f"namespace {name} is there")
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME, "namespace": namespace}}
    made = member.apply(f"/api/v1/namespaces/{namespace}/serviceaccounts/{NAME}", account)
    say(f"{'created' if made else 'found'} service account {namespace}/{NAME}")
    changed = [member.apply(path, manifest) for path, manifest in objects(rights, namespace)]
    say(f"{'granted' if any(changed) else 'found'} rights: {rights.profile}")


def take_token(member: MemberApi, namespace: str, say: Say) -> tuple[str, datetime | None]:
    """A token of the service account and when it ends; one without end where the cluster has no TokenRequest.

    Raises:
        Failure: there is no way to one.
    """
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{NAME}/token"
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": TOKEN_LIFETIME_SECONDS},
    }
    reply = member.call("POST", path, request)
    if reply.code in (200, 201):
        status = reply.body["status"]
        expires = datetime.fromisoformat(str(status["expirationTimestamp"]))
        say(f"took a token until {expires.astimezone(UTC):%Y-%m-%d %H:%M} UTC; fedsvc renews it by itself")
        return str(status["token"]), expires
    if reply.code not in (404, 405):
        raise Failure(f"no token could be had: {reply.message}")
    return _secret_token(member, namespace, say), None


def _secret_token(member: MemberApi, namespace: str, say: Say) -> str:
    name = f"{NAME}-token"
    path = f"/api/v1/namespaces/{namespace}/secrets/{name}"
    metadata = {"name": name, "namespace": namespace, "annotations": {"kubernetes.io/service-account.name": NAME}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/service-account-token"}
    member.apply(path, secret)
    deadline = time.monotonic() + _SECRET_SECONDS
    while not (token := secret_value(member.call("GET", path).body, "token")):
        if time.monotonic() > deadline:
            raise Failure(
                f"the cluster filled no token into Secret {namespace}/{name}: its token controller does not run"
            )
        time.sleep(0.3)
    say(f"took the token of Secret {namespace}/{name}, which has no end")
    return token


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What the server is told."""

    namespace: str
    endpoint: str
    provider: str
    region: str
    zones: tuple[str, ...]
    labels: dict[str, str]
    taints: list[cluster_pb2.Taint]
    rights: str


def to_cluster(
    member: MemberApi, facts: Facts, given: Registration, token: str, expires: datetime | None
) -> cluster_pb2.Cluster:
    """The cluster as it is registered."""
    configuration: Any = member.configuration
    credential = cluster_pb2.ClusterCredential(token=token)
    if expires is not None:
        credential.token_expire_time.FromDatetime(expires)
    return cluster_pb2.Cluster(
        labels=given.labels,
        annotations={CLUSTER_ID_ANNOTATION: facts.cluster_id},
        provider=given.provider,
        region=given.region or facts.region,
        zones=sorted(given.zones or facts.zones),
        taints=given.taints,
        connection=cluster_pb2.ClusterConnection(
            endpoint=given.endpoint or member.endpoint,
            ca_pem=member.ca_pem(),
            tls_server_name=configuration.tls_server_name or "",
            insecure_skip_tls_verify=not configuration.verify_ssl,
            proxy_url=getattr(configuration, "proxy", None) or "",
            credential=credential,
            member_namespace=given.namespace,
            service_account=NAME if expires is not None else "",
            rights=given.rights,
        ),
    )


def clean_up(member: MemberApi, namespace: str, say: Say) -> None:
    """Take away what joining brought: rights, account, and the namespace where joining made it.

    Raises:
        Failure: the cluster refuses it.
    """
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    for path in (f"{rbac}/clusterrolebindings/{NAME}", f"{rbac}/clusterroles/{NAME}"):
        member.delete(path)
    for kind in ("rolebindings", "roles"):
        listed = member.call("GET", f"{rbac}/{kind}?labelSelector=app.kubernetes.io%2Fmanaged-by%3Dfedctl")
        for item in listed.body.get("items", []):
            metadata = item["metadata"]
            if metadata["name"] in (NAME, f"{NAME}-token"):
                member.delete(f"{rbac}/namespaces/{metadata['namespace']}/{kind}/{metadata['name']}")
    say("removed its rights")
    found = member.call("GET", f"/api/v1/namespaces/{namespace}")
    if found.body.get("metadata", {}).get("labels", {}).get(MADE_LABEL) == "true":
        member.delete(f"/api/v1/namespaces/{namespace}")
        say(f"removed namespace {namespace}")
    elif found.code == 200:
        member.delete(f"/api/v1/namespaces/{namespace}/serviceaccounts/{NAME}")
        say(f"removed service account {namespace}/{NAME}; the namespace was there before joining and stays")
