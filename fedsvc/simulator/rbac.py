"""Role-based access control, evaluated as the API server does: rules, escalation, and the texts of refusals. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fedsvc.simulator.errors import ApiError, forbidden

MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"
RBAC_GROUP = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who calls."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""

    @property
    def almighty(self) -> bool:
        """Whether no rule need be looked at."""
        return MASTERS in self.groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What is asked for."""

    verb: str
    group: str = ""
    resource: str = ""  # with its subresource: pods/log
    namespace: str = ""
    name: str = ""
    path: str = ""  # of a request that is for no resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One PolicyRule."""

    verbs: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def allows(self, access: Access) -> bool:
        """Whether this rule alone grants the access."""
        if access.verb not in self.verbs and "*" not in self.verbs:
            return False
        if access.path:
            return any(
                path == access.path or (path.endswith("*") and access.path.startswith(path[:-1])) for path in self.paths
            )
        if access.group not in self.groups and "*" not in self.groups:
            return False
        if not self._covers(access.resource):
            return False
        return not self.names or (access.name != "" and access.name in self.names)

    def _covers(self, resource: str) -> bool:
        if resource in self.resources or "*" in self.resources:
            return True
        _, slash, subresource = resource.partition("/")
        return bool(slash) and f"*/{subresource}" in self.resources

    def text(self) -> str:
        """The rule as refusals write it."""
        parts = []
        if self.paths:
            parts.append(f"NonResourceURLs:{_quoted(self.paths)}")
        else:
            parts.extend((f"APIGroups:{_quoted(self.groups)}", f"Resources:{_quoted(self.resources)}"))
        if self.names:
            parts.append(f"ResourceNames:{_quoted(self.names)}")
        parts.append(f"Verbs:{_quoted(self.verbs)}")
        return "{" + ", ".join(parts) + "}"


def parse_rules(role: dict[str, Any] | None) -> tuple[Rule, ...]:
    """The rules of a Role or ClusterRole."""
    return tuple(
        Rule(
            verbs=tuple(item.get("verbs") or ()),
            groups=tuple(item.get("apiGroups") or ()),
            resources=tuple(item.get("resources") or ()),
            names=tuple(item.get("resourceNames") or ()),
            paths=tuple(item.get("nonResourceURLs") or ()),
        )
        for item in (role or {}).get("rules") or ()
    )


def subject_matches(subject: dict[str, Any], user: User, namespace: str) -> bool:
    """Whether a binding's subject is this user; ``namespace`` is the binding's own."""
    kind, name = subject.get("kind"), subject.get("name", "")
    if kind == "User":
        return bool(user.name == name)
    if kind == "Group":
        return bool(name in user.groups)
    return user.name == service_account_user(subject.get("namespace") or namespace, name)


def service_account_user(namespace: str, name: str) -> str:
    """The user name of a service account."""
    return f"system:serviceaccount:{namespace}:{name}"


def allowed(rules: Iterable[Rule], access: Access) -> bool:
    """Whether any of the rules grants the access."""
    return any(rule.allows(access) for rule in rules)


def refusal(user: User, access: Access) -> ApiError:
    """The 403 for an access that no rule grants."""
    if access.path:
        message = f'forbidden: User "{user.name}" cannot {access.verb} path "{access.path}"'
        return ApiError(403, "Forbidden", message, details={})
    where = f' in the namespace "{access.namespace}"' if access.namespace else " at the cluster scope"
    text = f'User "{user.name}" cannot {access.verb} resource "{access.resource}" in API group "{access.group}"{where}'
    return forbidden(access.resource.partition("/")[0], access.group, access.name, text)


def uncovered(owned: Sequence[Rule], wanted: Sequence[Rule]) -> list[Rule]:
    """The parts of wanted rights that the owned ones do not cover, as rules of one verb, group and resource each."""
    missing: list[Rule] = []
    for rule in wanted:
        missing.extend(part for part in _parts(rule) if not any(_covers(own, part) for own in owned))
    return missing


def escalation(user: User, kind: str, name: str, missing: Sequence[Rule]) -> ApiError:
    """The 403 for granting rights one does not have."""
    groups = _quoted(user.groups).replace('" "', '" "')
    listed = "\n".join(rule.text() for rule in missing)
    text = f'user "{user.name}" (groups={groups}) is attempting to grant RBAC permissions not currently held:\n{listed}'
    return forbidden(kind, RBAC_GROUP, name, text)


def _parts(rule: Rule) -> list[Rule]:
    if rule.paths:
        return [Rule(verbs=(verb,), paths=(path,)) for path in rule.paths for verb in rule.verbs]
    names: tuple[tuple[str, ...], ...] = tuple((name,) for name in rule.names) or ((),)
    return [
        Rule(verbs=(verb,), groups=(group,), resources=(resource,), names=name)
        for group in rule.groups
        for resource in rule.resources
        for name in names
        for verb in rule.verbs
    ]


def _covers(own: Rule, part: Rule) -> bool:
    verb = part.verbs[0]
    if verb not in own.verbs and "*" not in own.verbs:
        return False
    if part.paths:
        path = part.paths[0]
        return any(item == path or (item.endswith("*") and path.startswith(item[:-1])) for item in own.paths)
    group, resource = part.groups[0], part.resources[0]
    if group not in own.groups and "*" not in own.groups:
        return False
    if not own._covers(resource):  # noqa: SLF001 - a sibling function of the same module
        return False
    return not own.names or (bool(part.names) and part.names[0] in own.names)


def _quoted(values: Sequence[str]) -> str:
    return "[" + " ".join(f'"{value}"' for value in values) + "]"


_CORE_READ = [
    "configmaps", "endpoints", "events", "persistentvolumeclaims", "pods", "pods/log", "pods/status",
    "replicationcontrollers", "resourcequotas", "serviceaccounts", "services", "services/status",
]  # fmt: skip
_READ = ["get", "list", "watch"]
_WRITE = ["create", "delete", "deletecollection", "patch", "update"]
_WORKLOAD_GROUPS = ["apps", "batch", "autoscaling", "networking.k8s.io", "policy", "discovery.k8s.io"]


def default_roles() -> dict[str, list[dict[str, Any]]]:
    """The ClusterRoles every cluster has, by name, shortened to what callers of a simulator can notice."""
    view = [
        {"apiGroups": [""], "resources": [*_CORE_READ, "namespaces"], "verbs": _READ},
        {"apiGroups": _WORKLOAD_GROUPS, "resources": ["*"], "verbs": _READ},
    ]
    edit = [
        *view,
        {"apiGroups": [""], "resources": [*_CORE_READ, "secrets"], "verbs": [*_READ, *_WRITE]},
        {"apiGroups": _WORKLOAD_GROUPS, "resources": ["*"], "verbs": _WRITE},
    ]
    admin = [
        *edit,
        {"apiGroups": [RBAC_GROUP], "resources": ["roles", "rolebindings"], "verbs": [*_READ, *_WRITE]},
    ]
    paths = [
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/healthz",
        "/livez",
        "/openapi",
        "/openapi/*",
        "/readyz",
        "/version",
        "/version/",
    ]
    return {
        "cluster-admin": [
            {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
            {"nonResourceURLs": ["*"], "verbs": ["*"]},
        ],
        "admin": admin,
        "edit": edit,
        "view": view,
        "system:discovery": [{"nonResourceURLs": paths, "verbs": ["get"]}],
        "system:basic-user": [
            {
                "apiGroups": ["authorization.k8s.io"],
                "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
                "verbs": ["create"],
            },
            {"apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"], "verbs": ["create"]},
        ],
    }


def default_bindings() -> dict[str, tuple[str, str]]:
    """The ClusterRoleBindings every cluster has: name to (role, group)."""
    return {
        "cluster-admin": ("cluster-admin", MASTERS),
        "system:discovery": ("system:discovery", AUTHENTICATED),
        "system:basic-user": ("system:basic-user", AUTHENTICATED),
    }
