"""What makes an object valid: names, labels, and the few rules of built-in kinds that users trip over. Pure."""

import re
from collections.abc import Callable
from typing import Any

import orjson

from fedsvc.simulator.errors import ApiError, Causes, invalid, invalid_value, required
from fedsvc.simulator.kinds import Kind
from fedsvc.simulator.selectors import from_label_selector
from fedsvc.simulator.structural import schema_errors
from fedsvc.simulator.typed import same

Body = dict[str, Any]

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")

_SUBDOMAIN_MESSAGE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_MESSAGE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_LABEL_1035_MESSAGE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_LABEL_VALUE_MESSAGE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_QUALIFIED_MESSAGE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_CONFIG_KEY_MESSAGE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)

DATA_LIMIT_BYTES = 1024 * 1024

_TEMPLATED = frozenset(
    {("apps", "deployments"), ("apps", "replicasets"), ("apps", "statefulsets"), ("apps", "daemonsets")}
)
_RBAC = "rbac.authorization.k8s.io"


def validate(kind: Kind, body: Body, version: str) -> None:
    """Check one object as a create does.

    Raises:
        ApiError: 422 with every cause found.
    """
    causes = [*_metadata(kind, body), *_VALIDATORS.get(kind.key, _nothing)(body)]
    if kind.structural is not None:
        causes.extend(schema_errors(body, kind.structural.get(version) or {}))
    if causes:
        raise invalid(kind.kind, kind.group, body["metadata"].get("name", ""), causes)


def validate_update(kind: Kind, old: Body, new: Body, version: str) -> None:
    """Check an update: valid as it is, and fields that cannot change did not.

    Raises:
        ApiError: 422 with every cause found.
    """
    validate(kind, new, version)
    causes = _finalizers(old, new)
    for path in _IMMUTABLE.get(kind.key, ()):
        before, after = _at(old, path), _at(new, path)
        if before is not None and not same(before, after):
            causes.append(invalid_value(".".join(path), _shown(after), "field is immutable"))
    if kind.key in {("", "configmaps"), ("", "secrets")} and old.get("immutable"):
        causes.extend(
            {
                "reason": "FieldValueForbidden",
                "message": "Forbidden: field is immutable when `immutable` is set",
                "field": name,
            }
            for name in ("data", "binaryData", "immutable")
            if not same(old.get(name), new.get(name))
        )
    if kind.key in {(_RBAC, "rolebindings"), (_RBAC, "clusterrolebindings")} and not same(
        old.get("roleRef"), new.get("roleRef")
    ):
        causes.append(invalid_value("roleRef", _shown(new.get("roleRef")), "cannot change roleRef"))
    if causes:
        raise invalid(kind.kind, kind.group, new["metadata"]["name"], causes)


def _finalizers(old: Body, new: Body) -> Causes:
    """While an object waits for its finalizers, they may only go."""
    if "deletionTimestamp" not in old["metadata"]:
        return []
    before = old["metadata"].get("finalizers") or ()
    added = [item for item in new["metadata"].get("finalizers") or () if item not in before]
    if not added:
        return []
    listed = "[]string{" + ", ".join(_shown(item) for item in added) + "}"
    text = f"no new finalizers can be added if the object is being deleted, found new finalizers {listed}"
    return [{"reason": "FieldValueForbidden", "message": f"Forbidden: {text}", "field": "metadata.finalizers"}]


def _metadata(kind: Kind, body: Body) -> Causes:
    metadata = body["metadata"]
    name = metadata.get("name")
    if not name:
        return [required("metadata.name", "name or generateName is required")]
    causes = [invalid_value("metadata.name", _shown(name), text) for text in name_errors(kind, name)]
    for field, values in (("labels", metadata.get("labels")), ("annotations", metadata.get("annotations"))):
        for key, value in (values or {}).items():
            causes.extend(
                invalid_value(f"metadata.{field}", _shown(key), text)
                for text in _qualified_errors(key if field == "labels" else key.lower())
            )
            if field == "labels":
                causes.extend(
                    invalid_value(f"metadata.{field}", _shown(value), text) for text in _label_value_errors(value)
                )
    return causes


def name_errors(kind: Kind, name: str) -> list[str]:
    """Why a name is none for an object of this kind."""
    if kind.group == _RBAC:
        bad = name in {".", ".."} or "/" in name or "%" in name
        return ["may not contain '/' or '%', and may not be '.' or '..'"] if bad else []
    if kind.key == ("", "services"):
        return _pattern_errors(name, _LABEL_1035, _LABEL_1035_MESSAGE, 63)
    if kind.key == ("", "namespaces"):
        return _pattern_errors(name, _LABEL, _LABEL_MESSAGE, 63)
    return _pattern_errors(name, _SUBDOMAIN, _SUBDOMAIN_MESSAGE, 253)


def _pattern_errors(text: str, pattern: re.Pattern[str], message: str, limit: int) -> list[str]:
    errors = [] if pattern.fullmatch(text) else [message]
    if len(text) > limit:
        errors.append(f"must be no more than {limit} characters")
    return errors


def _label_value_errors(value: object) -> list[str]:
    if not isinstance(value, str):
        return ["must be a string"]
    return _pattern_errors(value, _LABEL_VALUE, _LABEL_VALUE_MESSAGE, 63)


def _qualified_errors(key: str) -> list[str]:
    prefix, slash, name = key.rpartition("/")
    errors = _pattern_errors(name, _QUALIFIED, _QUALIFIED_MESSAGE, 63)
    if slash and not _SUBDOMAIN.fullmatch(prefix):
        errors.append(f"prefix part {_SUBDOMAIN_MESSAGE}")
    return errors


def _nothing(_body: Body) -> Causes:
    return []


def _data(body: Body) -> Causes:
    causes: Causes = []
    for field in ("data", "binaryData"):
        for key in body.get(field) or {}:
            if not _CONFIG_KEY.fullmatch(key):
                causes.append(invalid_value(f"{field}[{key}]", _shown(key), _CONFIG_KEY_MESSAGE))
    size = sum(len(str(value)) for field in ("data", "binaryData") for value in (body.get(field) or {}).values())
    if size > DATA_LIMIT_BYTES:
        message = f"Too long: must have at most {DATA_LIMIT_BYTES} bytes"
        causes.append({"reason": "FieldValueTooLong", "message": message, "field": ""})
    return causes


def _workload(body: Body) -> Causes:
    spec = body.get("spec") or {}
    causes: Causes = []
    selector = spec.get("selector")
    labels = (spec.get("template") or {}).get("metadata", {}).get("labels") or {}
    if not selector:
        causes.append(required("spec.selector"))
    elif not from_label_selector(selector)(labels):
        message = "`selector` does not match template `labels`"
        causes.append(invalid_value("spec.template.metadata.labels", _shown(labels), message))
    if (spec.get("replicas") or 0) < 0:
        message = "must be greater than or equal to 0"
        causes.append(invalid_value("spec.replicas", _shown(spec["replicas"]), message))
    return causes + _pod_spec((spec.get("template") or {}).get("spec") or {}, "spec.template.spec")


def _pod(body: Body) -> Causes:
    return _pod_spec(body.get("spec") or {}, "spec")


def _job(body: Body) -> Causes:
    template = (body.get("spec") or {}).get("template") or {}
    spec = template.get("spec") or {}
    causes = _pod_spec(spec, "spec.template.spec")
    if spec.get("restartPolicy") == "Always":
        causes.append(
            {
                "reason": "FieldValueNotSupported",
                "message": 'Unsupported value: "Always": supported values: "OnFailure", "Never"',
                "field": "spec.template.spec.restartPolicy",
            }
        )
    return causes


def _pod_spec(spec: Body, path: str) -> Causes:
    containers = spec.get("containers")
    if not containers:
        return [required(f"{path}.containers")]
    causes: Causes = []
    for index, container in enumerate(containers):
        if not container.get("name"):
            causes.append(required(f"{path}.containers[{index}].name"))
        elif not _LABEL.fullmatch(container["name"]):
            causes.append(invalid_value(f"{path}.containers[{index}].name", _shown(container["name"]), _LABEL_MESSAGE))
        if not container.get("image"):
            causes.append(required(f"{path}.containers[{index}].image"))
    return causes


def _service(body: Body) -> Causes:
    spec = body.get("spec") or {}
    if spec.get("type") == "ExternalName" or spec.get("clusterIP") == "None" or spec.get("ports"):
        return []
    return [required("spec.ports")]


def _definition(body: Body) -> Causes:
    spec = body.get("spec") or {}
    plural = (spec.get("names") or {}).get("plural", "")
    expected = f"{plural}.{spec.get('group', '')}"
    name = body["metadata"]["name"]
    causes: Causes = []
    if name != expected:
        causes.append(invalid_value("metadata.name", _shown(name), 'must be spec.names.plural+"."+spec.group'))
    if not (spec.get("names") or {}).get("kind"):
        causes.append(required("spec.names.kind"))
    versions = spec.get("versions") or []
    if sum(1 for version in versions if version.get("storage")) != 1:
        message = "must have exactly one version marked as storage version"
        causes.append(invalid_value("spec.versions", _shown(versions), message))
    causes.extend(
        required(f"spec.versions[{index}].schema.openAPIV3Schema", "schemas are required")
        for index, version in enumerate(versions)
        if not (version.get("schema") or {}).get("openAPIV3Schema")
    )
    return causes


_VALIDATORS: dict[tuple[str, str], Callable[[Body], Causes]] = {
    ("", "configmaps"): _data,
    ("", "secrets"): _data,
    ("", "pods"): _pod,
    ("", "services"): _service,
    ("batch", "jobs"): _job,
    ("apiextensions.k8s.io", "customresourcedefinitions"): _definition,
    **dict.fromkeys(_TEMPLATED, _workload),
}

_IMMUTABLE: dict[tuple[str, str], tuple[tuple[str, ...], ...]] = {
    **dict.fromkeys(_TEMPLATED, (("spec", "selector"),)),
    ("apps", "statefulsets"): (("spec", "selector"), ("spec", "serviceName"), ("spec", "volumeClaimTemplates")),
    ("batch", "jobs"): (("spec", "template"), ("spec", "selector"), ("spec", "completions")),
    ("", "secrets"): (("type",),),
    ("", "services"): (("spec", "clusterIP"),),
    ("", "pods"): (("spec", "nodeName"),),
}


def _at(body: Body, path: tuple[str, ...]) -> Any:
    value: Any = body
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _shown(value: object) -> str:
    return orjson.dumps(value).decode()


def wrong_type(kind: Kind, body: object) -> ApiError | None:
    """A 400 where the body's plain structure is not that of any object."""
    if not isinstance(body, dict):
        return ApiError(400, "BadRequest", f"json: cannot unmarshal into Go value of type {kind.kind}")
    for name in ("metadata", "spec", "status"):
        if (
            name in body
            and body[name] is not None
            and not isinstance(body[name], dict)
            and (name == "metadata" or not kind.custom)
        ):
            text = f"json: cannot unmarshal into Go struct field {kind.kind}.{name}"
            return ApiError(400, "BadRequest", f"{kind.kind} in version is not valid: {text}")
    return None
