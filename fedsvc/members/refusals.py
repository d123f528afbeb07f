"""What a member refused for want of rights, kept until it is allowed: evidence for RightsSufficient."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from fedsvc.members.errors import MemberStatusError

MAX_REFUSALS: Final = 100
"""Of one member; more say nothing new to a person."""

_VERBS: Final = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


_NAMED_VERB: Final = re.compile(r" cannot (?P<verb>[a-z]+) resource ")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Right:
    """One verb on one kind of object, in one namespace or ("") in the whole cluster."""

    group: str
    resource: str  # plural, with its subresource: "deployments", "pods/log"
    verb: str
    namespace: str = ""

    def __str__(self) -> str:
        """As people read it: ``patch deployments.apps in namespace shop``."""
        kind = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {kind} in namespace {self.namespace}" if self.namespace else f"{self.verb} {kind}"


class Refusals:
    """The rights that were found missing in one member."""

    def __init__(self) -> None:
        self._rights: dict[Right, str] = {}

    def report(self, error: MemberStatusError) -> Right | None:
        """Keep what a 403 says is missing; other errors, and a 403 that is no want of rights, are passed over."""
        if not is_want_of_rights(error):
            return None
        right = right_of_request(error.method, error.path)
        if right is not None and (named := _NAMED_VERB.search(error.message)) is not None:
            right = replace(right, verb=named["verb"])  # a watch is a GET like a list, and an apply may be a create
        if right is not None and (right in self._rights or len(self._rights) < MAX_REFUSALS):
            self._rights[right] = error.message
        return right

    def missing(self) -> list[Right]:
        """The rights found missing, sorted."""
        return sorted(self._rights)

    def message_of(self, right: Right) -> str:
        """The member's own words when it refused."""
        return self._rights.get(right, "")

    def granted(self, right: Right) -> None:
        """The member allows it now."""
        self._rights.pop(right, None)


def joining_again(cluster: str, rights: Iterable[Right]) -> str:
    """The command line that grants rights which were found missing, as far as a profile covers them.

    A profile names the groups of the custom resources there were at joining; one that came later is to be named, those
    of Kubernetes itself (``*.k8s.io``) apart.
    """
    groups = sorted({right.group for right in rights if "." in right.group and not right.group.endswith(".k8s.io")})
    return " ".join(["fedctl join", cluster, *(f"--custom-group {group}" for group in groups)])


def right_of_request(method: str, path: str) -> Right | None:
    """The right a request needs, by RBAC's words; None for a path that is no object's.

    A GET of a collection counts as "list" (whether it was a watch is in its query), an apply as "patch".
    """
    parts = [part for part in path.split("/") if part]
    if len(parts) >= 3 and parts[0] == "api":
        group, rest = "", parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, rest = parts[1], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) >= 3:
        namespace, rest = rest[1], rest[2:]
    resource, name, *sub = rest + [""] * (2 - len(rest)) if len(rest) < 2 else rest
    verb = _VERBS.get(method, method.lower())
    if verb == "get" and not name:
        verb = "list"
    return Right(group=group, resource="/".join([resource, *sub]), verb=verb, namespace=namespace)


def is_want_of_rights(error: MemberStatusError) -> bool:
    """Whether the authorizer refused; admission (quota, webhook, a namespace being removed) answers 403 too."""
    return error.code == 403 and "cannot" in error.message and " resource " in error.message
