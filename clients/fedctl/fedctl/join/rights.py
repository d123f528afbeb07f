"""What fedsvc may do in a member: profiles of RBAC rules.

`standard` covers what applications are made of, in every namespace, and cannot escalate: writing Roles and
RoleBindings gives nobody more than the writer has, since Kubernetes checks that (no `escalate`, no `bind`);
ClusterRoles, nodes, webhooks and the like are out of its reach. RBAC cannot say "all custom resources", so their groups
are taken from the cluster as it is at joining; one that comes later is named by --custom-group, before it comes or when
rights for it are found missing.
"""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fedctl.failures import Exit, Failure

NAME = "fedsvc"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
ALL = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"]
READ = ["get", "list", "watch"]

Rule = dict[str, Any]
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_RULE_FIELDS = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """A profile: rules for the whole cluster, rules for single namespaces."""

    profile: str  # its name: standard, namespaced:A,B, cluster-admin or custom
    cluster_rules: tuple[Rule, ...]
    namespaces: tuple[str, ...] = ()  # where `namespace_rules` hold
    namespace_rules: tuple[Rule, ...] = ()


def _application_rules() -> tuple[Rule, ...]:
    core = ["configmaps", "endpoints", "persistentvolumeclaims", "pods", "replicationcontrollers", "secrets"]
    core += ["serviceaccounts", "services", "limitranges", "resourcequotas"]
    return (
        {"apiGroups": [""], "resources": core, "verbs": ALL},
        {"apiGroups": [""], "resources": ["pods/log", "events"], "verbs": READ},
        {"apiGroups": ["apps", "batch", "autoscaling", "policy"], "resources": ["*"], "verbs": ALL},
        {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses", "networkpolicies"], "verbs": ALL},
        {"apiGroups": ["extensions"], "resources": ["ingresses"], "verbs": ALL},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ALL},
        {"apiGroups": ["gateway.networking.k8s.io", "multicluster.x-k8s.io"], "resources": ["*"], "verbs": ALL},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ALL},
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": ALL},
    )


def _fleet_rules() -> tuple[Rule, ...]:
    """What health and discovery read."""
    return (
        {"apiGroups": [""], "resources": ["nodes"], "verbs": READ},
        {
            "nonResourceURLs": ["/version", "/healthz", "/livez", "/readyz", "/api", "/api/*", "/apis", "/apis/*"],
            "verbs": ["get"],
        },
    )


def check_custom_groups(groups: Sequence[str], profile: str) -> None:
    """Check what the command line says of custom groups that are to come.

    Raises:
        Failure: one is no API group of custom resources, or the profile takes none.
    """
    for index, group in enumerate(groups):
        where = f"--custom-group[{index}]: {group!r}"
        if len(group) > 253 or "." not in group or not all(map(_LABEL.fullmatch, group.split("."))):
            raise Failure(f"{where} is no group of custom resources: write one such as example.com", code=Exit.USAGE)
        if group.endswith(".k8s.io"):
            text = f"{where} belongs to Kubernetes, whose groups are granted by the profile, or by a FILE with rules"
            raise Failure(text, code=Exit.USAGE)
    if groups and profile != "standard" and not profile.startswith("namespaced"):
        text = f"--custom-group goes with --rights standard and namespaced:A,B; {profile} has rules of its own"
        raise Failure(text, code=Exit.USAGE)


def rights_of(profile: str, custom_groups: list[str]) -> Rights:
    """The rights of a profile: standard, namespaced:A,B, cluster-admin, or the path of a file with rules.

    Raises:
        Failure: it is none of these.
    """
    if profile == "standard":
        custom: tuple[Rule, ...] = (
            ({"apiGroups": custom_groups, "resources": ["*"], "verbs": ALL},) if custom_groups else ()
        )
        definitions = {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": ALL}
        namespaces = {"apiGroups": [""], "resources": ["namespaces"], "verbs": ALL}
        rules = (*_application_rules(), namespaces, definitions, *custom, *_fleet_rules())
        return Rights(profile=profile, cluster_rules=rules)
    if profile == "cluster-admin":
        everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
        return Rights(profile=profile, cluster_rules=(everything, {"nonResourceURLs": ["*"], "verbs": ["get"]}))
    kind, _, names = profile.partition(":")
    if kind == "namespaced":
        given = [name.strip() for name in names.split(",")]
        namespaces_named = tuple(sorted({name for name in given if name}))
        if not namespaces_named:
            raise Failure("--rights namespaced: needs namespaces, such as namespaced:shop,web", code=Exit.USAGE)
        for index, name in enumerate(given):
            if name and (len(name) > 63 or not _LABEL.fullmatch(name)):
                rule = "lower-case letters, digits and '-', beginning and ending with a letter or digit, at most 63"
                raise Failure(f"--rights namespaced[{index}]: {name!r} is no namespace's name: {rule}", code=Exit.USAGE)
        custom = ({"apiGroups": custom_groups, "resources": ["*"], "verbs": ALL},) if custom_groups else ()
        return Rights(
            profile=f"namespaced:{','.join(namespaces_named)}",
            cluster_rules=(*_fleet_rules(), {"apiGroups": [""], "resources": ["namespaces"], "verbs": READ}),
            namespaces=namespaces_named,
            namespace_rules=(*_application_rules(), *custom),
        )
    return _from_file(profile)


def _from_file(profile: str) -> Rights:
    path = Path(profile)
    if not path.is_file():
        text = (
            f"--rights {profile!r}: write standard, namespaced:A,B, cluster-admin, or a file with a list of RBAC rules"
        )
        raise Failure(text, code=Exit.USAGE)
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise Failure(f"{path} is not YAML: {error}", code=Exit.USAGE) from error
    rules = document.get("rules") if isinstance(document, dict) else document
    if not isinstance(rules, list) or not rules:
        raise Failure(f"{path}: rules: must be a list of rules, as in a ClusterRole", code=Exit.USAGE)
    problems = [problem for index, rule in enumerate(rules) for problem in _rule_problems(rule, f"rules[{index}]")]
    if problems:
        raise Failure(f"{path}: " + f"\n{path}: ".join(problems), code=Exit.USAGE)
    return Rights(profile="custom", cluster_rules=(*rules, *_fleet_rules()))


def _rule_problems(rule: object, where: str) -> list[str]:
    """What an API server would refuse in a PolicyRule, or pass over without a word."""
    if not isinstance(rule, dict):
        return [f"{where}: must be an object with verbs, apiGroups and resources"]
    problems = []
    for name, value in rule.items():
        if name not in _RULE_FIELDS:
            close = difflib.get_close_matches(str(name), _RULE_FIELDS, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(_RULE_FIELDS)}"
            problems.append(f"{where}.{name}: is not known; {hint}")
        elif not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            problems.append(f"{where}.{name}: must be a list of strings")
    if problems:
        return problems
    if not rule.get("verbs"):
        problems.append(f"{where}.verbs: is missing: name verbs such as get, list, watch")
    if rule.get("nonResourceURLs"):
        if rule.get("resources") or rule.get("apiGroups"):
            problems.append(f"{where}.nonResourceURLs: goes with verbs only; write resources in a rule of their own")
    else:
        problems.extend(
            f"{where}.{name}: is missing: name at least one, or * for all"
            for name in ("apiGroups", "resources")
            if not rule.get(name)
        )
    return problems


def objects(rights: Rights, namespace: str) -> list[tuple[str, dict[str, Any]]]:
    """The RBAC objects of a profile, as (path, manifest), in the order they are made."""
    subject = [{"kind": "ServiceAccount", "name": NAME, "namespace": namespace}]
    # Of its own account only: that is how a token is renewed before it ends.
    own = ({"apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": [NAME], "verbs": ["create"]},)
    result = [_role("ClusterRole", f"{RBAC}/clusterroles", "", list(rights.cluster_rules))]
    result.append(_binding("ClusterRoleBinding", "ClusterRole", f"{RBAC}/clusterrolebindings", "", subject))
    for place, rules in [(namespace, own), *((name, rights.namespace_rules) for name in rights.namespaces)]:
        prefix = f"{RBAC}/namespaces/{place}"
        role = f"{NAME}-token" if rules is own else NAME
        result.append(_role("Role", f"{prefix}/roles", place, list(rules), name=role))
        result.append(_binding("RoleBinding", "Role", f"{prefix}/rolebindings", place, subject, name=role))
    return result


def _role(kind: str, path: str, namespace: str, rules: list[Rule], *, name: str = NAME) -> tuple[str, dict[str, Any]]:
    return f"{path}/{name}", {**_head(kind, name, namespace), "rules": rules}


def _binding(
    kind: str, role_kind: str, path: str, namespace: str, subjects: list[dict[str, str]], *, name: str = NAME
) -> tuple[str, dict[str, Any]]:
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": name}
    return f"{path}/{name}", {**_head(kind, name, namespace), "roleRef": reference, "subjects": subjects}


def _head(kind: str, name: str, namespace: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "labels": {"app.kubernetes.io/managed-by": "fedctl"}}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata}
