"""Objects of other tools: known by their marks and managers, and their fields made ours."""

from typing import Any

import pytest

from fedsvc.rendering.immutable import immutable_fields, is_immutable
from fedsvc.rendering.takeover import controller_title, migrated_fields, migrated_managers, tools_of


def entry(manager: str, fields: Any, operation: str = "Update", **more: str) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsV1": fields, **more}


def live(*entries: Any, labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None) -> Any:
    metadata = {"managedFields": list(entries), "labels": labels or {}, "annotations": annotations or {}}
    return {"apiVersion": "v1", "metadata": metadata}


@pytest.mark.parametrize(
    ("thing", "tools"),
    [
        (live(entry("kubectl-client-side-apply", {})), ("kubectl",)),
        (live(annotations={"kubectl.kubernetes.io/last-applied-configuration": "{}"}), ("kubectl",)),
        (live(entry("controller-manager", {})), ()),
        (live(entry("controller-manager", {}), labels={"kubefed.io/managed": "true"}), ("kubefed",)),
        (live(entry("karmada-controller-manager", {})), ("karmada",)),
        (live(labels={"work.karmada.io/permanent-id": "x"}), ("karmada",)),
        (live(entry("argocd-controller", {}, "Apply")), ("argocd",)),
        (live(annotations={"argocd.argoproj.io/tracking-id": "a:b"}), ("argocd",)),
        (live(entry("helm", {})), ("helm",)),
        (live(labels={"kustomize.toolkit.fluxcd.io/name": "x"}), ("flux",)),
        (live(entry("somebody", {}), labels={"app": "web"}), ()),
        ({}, ()),
        ({"metadata": {"managedFields": "x", "labels": 1}}, ()),
    ],
)
def test_tools_are_known_by_marks_and_managers(thing: Any, tools: tuple[str, ...]) -> None:
    assert tools_of(thing) == tools


def test_only_what_puts_objects_back_by_itself_is_said_to_keep_them() -> None:
    assert controller_title(live(), "argocd-controller") == "Argo CD"
    assert controller_title(live(), "kubectl-client-side-apply") == ""
    assert controller_title(live(), "controller-manager") == ""
    assert controller_title(live(labels={"kubefed.io/managed": "true"}), "controller-manager") == "KubeFed"


def test_managers_are_migrated_by_tool_or_by_name() -> None:
    thing = live(
        entry("kubectl-client-side-apply", {}),
        entry("my-script", {}),
        entry("controller-manager", {}),
        entry("kubectl-edit", {}),
        entry("my-script", {}, subresource="status"),
    )

    assert migrated_managers(thing, ["kubectl", "my-script", "kubefed"]) == ("kubectl-client-side-apply", "my-script")
    assert migrated_managers(thing, ["helm"]) == ()


def test_their_fields_become_ours_and_nothing_else_changes() -> None:
    status = entry("kubectl-client-side-apply", {"f:status": {}}, subresource="status")
    other = entry("kubectl-edit", {"f:data": {"f:c": {}}})
    thing = live(
        entry("kubectl-client-side-apply", {"f:data": {".": {}, "f:a": {}, "f:b": {}}}, time="2026-01-02T00:00:00Z"),
        entry("fedsvc", {"f:data": {"f:a": {}}, "f:metadata": {"f:labels": {"f:x": {}}}}, "Apply"),
        other,
        status,
    )

    found = migrated_fields(thing, ["kubectl-client-side-apply"])

    assert found[0] == {
        "manager": "fedsvc",
        "operation": "Apply",
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {
            "f:data": {".": {}, "f:a": {}, "f:b": {}},
            "f:metadata": {"f:labels": {"f:x": {}}},
        },
        "time": "2026-01-02T00:00:00Z",
    }
    assert found[1:] == [other, status]


STATEFUL = (
    'StatefulSet.apps "db" is invalid: spec: Forbidden: updates to statefulset spec for fields other than '
    "'replicas', 'ordinals', 'template', 'updateStrategy' are forbidden"
)


@pytest.mark.parametrize(
    ("message", "causes", "fields"),
    [
        (
            'Deployment.apps "web" is invalid: spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: field is immutable',
            [("spec.selector", 'Invalid value: {"matchLabels":{"a":"b"}}: field is immutable')],
            ("spec.selector",),
        ),
        (
            'Service "web" is invalid: spec.clusterIPs[0]: Invalid value: ["10.0.0.1"]: may not change once set',
            [],
            ("spec.clusterIPs[0]",),
        ),
        (STATEFUL, [("spec", STATEFUL.partition("spec: ")[2])], ("spec",)),
        (
            'RoleBinding.rbac.authorization.k8s.io "r" is invalid: roleRef: Invalid value: {}: cannot change roleRef',
            [("roleRef", "Invalid value: {}: cannot change roleRef")],
            ("roleRef",),
        ),
        (
            (
                'PersistentVolumeClaim "p" is invalid: spec: Forbidden: spec is immutable after creation except '
                "resources.requests and volumeAttributesClassName for bound claims"
            ),
            [("spec", "Forbidden: spec is immutable after creation except resources.requests")],
            ("spec",),
        ),
        (
            'Job.batch "j" is invalid: spec.template: Invalid value: core.PodTemplateSpec{ObjectMeta:…}: field is immutable',
            [],
            ("spec.template",),
        ),
    ],
)
def test_what_cannot_be_changed_is_known_and_named(
    message: str, causes: list[tuple[str, str]], fields: tuple[str, ...]
) -> None:
    assert is_immutable(message)
    assert immutable_fields(message, causes) == fields


@pytest.mark.parametrize(
    "message",
    ['Deployment.apps "x" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0', ""],
)
def test_other_trouble_is_none_of_that(message: str) -> None:
    assert not is_immutable(message)
