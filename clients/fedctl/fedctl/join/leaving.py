"""Taking a cluster out: the right one, and all that joining brought."""

from fedctl.failures import Exit, Failure
from fedctl.join.member import MemberApi
from fedctl.join.registration import CLUSTER_ID_ANNOTATION
from fedctl.join.rights import NAME, RBAC
from fedctl.join.steps import DEFAULT_NAMESPACE, MADE_LABEL, Say, granted_in_namespaces, home_of, look_at
from fedsvc.v1 import cluster_pb2


def check_same(member: MemberApi, stored: cluster_pb2.Cluster, name: str) -> None:
    """Make sure that a context leads to the cluster that is to leave.

    Raises:
        Failure: it leads to another one, or nobody answers there.
    """
    wanted = stored.annotations.get(CLUSTER_ID_ANNOTATION, "")
    try:
        found = look_at(member).cluster_id
    except Failure as failure:
        if failure.exit_code == Exit.UNREACHABLE:
            failure.hint = f"Where the cluster is gone for good: fedctl unjoin {name} --force"
        raise
    if wanted and found != wanted:
        raise Failure(
            f"context {member.context} is another cluster than {name}: choose the right --context", code=Exit.CONFLICT
        )


def clean_up(member: MemberApi, name: str, namespace: str, say: Say) -> None:
    """Take away what joining brought: rights, account, and the namespace where joining made it.

    The binding of the account goes last: it tells, until all else is gone, where the account is.

    Args:
        member: the cluster.
        name: its name, for the advice how to go on.
        namespace: of the service account; empty where only the cluster knows it.
        say: told what was done.

    Raises:
        Failure: the cluster refuses it; the hint says how to go on.
    """
    try:
        _clean_up(member, namespace, say)
    except Failure as failure:
        failure.hint = failure.hint or f"To go on: fedctl unjoin {name} --context {member.context}"
        raise


def leftovers(connection: cluster_pb2.ClusterConnection) -> tuple[str, ...]:
    """The commands that take out of a cluster by hand what joining made there."""
    home = connection.member_namespace or DEFAULT_NAMESPACE
    profile, _, listed = connection.rights.partition(":")
    places = [place.strip() for place in listed.split(",")] if profile == "namespaced" else []
    made = " ".join(f"{kind}/{NAME}-token" for kind in ("secret", "role", "rolebinding"))
    return (
        f"kubectl delete clusterrole,clusterrolebinding {NAME} --ignore-not-found",
        *(f"kubectl delete role,rolebinding {NAME} -n {place} --ignore-not-found" for place in places if place),
        f"kubectl delete serviceaccount/{NAME} {made} -n {home} --ignore-not-found",
        f"kubectl delete namespace {home}   # where joining made it: label {MADE_LABEL}=true",
    )


def _clean_up(member: MemberApi, namespace: str, say: Say) -> None:
    home = namespace or home_of(member) or DEFAULT_NAMESPACE
    for path in granted_in_namespaces(member):
        member.delete(path)
    found = member.call("GET", f"/api/v1/namespaces/{home}")
    if ((found.body.get("metadata") or {}).get("labels") or {}).get(MADE_LABEL) == "true":
        member.delete(f"/api/v1/namespaces/{home}")
        say(f"removed namespace {home}")
    elif found.code == 200:
        member.delete(f"/api/v1/namespaces/{home}/secrets/{NAME}-token")
        member.delete(f"/api/v1/namespaces/{home}/serviceaccounts/{NAME}")
        say(f"removed service account {home}/{NAME}; the namespace was there before joining and stays")
    for path in (f"{RBAC}/clusterroles/{NAME}", f"{RBAC}/clusterrolebindings/{NAME}"):
        member.delete(path)
    say("removed its rights")
