"""What the API server fills in and tidies when an object of a built-in kind is written. Pure, on fresh copies.

Members show these values to everyone who reads back, so drift detection must cope with them; that is why they are here.
"""

import base64
from collections.abc import Callable
from typing import Any

from fedsvc.simulator.kinds import Kind
from fedsvc.simulator.quantities import QuantityError, canonical
from fedsvc.simulator.structural import prune, with_schema_defaults

Body = dict[str, Any]


def with_defaults(kind: Kind, version: str, body: Body) -> Body:
    """The object as the server would store it; ``body`` must not be used afterwards."""
    if kind.structural is not None:
        node = kind.structural.get(version) or {}
        out: Body = with_schema_defaults(prune(body, node), node)
        return out
    fill = _DEFAULTS.get(kind.key)
    tidy = _drop_empty(body)
    if fill is not None:
        fill(tidy)
    return tidy


def blank(kind: Kind) -> Body:
    """What an empty object of the kind looks like: the parts that are always there, even if nothing is in them."""
    if kind.custom:
        return {"metadata": {}}
    base: Body = {"metadata": {}}
    if kind.has_status:
        base["spec"] = {}
        base["status"] = {}
    base["spec"] = {**base.get("spec", {}), **_BLANK_SPECS.get(kind.key, {})} if kind.has_status else {}
    return base


_BLANK_META: Body = {"creationTimestamp": None}
_BLANK_TEMPLATE: Body = {"metadata": _BLANK_META, "spec": {"containers": None}}
_BLANK_SPECS: dict[tuple[str, str], Body] = {
    ("", "pods"): {"containers": None},
    ("apps", "deployments"): {"selector": None, "strategy": {}, "template": _BLANK_TEMPLATE},
    ("apps", "statefulsets"): {
        "selector": None,
        "serviceName": "",
        "updateStrategy": {},
        "template": _BLANK_TEMPLATE,
    },
    ("apps", "daemonsets"): {"selector": None, "updateStrategy": {}, "template": _BLANK_TEMPLATE},
    ("apps", "replicasets"): {"selector": None, "template": _BLANK_TEMPLATE},
    ("batch", "jobs"): {"template": _BLANK_TEMPLATE},
    ("batch", "cronjobs"): {
        "jobTemplate": {"metadata": _BLANK_META, "spec": {"template": _BLANK_TEMPLATE}},
        "schedule": "",
    },
    ("", "persistentvolumeclaims"): {"resources": {}},
    ("autoscaling", "horizontalpodautoscalers"): {"scaleTargetRef": {}, "maxReplicas": 0},
}


def _drop_empty(value: Body) -> Body:
    """Copy without nulls: typed kinds do not store them."""
    return {name: _copied(part) for name, part in value.items() if part is not None}


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return _drop_empty(value)
    if isinstance(value, list):
        return [_copied(item) for item in value]
    return value


def _pod_spec(spec: Body) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    if "serviceAccountName" in spec:
        spec["serviceAccount"] = spec["serviceAccountName"]
    for name in ("containers", "initContainers"):
        if name in spec and not spec[name]:
            del spec[name]
        for container in spec.get(name) or ():
            if isinstance(container, dict):
                _container(container)
    for volume in spec.get("volumes") or ():
        _volume(volume)
    for name in ("volumes", "imagePullSecrets", "tolerations", "hostAliases", "nodeSelector"):
        if name in spec and not spec[name]:
            del spec[name]


def _container(container: Body) -> None:
    for name in ("args", "command", "env", "envFrom", "ports", "volumeMounts"):
        if name in container and not container[name]:
            del container[name]
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    if "imagePullPolicy" not in container:
        image = str(container.get("image", "")).rpartition("/")[2]
        latest = "@" not in image and (":" not in image or image.endswith(":latest"))
        container["imagePullPolicy"] = "Always" if latest else "IfNotPresent"
    container.setdefault("resources", {})
    _resources(container["resources"])
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    for entry in container.get("env") or ():
        field = (entry.get("valueFrom") or {}).get("fieldRef")
        if field is not None:
            field.setdefault("apiVersion", "v1")
        if entry.get("value") == "":
            del entry["value"]
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            _probe(container[name])


def _resources(resources: Body) -> None:
    for name in ("limits", "requests"):
        if name in resources and not resources[name]:
            del resources[name]
        if name in resources:
            resources[name] = _quantities(resources[name])
    for name, limit in (resources.get("limits") or {}).items():
        resources.setdefault("requests", {}).setdefault(name, limit)


def _quantities(values: Body) -> Body:
    return {name: _quantity(value) for name, value in values.items()}


def _quantity(value: Any) -> Any:
    try:
        return canonical(str(value))
    except QuantityError:
        return value


def _probe(probe: Body) -> None:
    probe.setdefault("timeoutSeconds", 1)
    probe.setdefault("periodSeconds", 10)
    probe.setdefault("successThreshold", 1)
    probe.setdefault("failureThreshold", 3)
    if "httpGet" in probe:
        probe["httpGet"].setdefault("path", "/")
        probe["httpGet"].setdefault("scheme", "HTTP")


def _volume(volume: Body) -> None:
    for source in ("configMap", "secret", "projected"):
        if source in volume:
            volume[source].setdefault("defaultMode", 0o644)
    if set(volume) == {"name"}:
        volume["emptyDir"] = {}


def _template(spec: Body) -> None:
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {}).setdefault("creationTimestamp", None)
    _pod_spec(template.setdefault("spec", {}))


def _pod(body: Body) -> None:
    spec = body.setdefault("spec", {})
    _pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("serviceAccountName", "default")
    spec.setdefault("serviceAccount", spec["serviceAccountName"])


def _deployment(body: Body) -> None:
    spec = body.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    _template(spec)


def _replica_set(body: Body) -> None:
    spec = body.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    _template(spec)


def _stateful_set(body: Body) -> None:
    spec = body.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    spec.setdefault("podManagementPolicy", "OrderedReady")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("serviceName", "")
    strategy = spec.setdefault("updateStrategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {}).setdefault("partition", 0)
    for claim in spec.get("volumeClaimTemplates") or ():
        claim.setdefault("apiVersion", "v1")
        claim.setdefault("kind", "PersistentVolumeClaim")
        claim.setdefault("metadata", {}).setdefault("creationTimestamp", None)
        _claim(claim)
        claim.setdefault("status", {"phase": "Pending"})
    _template(spec)


def _daemon_set(body: Body) -> None:
    spec = body.setdefault("spec", {})
    spec.setdefault("revisionHistoryLimit", 10)
    strategy = spec.setdefault("updateStrategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    _template(spec)


def _job_spec(spec: Body) -> None:
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    _template(spec)


def _job(body: Body) -> None:
    _job_spec(body.setdefault("spec", {}))


def _cron_job(body: Body) -> None:
    spec = body.setdefault("spec", {})
    spec.setdefault("concurrencyPolicy", "Allow")
    spec.setdefault("suspend", False)
    spec.setdefault("successfulJobsHistoryLimit", 3)
    spec.setdefault("failedJobsHistoryLimit", 1)
    job = spec.setdefault("jobTemplate", {})
    job.setdefault("metadata", {}).setdefault("creationTimestamp", None)
    _template(job.setdefault("spec", {}))


def _service(body: Body) -> None:
    spec = body.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    if "selector" in spec and not spec["selector"]:
        del spec["selector"]
    if spec["type"] in {"NodePort", "LoadBalancer"}:
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
    body.setdefault("status", {}).setdefault("loadBalancer", {})


def _secret(body: Body) -> None:
    plain = body.pop("stringData", None)
    if plain:
        data = body.setdefault("data", {})
        data.update({name: base64.b64encode(str(value).encode()).decode() for name, value in plain.items()})
    body.setdefault("type", "Opaque")


def _claim(body: Body) -> None:
    spec = body.setdefault("spec", {})
    spec.setdefault("volumeMode", "Filesystem")
    _resources(spec.setdefault("resources", {}))


def _persistent_claim(body: Body) -> None:
    _claim(body)
    body.setdefault("status", {}).setdefault("phase", "Pending")


def _namespace(body: Body) -> None:
    body.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    body.setdefault("status", {}).setdefault("phase", "Active")
    labels = body["metadata"].setdefault("labels", {})
    labels.setdefault("kubernetes.io/metadata.name", body["metadata"].get("name", ""))


def _policy(body: Body) -> None:
    spec = body.setdefault("spec", {})
    if "policyTypes" not in spec:
        spec["policyTypes"] = ["Ingress", *(["Egress"] if spec.get("egress") else [])]


def _binding(body: Body) -> None:
    for subject in body.get("subjects") or ():
        if subject.get("kind") in {"User", "Group"}:
            subject.setdefault("apiGroup", "rbac.authorization.k8s.io")
    body.setdefault("roleRef", {}).setdefault("apiGroup", "rbac.authorization.k8s.io")


def _autoscaler(body: Body) -> None:
    spec = body.setdefault("spec", {})
    spec.setdefault("minReplicas", 1)
    spec.setdefault(
        "metrics",
        [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
            }
        ],
    )


def _ingress(body: Body) -> None:
    body.setdefault("status", {}).setdefault("loadBalancer", {})


def _definition(body: Body) -> None:
    spec = body.setdefault("spec", {})
    names = spec.setdefault("names", {})
    if names.get("kind"):
        names.setdefault("singular", names["kind"].lower())
        names.setdefault("listKind", names["kind"] + "List")
    spec.setdefault("conversion", {"strategy": "None"})


_RBAC = "rbac.authorization.k8s.io"
_DEFAULTS: dict[tuple[str, str], Callable[[Body], None]] = {
    ("", "namespaces"): _namespace,
    ("", "persistentvolumeclaims"): _persistent_claim,
    ("", "pods"): _pod,
    ("", "replicationcontrollers"): _replica_set,
    ("", "secrets"): _secret,
    ("", "services"): _service,
    ("apps", "daemonsets"): _daemon_set,
    ("apps", "deployments"): _deployment,
    ("apps", "replicasets"): _replica_set,
    ("apps", "statefulsets"): _stateful_set,
    ("autoscaling", "horizontalpodautoscalers"): _autoscaler,
    ("batch", "cronjobs"): _cron_job,
    ("batch", "jobs"): _job,
    ("networking.k8s.io", "ingresses"): _ingress,
    ("networking.k8s.io", "networkpolicies"): _policy,
    (_RBAC, "clusterrolebindings"): _binding,
    (_RBAC, "rolebindings"): _binding,
    ("apiextensions.k8s.io", "customresourcedefinitions"): _definition,
}
