"""Questions to the API server that leave nothing behind: who am I, what may I. Answers as documents."""

from typing import Any

from fedsvc.simulator.access import Authority
from fedsvc.simulator.errors import ApiError
from fedsvc.simulator.rbac import Access, User

Document = dict[str, Any]

_AUTHORIZATION = "authorization.k8s.io/v1"
_AUTHENTICATION = "authentication.k8s.io/v1"


def review(authority: Authority, user: User, kind: str, namespace: str, document: Document) -> Document:
    """Answer a review."""
    spec = document.get("spec") or {}
    if kind == "SelfSubjectReview":
        return {
            "kind": kind,
            "apiVersion": _AUTHENTICATION,
            "metadata": {},
            "status": {"userInfo": _user_info(user)},
        }
    if kind == "TokenReview":
        return _token_review(authority, spec)
    if kind == "SelfSubjectRulesReview":
        return _rules_review(authority, user, spec)
    subject = user if kind == "SelfSubjectAccessReview" else _subject(spec)
    access = _access(spec, namespace if kind == "LocalSubjectAccessReview" else "")
    allowed = authority.may(subject, access)
    return {
        "kind": kind,
        "apiVersion": _AUTHORIZATION,
        "metadata": {},
        "spec": spec,
        "status": {"allowed": allowed, **({} if allowed else {"reason": ""})},
    }


def _subject(spec: Document) -> User:
    return User(name=spec.get("user", ""), groups=tuple(spec.get("groups") or ()), uid=spec.get("uid", ""))


def _access(spec: Document, namespace: str) -> Access:
    path = spec.get("nonResourceAttributes")
    if path:
        return Access(verb=path.get("verb", ""), path=path.get("path", ""))
    wanted = spec.get("resourceAttributes") or {}
    resource = wanted.get("resource", "")
    if wanted.get("subresource"):
        resource = f"{resource}/{wanted['subresource']}"
    return Access(
        verb=wanted.get("verb", ""),
        group=wanted.get("group", ""),
        resource=resource,
        namespace=namespace or wanted.get("namespace", ""),
        name=wanted.get("name", ""),
    )


def _rules_review(authority: Authority, user: User, spec: Document) -> Document:
    namespace = spec.get("namespace", "")
    rules = [*authority.rules(user, ""), *(authority.rules(user, namespace) if namespace else ())]
    resources = [
        {
            "verbs": list(rule.verbs),
            "apiGroups": list(rule.groups),
            "resources": list(rule.resources),
            **({"resourceNames": list(rule.names)} if rule.names else {}),
        }
        for rule in rules
        if rule.resources
    ]
    paths = [{"verbs": list(rule.verbs), "nonResourceURLs": list(rule.paths)} for rule in rules if rule.paths]
    if user.almighty:
        resources.append({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]})
        paths.append({"verbs": ["*"], "nonResourceURLs": ["*"]})
    return {
        "kind": "SelfSubjectRulesReview",
        "apiVersion": _AUTHORIZATION,
        "metadata": {},
        "spec": {},
        "status": {"resourceRules": resources, "nonResourceRules": paths, "incomplete": False},
    }


def _token_review(authority: Authority, spec: Document) -> Document:
    out: Document = {"kind": "TokenReview", "apiVersion": _AUTHENTICATION, "metadata": {}, "spec": spec}
    try:
        user = authority.authenticate(f"Bearer {spec.get('token', '')}")
    except ApiError:
        return {**out, "status": {"authenticated": False, "user": {}}}
    return {**out, "status": {"authenticated": True, "user": _user_info(user)}}


def _user_info(user: User) -> Document:
    return {"username": user.name, "uid": user.uid, "groups": list(user.groups)}
