"""Ownership is read from managedFields as API servers write them."""

from typing import Any

import pytest

from fedsvc.rendering.canonical import canonical_json, digest
from fedsvc.rendering.ownership import drift_report, is_as_left, other_owner, our_fields, ownership_digest

WEB = 'k:{"name":"web"}'
PORT = 'k:{"containerPort":80,"protocol":"TCP"}'
OURS: dict[str, Any] = {
    "f:metadata": {"f:labels": {"f:app": {}, "f:fedsvc.io/managed": {}}, "f:finalizers": {'v:"example.org/x"': {}}},
    "f:spec": {
        "f:replicas": {},
        "f:template": {
            "f:spec": {
                "f:containers": {WEB: {".": {}, "f:image": {}, "f:ports": {PORT: {".": {}, "f:containerPort": {}}}}}
            }
        },
    },
}


def entry(manager: str, fields: Any, operation: str = "Apply", **more: str) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsV1": fields, **more}


def live(*entries: Any, **fields: Any) -> dict[str, Any]:
    return {"metadata": {"managedFields": list(entries)}, **fields}


def container_fields(name: str) -> dict[str, Any]:
    return {"f:spec": {"f:template": {"f:spec": {"f:containers": {WEB: {f"f:{name}": {}}}}}}}


IMAGE = "spec.template.spec.containers[name=web].image"


@pytest.mark.parametrize(
    "other",
    [
        entry("kubectl", OURS),
        entry("fedsvc", OURS, "Update"),
        entry("fedsvc", OURS, subresource="status"),
        entry("fedsvc", None),
        "garbage",
    ],
    ids=["another manager", "an update", "a subresource", "no fields", "garbage"],
)
def test_only_our_apply_of_the_object_itself_is_ours(other: Any) -> None:
    assert our_fields(live(other)) is None
    assert ownership_digest(live(other)) is None


@pytest.mark.parametrize("thing", [{}, {"metadata": None}, {"metadata": {"managedFields": {}}}], ids=str)
def test_an_object_without_managed_fields_is_not_ours(thing: dict[str, Any]) -> None:
    assert ownership_digest(thing) is None
    assert other_owner(thing, "spec.replicas") is None


def test_the_digest_stays_while_others_do_what_they_like() -> None:
    ours = {"time": "2026-01-02T00:00:00Z"}
    before = ownership_digest(live(entry("fedsvc", OURS, **ours)))
    status = entry(
        "kube-controller-manager", {"f:status": {}}, "Update", subresource="status", time="2026-01-01T00:00:00Z"
    )
    after = ownership_digest(live(status, entry("fedsvc", dict(reversed(OURS.items())), **ours)))
    assert before == after is not None


def test_the_digest_changes_when_values_are_changed_in_our_name() -> None:
    before, after = (live(entry("fedsvc", OURS, time=f"2026-01-02T00:00:0{second}Z")) for second in (1, 2))
    left = ownership_digest(before)
    assert left is not None
    assert is_as_left(before, left)
    assert not is_as_left(after, left)


def test_what_earlier_releases_kept_is_understood() -> None:
    kept = digest(canonical_json(OURS))
    taken = {**OURS, "f:spec": {}}
    assert is_as_left(live(entry("fedsvc", OURS, time="2026-01-02T00:00:00Z")), kept)
    assert not is_as_left(live(entry("fedsvc", taken, time="2026-01-02T00:00:00Z")), kept)
    assert not is_as_left(live(), kept)


def test_the_digest_changes_when_a_field_is_taken() -> None:
    taken = {**OURS, "f:spec": {name: value for name, value in OURS["f:spec"].items() if name != "f:replicas"}}
    assert ownership_digest(live(entry("fedsvc", OURS))) != ownership_digest(live(entry("fedsvc", taken)))


@pytest.mark.parametrize(
    ("entries", "path", "expected"),
    [
        pytest.param([entry("kubectl-edit", container_fields("image"), "Update")], IMAGE, "kubectl-edit", id="exactly"),
        pytest.param([entry("fedsvc", container_fields("image"))], IMAGE, None, id="we do not count"),
        pytest.param([entry("kubectl", container_fields("args"))], IMAGE, None, id="a field beside it"),
        pytest.param(
            [entry("kubectl", container_fields("image"))],
            "spec.template.spec.containers[name=web]",
            "kubectl",
            id="below it",
        ),
        pytest.param([entry("kubectl", {"f:spec": {"f:template": {}}})], IMAGE, "kubectl", id="the whole above it"),
        pytest.param([entry("kubectl", {"f:specification": {}})], "spec", None, id="a longer name is another field"),
        pytest.param(
            [
                entry("first", container_fields("image"), time="2026-01-01T00:00:00Z"),
                entry("last", container_fields("image"), time="2026-01-02T00:00:00Z"),
            ],
            IMAGE,
            "last",
            id="the latest",
        ),
        pytest.param(
            [
                entry("exact", container_fields("image"), time="2026-01-01T00:00:00Z"),
                entry("around", {"f:spec": {}}, time="2026-01-02T00:00:00Z"),
            ],
            IMAGE,
            "exact",
            id="exactness before time",
        ),
    ],
)
def test_other_owner(entries: list[dict[str, Any]], path: str, expected: str | None) -> None:
    assert other_owner(live(*entries), path) == expected


@pytest.mark.parametrize(
    "path",
    [
        "metadata.finalizers[=example.org/x]",
        'metadata.labels["fedsvc.io/managed"]',
        "spec.replicas",
        "spec.template.spec.containers[name=web]",
        "spec.template.spec.containers[name=web].ports[containerPort=80,protocol=TCP]",
    ],
)
def test_elements_of_all_forms_are_known_by_their_paths(path: str) -> None:
    assert other_owner(live(entry("kubectl", OURS)), path) == "kubectl"


@pytest.mark.parametrize(("element", "path"), [("i:0", "a[0]"), ("k:broken", "a[broken]"), ('v:"x"', "a[=x]")])
def test_rare_and_broken_elements_have_paths_too(element: str, path: str) -> None:
    assert other_owner(live(entry("kubectl", {"f:a": {element: {}}})), path) == "kubectl"


def test_a_drift_report_names_path_values_and_manager() -> None:
    desired = {"spec": {"replicas": 3, "paused": False}, "metadata": {"labels": {"app": "web"}}}
    seen = live(
        entry("fedsvc", {"f:spec": {"f:paused": {}}}),
        entry("kubectl-scale", {"f:spec": {"f:replicas": {}}}, "Update", subresource="scale"),
        spec={"replicas": 5, "paused": False},
    )
    report = drift_report(desired, seen)
    found = [(field.path, field.desired, field.live, field.live_absent, field.manager) for field in report.fields]
    assert found == [
        ("metadata.labels", {"app": "web"}, None, True, None),
        ("spec.replicas", 3, 5, False, "kubectl-scale"),
    ]
