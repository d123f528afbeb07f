"""Health of kinds of well-known projects, which are judged by their conditions."""

from dataclasses import replace
from typing import Any

import pytest

from fedsvc.rendering.keys import ObjectKey
from fedsvc.rendering.status import aggregate, health, reflect


def conditions_of(*given: str, **more: Any) -> dict[str, Any]:
    """A status whose conditions are written Type=Status or Type=Status:Reason."""
    found = []
    for entry in given:
        kind, _, rest = entry.partition("=")
        status, _, reason = rest.partition(":")
        found.append({"type": kind, "status": status, "reason": reason, "message": f"{reason} it is"})
    return {"conditions": found, **more}


@pytest.mark.parametrize(
    ("kind", "status", "state", "reason"),
    [
        # Argo Rollouts: a phase beside the conditions, and the observed generation as a text.
        ("Rollout", conditions_of("Available=True", phase="Healthy", observedGeneration="2"), "Healthy", ""),
        (
            "Rollout",
            conditions_of("Available=True", phase="Progressing", observedGeneration="2"),
            "Progressing",
            "Progressing",
        ),
        ("Rollout", conditions_of("Available=True", phase="Paused", observedGeneration="2"), "Progressing", "Paused"),
        ("Rollout", conditions_of("Available=True", phase="Degraded", observedGeneration="2"), "Degraded", "Degraded"),
        (
            "Rollout",
            conditions_of("Available=True", phase="Healthy", observedGeneration="1"),
            "Progressing",
            "NotObserved",
        ),
        # cert-manager
        ("Certificate", conditions_of("Ready=True:Ready"), "Healthy", ""),
        ("Certificate", conditions_of("Issuing=True", "Ready=False:DoesNotExist"), "Progressing", "DoesNotExist"),
        # Knative
        ("Service", conditions_of("ConfigurationsReady=True", "Ready=True", "RoutesReady=True"), "Healthy", ""),
        ("Service", conditions_of("Ready=Unknown:Uninitialized", "RoutesReady=Unknown"), "Unknown", "Uninitialized"),
        ("Service", conditions_of("Ready=False:RevisionFailed"), "Progressing", "RevisionFailed"),
        # Flux, by the kstatus conventions
        ("Kustomization", conditions_of("Ready=True:ReconciliationSucceeded"), "Healthy", ""),
        (
            "Kustomization",
            conditions_of("Reconciling=True:Progressing", "Ready=Unknown:Progressing"),
            "Progressing",
            "Progressing",
        ),
        (
            "HelmRelease",
            conditions_of("Stalled=True:RetriesExceeded", "Ready=False:UpgradeFailed"),
            "Degraded",
            "RetriesExceeded",
        ),
        # Crossplane
        ("Bucket", conditions_of("Synced=True", "Ready=True:Available"), "Healthy", ""),
        ("Bucket", conditions_of("Synced=True", "Ready=False:Creating"), "Progressing", "Creating"),
        ("Bucket", conditions_of("Synced=False:ReconcileError", "Ready=True"), "Degraded", "ReconcileError"),
        # Argo Workflows, and what tells nothing that is known: there a status policy is needed.
        ("Workflow", {"phase": "Failed", "message": "child failed"}, "Degraded", "Failed"),
        ("CloneSet", {"replicas": 3, "readyReplicas": 0, "observedGeneration": 2}, "Healthy", ""),
    ],
)
def test_kinds_of_well_known_projects_are_judged_by_their_conditions(
    kind: str, status: dict[str, Any], state: str, reason: str
) -> None:
    live = {"metadata": {"generation": 2}, "status": status}
    verdict = health(ObjectKey(group="example.com", version="v1", kind=kind, namespace="n", name="x"), live)
    assert (verdict.state.value, verdict.reason) == (state, reason)


def test_gateways_keep_their_addresses_and_routes_what_gateways_say_of_them() -> None:
    accepted = {"type": "Accepted", "status": "True", "observedGeneration": 3}
    gateway = ObjectKey(group="gateway.networking.k8s.io", version="v1", kind="Gateway", namespace="shop", name="web")
    seen = {"status": {"addresses": [{"type": "IPAddress", "value": "192.0.2.1"}], "conditions": [accepted]}}
    status = reflect(gateway, seen)
    assert status["addresses"] == [{"type": "IPAddress", "value": "192.0.2.1"}]
    assert aggregate(gateway, {"a": status})["addresses"] == [
        {"type": "IPAddress", "value": "192.0.2.1", "cluster": "a"}
    ]
    route = replace(gateway, kind="HTTPRoute")
    parent = {"parentRef": {"name": "web"}, "controllerName": "x", "conditions": [accepted]}
    told = {"parentRef": {"name": "web"}, "conditions": [{"type": "Accepted", "status": "True"}]}
    assert reflect(route, {"status": {"parents": [parent]}}) == {"parents": [told]}
    assert reflect(route, {}) == {}
