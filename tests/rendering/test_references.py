from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.rendering.identity import ObjectKey
from fedsvc.rendering.references import Reference, names_others, references_of

CONTAINER = {"name": "c", "image": "i"}


def named(api_version: str, kind: str, **fields: Any) -> set[str]:
    """What an object names, as "Kind name", with a "?" where it is optional."""
    group, _, version = api_version.rpartition("/")
    key = ObjectKey(group=group, version=version, kind=kind, namespace="shop", name="web")
    found = references_of(key, {"apiVersion": api_version, "kind": kind, "metadata": {"name": "web"}, **fields})
    assert all(reference.namespace == "shop" for reference in found)
    return {f"{reference.kind} {reference.name}{'?' if reference.optional else ''}" for reference in found}


def pod_spec(**fields: Any) -> dict[str, Any]:
    return {"containers": [CONTAINER], "volumes": [{"name": "v", "configMap": {"name": "x"}}], **fields}


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        pytest.param({"volumes": [{"configMap": {"name": "a"}}]}, {"ConfigMap a"}, id="configMap volume"),
        pytest.param({"volumes": [{"configMap": {"name": "a", "optional": True}}]}, {"ConfigMap a?"}, id="optional"),
        pytest.param({"volumes": [{"secret": {"secretName": "a"}}]}, {"Secret a"}, id="secret volume"),
        pytest.param(
            {"volumes": [{"persistentVolumeClaim": {"claimName": "a"}}]}, {"PersistentVolumeClaim a"}, id="claim"
        ),
        pytest.param(
            {"volumes": [{"ephemeral": {"volumeClaimTemplate": {"metadata": {"name": "a"}}}}]}, set(), id="ephemeral"
        ),
        pytest.param(
            {
                "volumes": [
                    {
                        "projected": {
                            "sources": [
                                {"configMap": {"name": "a"}},
                                {"secret": {"name": "b", "optional": True}},
                                {"serviceAccountToken": {"path": "t"}},
                                {"configMap": {"name": "kube-root-ca.crt"}},
                            ]
                        }
                    }
                ]
            },
            {"ConfigMap a", "Secret b?", "ConfigMap kube-root-ca.crt?"},
            id="projected",
        ),
        pytest.param(
            {"volumes": [{"csi": {"driver": "d", "nodePublishSecretRef": {"name": "a"}}}]}, {"Secret a"}, id="csi"
        ),
        pytest.param(
            {
                "volumes": [
                    {"csi": {"driver": "secrets-store.csi.k8s.io", "volumeAttributes": {"secretProviderClass": "a"}}}
                ]
            },
            {"SecretProviderClass a"},
            id="secrets store",
        ),
        *(
            pytest.param({"volumes": [{system: {"secretRef": {"name": "a"}}}]}, {"Secret a"}, id=system)
            for system in ("cephfs", "flexVolume", "iscsi", "rbd", "scaleIO", "storageos")
        ),
        pytest.param({"volumes": [{"azureFile": {"secretName": "a"}}]}, {"Secret a"}, id="azureFile"),
        pytest.param({"imagePullSecrets": [{"name": "a"}]}, {"Secret a"}, id="imagePullSecrets"),
        pytest.param({"serviceAccountName": "a"}, {"ServiceAccount a"}, id="account"),
        pytest.param({"serviceAccount": "a"}, {"ServiceAccount a"}, id="account by its old name"),
        pytest.param({"serviceAccountName": "default"}, {"ServiceAccount default?"}, id="default account"),
        pytest.param(
            {"resourceClaims": [{"resourceClaimName": "a"}, {"resourceClaimTemplateName": "b"}]},
            {"ResourceClaim a", "ResourceClaimTemplate b"},
            id="resource claims",
        ),
        *(
            pytest.param({field: [{"envFrom": [{"configMapRef": {"name": "a"}}]}]}, {"ConfigMap a"}, id=field)
            for field in ("containers", "initContainers", "ephemeralContainers")
        ),
        pytest.param(
            {
                "containers": [
                    {
                        "envFrom": [{"secretRef": {"name": "a", "optional": True}}],
                        "env": [
                            {"name": "E", "valueFrom": {"secretKeyRef": {"name": "b", "key": "k"}}},
                            {"name": "F", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
                            {"name": "G", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                            {"name": "H", "value": "d"},
                        ],
                    }
                ]
            },
            {"Secret a?", "Secret b", "ConfigMap c"},
            id="environment",
        ),
        pytest.param(
            {
                "volumes": [{"secret": {"secretName": "a", "optional": True}}],
                "imagePullSecrets": [{"name": "a"}],
            },
            {"Secret a"},
            id="needed in one place, optional in another",
        ),
        pytest.param(
            {"volumes": "none", "containers": [7], "imagePullSecrets": [{"name": 7}], "serviceAccountName": ["a"]},
            set(),
            id="nonsense",
        ),
    ],
)
def test_what_a_pod_names(fields: dict[str, Any], names: set[str]) -> None:
    assert named("v1", "Pod", spec=fields) == names


@pytest.mark.parametrize(
    ("api_version", "kind", "fields"),
    [
        ("v1", "Pod", {"spec": pod_spec()}),
        ("v1", "PodTemplate", {"template": {"spec": pod_spec()}}),
        ("v1", "ReplicationController", {"spec": {"template": {"spec": pod_spec()}}}),
        ("apps/v1", "Deployment", {"spec": {"template": {"spec": pod_spec()}}}),
        ("apps/v1", "ReplicaSet", {"spec": {"template": {"spec": pod_spec()}}}),
        ("apps/v1", "DaemonSet", {"spec": {"template": {"spec": pod_spec()}}}),
        (
            "apps/v1",
            "StatefulSet",
            {"spec": {"template": {"spec": pod_spec()}, "volumeClaimTemplates": [{"metadata": {"name": "data"}}]}},
        ),
        ("batch/v1", "Job", {"spec": {"template": {"spec": pod_spec()}}}),
        ("batch/v1", "CronJob", {"spec": {"jobTemplate": {"spec": {"template": {"spec": pod_spec()}}}}}),
        ("argoproj.io/v1alpha1", "Rollout", {"spec": {"template": {"spec": pod_spec()}}}),
        ("serving.knative.dev/v1", "Service", {"spec": {"template": {"spec": pod_spec()}}}),
        ("apps.kruise.io/v1alpha1", "CloneSet", {"spec": {"template": {"spec": pod_spec()}}}),
        (
            "apps.kruise.io/v1alpha1",
            "UnitedDeployment",
            {"spec": {"template": {"statefulSetTemplate": {"spec": {"template": {"spec": pod_spec()}}}}}},
        ),
        (
            "apps.kruise.io/v1alpha1",
            "AdvancedCronJob",
            {"spec": {"template": {"jobTemplate": {"spec": {"template": {"spec": pod_spec()}}}}}},
        ),
        ("batch.volcano.sh/v1alpha1", "Job", {"spec": {"tasks": [{"template": {"spec": pod_spec()}}]}}),
        (
            "ray.io/v1",
            "RayJob",
            {"spec": {"rayClusterSpec": {"workerGroupSpecs": [{"template": {"spec": pod_spec()}}]}}},
        ),
        (
            "kubeflow.org/v1",
            "PyTorchJob",
            {"spec": {"pytorchReplicaSpecs": {"Worker": {"template": {"spec": pod_spec()}}}}},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_where_the_pod_template_is_in_a_kind(api_version: str, kind: str, fields: dict[str, Any]) -> None:
    assert named(api_version, kind, **fields) == {"ConfigMap x"}
    group = api_version.rpartition("/")[0]
    assert names_others(group, kind)


def test_certificates_of_ingresses_and_gateways_are_named() -> None:
    ingress = {"tls": [{"hosts": ["h"], "secretName": "a"}, {"hosts": ["i"]}]}
    assert named("networking.k8s.io/v1", "Ingress", spec=ingress) == {"Secret a"}
    references = [
        {"name": "a"},
        {"kind": "Secret", "group": "", "name": "b"},
        {"kind": "Other", "group": "x", "name": "c"},
    ]
    gateway = {"listeners": [{"name": "l", "tls": {"certificateRefs": references}}]}
    assert named("gateway.networking.k8s.io/v1", "Gateway", spec=gateway) == {"Secret a", "Secret b"}


def test_a_certificate_of_another_namespace_is_there() -> None:
    key = ObjectKey(group="gateway.networking.k8s.io", version="v1", kind="Gateway", namespace="shop", name="g")
    manifest = {"spec": {"listeners": [{"tls": {"certificateRefs": [{"name": "a", "namespace": "certs"}]}}]}}
    assert references_of(key, manifest) == (Reference(group="", kind="Secret", namespace="certs", name="a"),)


def test_an_account_names_its_secrets() -> None:
    fields = {"secrets": [{"name": "a"}], "imagePullSecrets": [{"name": "b"}]}
    assert named("v1", "ServiceAccount", **fields) == {"Secret a", "Secret b"}


@pytest.mark.parametrize(
    ("group", "kind"), [("", "ConfigMap"), ("", "Secret"), ("", "PersistentVolumeClaim"), ("", "Service")]
)
def test_what_names_nothing_is_known_by_its_kind(group: str, kind: str) -> None:
    assert not names_others(group, kind)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["spec", "template", "containers", "volumes", "configMap", "name", "env", "secret", "secretName"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=30,
)


@given(json_values, st.sampled_from([("", "Pod"), ("apps", "Deployment"), ("x.io", "Thing"), ("", "ServiceAccount")]))
def test_anything_may_be_looked_into(value: Any, group_kind: tuple[str, str]) -> None:
    key = ObjectKey(group=group_kind[0], version="v1", kind=group_kind[1], namespace="shop", name="x")
    found = references_of(key, value if isinstance(value, dict) else {"spec": value})
    assert list(found) == sorted(set(found))
    assert all(reference.name for reference in found)
