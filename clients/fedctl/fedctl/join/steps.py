"""The steps of joining; each can be repeated, so a join that was broken off is begun again."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fedctl.failures import Exit, Failure
from fedctl.join.member import MemberApi, secret_value
from fedctl.join.rights import NAME, RBAC, Rights, objects

MADE_LABEL = "fedsvc.io/made-by-join"
TOKEN_LIFETIME_SECONDS = 7 * 24 * 3600  # the service renews it daily, and asks for as much each time
DEFAULT_NAMESPACE = "fedsvc-system"
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
    cluster_id = str((system.body.get("metadata") or {}).get("uid") or "")
    if system.code != 200 or not cluster_id:
        raise Failure(f"you may not look at the cluster: {system.message}{system.advice}")
    region, zones = _location(member)
    return Facts(
        version=text,
        cluster_id=cluster_id,
        region=region,
        zones=zones,
        custom_groups=_custom_groups(member),
    )


def _location(member: MemberApi) -> tuple[str, tuple[str, ...]]:
    labels = [item["metadata"].get("labels") or {} for item in member.items("/api/v1/nodes")]
    regions = sorted({value for item in labels if (value := _topology(item, "region"))})
    zones = sorted({value for item in labels if (value := _topology(item, "zone"))})
    return (regions[0] if len(regions) == 1 else ""), tuple(zones)


def _topology(labels: dict[str, str], what: str) -> str:
    return labels.get(f"topology.kubernetes.io/{what}") or labels.get(f"failure-domain.beta.kubernetes.io/{what}", "")


def _custom_groups(member: MemberApi) -> list[str]:
    definitions = member.items("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
    return sorted({str(item["spec"]["group"]) for item in definitions})


def plan(rights: Rights, namespace: str) -> list[tuple[str, dict[str, Any]]]:
    """All objects of a join, as (path, manifest), in the order they are made."""
    made: list[tuple[str, dict[str, Any]]] = []
    for name in dict.fromkeys((namespace, *rights.namespaces)):
        metadata: dict[str, Any] = {"name": name}
        if name not in rights.namespaces:  # what applications live in is not taken away when the cluster leaves
            metadata["labels"] = {MADE_LABEL: "true"}
        made.append((f"/api/v1/namespaces/{name}", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME, "namespace": namespace}}
    made.append((f"/api/v1/namespaces/{namespace}/serviceaccounts/{NAME}", account))
    return made + objects(rights, namespace)


def prepare(member: MemberApi, rights: Rights, namespace: str, say: Say) -> None:
    """Namespace, service account and rights; those of an earlier profile are taken away.

    Raises:
        Failure: the cluster refuses one of them, or somebody else's fedsvc is there.
    """
    _checkhome_of(member, namespace)
    changed = []
    for path, manifest in plan(rights, namespace):
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        if kind == "Namespace":
            _make_namespace(member, path, manifest, say)
        elif kind == "ServiceAccount":
            made = member.apply(path, manifest)
            say(f"{'created' if made == 'created' else 'found'} service account {namespace}/{name}")
        else:
            changed.append(member.apply(path, manifest) != "found")
    kept = {path for path, _ in objects(rights, namespace)}
    changed.extend(member.delete(path) for path in granted_in_namespaces(member) if path not in kept)
    say(f"{'granted' if any(changed) else 'found'} rights: {rights.profile}")


def _make_namespace(member: MemberApi, path: str, manifest: dict[str, Any], say: Say) -> None:
    name = manifest["metadata"]["name"]
    found = member.call("GET", path)
    if found.code == 404:
        member.apply(path, manifest)
        say(f"created namespace {name}")
    elif (found.body.get("metadata") or {}).get("deletionTimestamp"):
        raise Failure(f"namespace {name} is being removed still: wait until it is gone, then join again")
    else:
        say(f"namespace {name} is there")


def home_of(member: MemberApi) -> str:
    """The namespace whose service account has the rights that joining gives; empty where there are none."""
    found = member.call("GET", f"{RBAC}/clusterrolebindings/{NAME}")
    subjects = found.body.get("subjects") or () if found.code == 200 else ()
    return next((str(item.get("namespace", "")) for item in subjects if item.get("name") == NAME), "")


def _checkhome_of(member: MemberApi, namespace: str) -> None:
    home = home_of(member)
    if home not in ("", namespace):
        text = (
            f"a fedsvc has its service account in namespace {home} of this cluster, by an earlier join or for another "
            f"server: take it over with --namespace {home}, or take it out first with fedctl unjoin"
        )
        raise Failure(text, code=Exit.CONFLICT)


def granted_in_namespaces(member: MemberApi) -> list[str]:
    """The paths of the bindings and roles that joining made in namespaces, bindings first."""
    return [
        f"{RBAC}/namespaces/{item['metadata']['namespace']}/{kind}/{item['metadata']['name']}"
        for kind in ("rolebindings", "roles")
        for item in member.items(f"{RBAC}/{kind}?labelSelector=app.kubernetes.io%2Fmanaged-by%3Dfedctl")
        if item["metadata"]["name"] in (NAME, f"{NAME}-token")
    ]


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
        token, expires = _issued(reply.body.get("status"))
        say(f"took a token until {expires.astimezone(UTC):%Y-%m-%d %H:%M} UTC; fedsvc renews it by itself")
        return token, expires
    if reply.code not in (404, 405):
        raise Failure(f"no token could be had: {reply.message}{reply.advice}")
    return _secret_token(member, namespace, say), None


def _issued(status: Any) -> tuple[str, datetime]:
    try:
        token, expires = str(status["token"]), datetime.fromisoformat(str(status["expirationTimestamp"]))
    except (KeyError, TypeError, ValueError) as error:
        raise Failure("no token could be had: the answer to the TokenRequest holds none with an end") from error
    return token, expires if expires.tzinfo is not None else expires.replace(tzinfo=UTC)


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
