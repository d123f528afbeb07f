"""`fedctl convert`: KubeFed's objects as documents of fedsvc."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

from fedctl.files.convert import Findings
from fedctl.files.shape import read_document
from fedctl.kubefed.placements import within

Run = Callable[..., Result]

EVERYWHERE: Mapping[str, Any] = {"clusterSelector": {}}
PROD: Mapping[str, Any] = {"clusterSelector": {"matchLabels": {"tier": "prod"}}}
CONTAINER: Mapping[str, Any] = {"name": "main", "image": "registry.example/web:1"}
TEMPLATE: Mapping[str, Any] = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {
        "replicas": 3,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [CONTAINER]}},
    },
}


def federated(kind: str = "Deployment", *, name: str = "web", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "types.kubefed.io/v1beta1",
        "kind": f"Federated{kind}",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"template": TEMPLATE if kind == "Deployment" else {"data": {"a": "b"}}, **spec},
    }


def space(placement: Mapping[str, Any]) -> dict[str, Any]:
    return federated("Namespace", name="shop", template={}, placement=placement)


def preference(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "scheduling.kubefed.io/v1alpha1",
        "kind": "ReplicaSchedulingPreference",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"targetKind": "FederatedDeployment", "totalReplicas": 9, **spec},
    }


def converted(bare: Run, *documents: Mapping[str, Any], words: tuple[str, ...] = (), code: int = 0) -> list[Any]:
    """The documents that come of others; each is one that `fedctl apply` reads."""
    result = bare("convert", "-f", "-", *words, stdin=yaml.safe_dump_all(documents))
    assert result.exit_code == code, result.output
    found = [document for document in yaml.safe_load_all(result.stdout) if document]
    for document in found:
        findings = Findings()
        assert read_document(document, findings, namespace="default") is not None
        assert findings.problems == []
    return found


def said(bare: Run, *documents: Mapping[str, Any], words: tuple[str, ...] = ()) -> str:
    return bare("convert", "-f", "-", *words, stdin=yaml.safe_dump_all(documents)).stderr


def placement_of(documents: list[Any], name: str = "web") -> Any:
    return next(one for one in documents if one["metadata"]["name"] == name)["spec"].get("placement")


def test_a_federated_object_becomes_a_unit_with_the_same_placement_and_overrides(bare: Run) -> None:
    steps: list[dict[str, Any]] = [
        {"path": "/spec/replicas", "value": 5},
        {"op": "add", "path": "/metadata/labels/zone", "value": "x"},
    ]
    given = federated(placement=PROD, overrides=[{"clusterName": "eu-1", "clusterOverrides": steps}])
    given["metadata"] |= {
        "labels": {"team": "a"},
        "annotations": {"note": "b", "kubefed.io/orphan": "true"},
        "uid": "1",
    }

    assert converted(bare, given) == [
        {
            "apiVersion": "fedsvc.io/v1",
            "kind": "Unit",
            "metadata": {
                "name": "web",
                "namespace": "shop",
                "labels": {"team": "a"},
                "annotations": {"note": "b"},
            },
            "spec": {
                "placement": PROD,
                "overrides": [{"clusters": {"names": ["eu-1"]}, "patch": [{"op": "replace", **steps[0]}, steps[1]]}],
                "propagation": {"deletion": "orphan"},
                "resources": [
                    {
                        "apiVersion": "apps/v1",
                        "kind": "Deployment",
                        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
                        "spec": TEMPLATE["spec"],
                    }
                ],
            },
        }
    ]


@pytest.mark.parametrize(
    ("placement", "expected"),
    [
        ({}, None),
        ({"clusterSelector": {}}, EVERYWHERE),
        (PROD, PROD),
        ({"clusters": [], **PROD}, {"clusters": []}),
        ({"clusters": [{"name": "a"}, {"name": "b"}], **PROD}, {"clusters": ["a", "b"]}),
        ({"clusters": None, **PROD}, PROD),
    ],
    ids=["nowhere", "everywhere", "selected", "empty list", "listed", "null"],
)
def test_the_truth_table_of_placements_holds(bare: Run, placement: Mapping[str, Any], expected: Any) -> None:
    assert placement_of(converted(bare, federated(placement=placement))) == expected


A_AND_B: Mapping[str, Any] = {"clusters": ["a", "b"]}
EU: Mapping[str, Any] = {"clusterSelector": {"matchLabels": {"region": "eu"}}}
DEV: Mapping[str, Any] = {"clusterSelector": {"matchLabels": {"tier": "dev"}}}


@pytest.mark.parametrize(
    ("own", "outer", "expected"),
    [
        ({}, EVERYWHERE, {}),
        (PROD, {}, {"clusters": []}),
        (PROD, {"clusters": []}, {"clusters": []}),
        (PROD, EVERYWHERE, PROD),
        (EVERYWHERE, A_AND_B, A_AND_B),
        (A_AND_B, {"clusters": ["b", "c"]}, {"clusters": ["b"]}),
        (PROD, EU, {"clusterSelector": {"matchLabels": {"tier": "prod", "region": "eu"}}}),
        (
            PROD,
            DEV,
            {
                "clusterSelector": {
                    "matchLabels": {"tier": "prod"},
                    "matchExpressions": [{"key": "tier", "operator": "In", "values": ["dev"]}],
                }
            },
        ),
        (
            A_AND_B,
            PROD,
            {**A_AND_B, "groups": [{"name": "namespace", "clusters": {"selector": PROD["clusterSelector"]}}]},
        ),
        (PROD, A_AND_B, {**PROD, "groups": [{"name": "namespace", "clusters": {"names": ["a", "b"]}}]}),
    ],
)
def test_a_placement_holds_within_that_of_the_namespace(
    own: Mapping[str, Any], outer: Mapping[str, Any], expected: Mapping[str, Any]
) -> None:
    assert within(own, outer) == expected


def test_objects_are_placed_where_their_namespace_is(bare: Run) -> None:
    listed = {"clusters": [{"name": "a"}]}
    documents = converted(bare, federated(placement=EVERYWHERE), space(listed))

    assert placement_of(documents) == placement_of(documents, "shop") == {"clusters": ["a"]}
    assert documents[1]["spec"]["resources"] == [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    ]


def test_objects_of_a_name_that_are_placed_alike_are_one_unit_and_others_have_their_kind_in_the_name(bare: Run) -> None:
    given = [
        federated(placement=PROD, retainReplicas=True),
        federated(
            "ConfigMap",
            placement=PROD,
            overrides=[{"clusterName": "a", "clusterOverrides": [{"path": "/data/a", "value": "c"}]}],
        ),
        federated("Secret", placement=EVERYWHERE),
    ]
    one, other = converted(bare, *given)

    assert (one["metadata"]["name"], other["metadata"]["name"]) == ("web-configmap-deployment", "web-secret")
    assert [resource["kind"] for resource in one["spec"]["resources"]] == ["Deployment", "ConfigMap"]
    assert one["spec"]["overrides"][0]["target"] == {"kind": "ConfigMap", "name": "web"}
    target = {"kind": "Deployment", "name": "web"}
    assert one["spec"]["propagation"] == {"fields": [{"target": target, "path": "spec.replicas", "policy": "ignore"}]}


def test_a_preference_divides_the_replicas_of_its_target_and_places_it(bare: Run) -> None:
    written = [{"clusterName": "a", "clusterOverrides": [{"path": "/spec/replicas", "value": 6}]}]
    target = federated(placement={"clusters": [{"name": "old"}]}, overrides=written, retainReplicas=True)
    (unit,) = converted(bare, target, preference(clusters={"b": {"weight": 1}, "a": {"weight": 2, "maxReplicas": 7}}))

    assert unit["spec"].keys() == {"placement", "resources"}
    assert unit["spec"]["placement"] == {
        "clusters": ["a", "b"],
        "replicas": {
            "mode": "Divided",
            "strategy": "Weighted",
            "movement": "Steady",
            "total": 9,
            "withinCapacity": True,
            "clusters": [{"names": ["a"], "weight": 2, "max": 7}, {"names": ["b"], "weight": 1}],
        },
    }


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, EVERYWHERE),
        ({"clusters": {"*": {"weight": 1}, "a": {"minReplicas": 2}}}, EVERYWHERE),
        ({"clusters": {"a": {"weight": 1}}}, {"clusters": ["a"]}),
        (
            {"intersectWithClusterSelector": True},
            {"clusterSelector": {"matchLabels": {"tier": "prod", "region": "eu"}}},
        ),
    ],
)
def test_a_preference_counts_before_the_placement_unless_it_intersects(
    bare: Run, spec: Mapping[str, Any], expected: Mapping[str, Any]
) -> None:
    target = federated(placement={"clusters": [{"name": "old"}], **PROD})
    placement = placement_of(converted(bare, target, space(EU), preference(**spec)))

    assert placement.pop("replicas")["total"] == 9
    assert placement == expected


def test_a_preference_without_its_target_becomes_a_policy(bare: Run) -> None:
    (policy,) = converted(bare, preference())

    assert (policy["kind"], policy["metadata"], policy["spec"].keys()) == (
        "PlacementPolicy",
        {"name": "web"},
        {"clusterSelector", "replicas"},
    )
    assert "standard input:1: FederatedDeployment web is not among these" in said(bare, preference())


def test_units_take_over_what_is_there_only_where_that_is_asked(bare: Run) -> None:
    (unit,) = converted(bare, federated(placement=PROD), words=("--adopt",))

    assert unit["spec"]["propagation"] == {"conflict": "adopt", "migrate": ["kubefed"]}
    assert "with --adopt the units take them over" in said(bare, federated(placement=PROD))
    assert "--adopt" not in said(bare, federated(placement=PROD), words=("--adopt",))


def test_kinds_of_ones_own_are_known_by_their_configuration_or_template(bare: Run) -> None:
    config = {
        "apiVersion": "core.kubefed.io/v1beta1",
        "kind": "FederatedTypeConfig",
        "metadata": {"name": "queues.example.com"},
        "spec": {"targetType": {"group": "example.com", "version": "v2", "kind": "Queue"}},
    }
    queue = federated("Queue", placement=PROD)
    (by_config,) = converted(bare, queue, config)
    (by_template,) = converted(bare, federated("Queue", placement=PROD, template={"apiVersion": "example.com/v1"}))

    assert by_config["spec"]["resources"][0]["apiVersion"] == "example.com/v2"
    assert by_template["spec"]["resources"][0]["apiVersion"] == "example.com/v1"
    refused = bare("convert", "-f", "-", stdin=json.dumps(queue))
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "spec.template: `apiVersion` of the Queue is missing" in refused.stderr


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"apiVersion": "core.kubefed.io/v1beta1", "kind": "KubeFedCluster", "metadata": {"name": "eu-1"}},
            "KubeFedCluster eu-1 is left out: join the cluster: fedctl join eu-1 --context CONTEXT",
        ),
        (
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}},
            "ConfigMap a is left out: is no object of KubeFed: apply it as it is",
        ),
        (
            federated(
                placement=PROD,
                overrides=[{"clusterName": "a", "clusterOverrides": [{"path": "/apiVersion", "value": "apps/v2"}]}],
            ),
            "spec.overrides[0].clusterOverrides[0]: /apiVersion is the same on all clusters here, so this is left out",
        ),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_what_is_left_out_is_told_and_makes_the_exit_code_1(bare: Run, given: Mapping[str, Any], message: str) -> None:
    converted(bare, given, federated("Secret", name="other", placement=PROD), code=1)

    warnings = [line for line in said(bare, given).splitlines() if line.startswith("warning: standard input:")]
    assert [line.partition(": ")[2].partition(": ")[2] for line in warnings] == [message]


def test_what_is_done_otherwise_is_noted(bare: Run) -> None:
    notes = said(
        bare,
        federated(placement={}, template={**TEMPLATE, "metadata": {"annotations": {"a": "b"}}}),
        preference(),
    )

    for part in (
        "spec.template.metadata.annotations: is left out, as KubeFed does",
        "KubeFed places it only where namespace shop is placed",
        "replicas never add up to more than totalReplicas",
        "a unit leaves a cluster that is lost after 30 s",
    ):
        assert part in notes


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (preference(totalReplicas=None), "spec: `totalReplicas` is missing"),
        (preference(totalReplicas=-1), "spec.totalReplicas: a whole number from 0"),
        (preference(totalReplicas=True), "spec.totalReplicas: a whole number from 0"),
        (preference(targetKind="FederatedJob"), "'FederatedJob' is none of: FederatedDeployment, FederatedReplicaSet"),
        (preference(rebalance="yes please"), "spec.rebalance: true or false is wanted here"),
        (preference(replicas=2), "spec.replicas: unknown field"),
        (preference(clusters=["a"]), "spec.clusters: an object is wanted here"),
        (preference(clusters={"a": 3}), "spec.clusters.a: an object is wanted here"),
        (preference(clusters={"a": {"min": 3}}), "spec.clusters.a.min: unknown field"),
        (preference(clusters={"a": {"minReplicas": "3"}}), "spec.clusters.a.minReplicas: a whole number"),
        (federated(placement={"cluster": []}), "spec.placement.cluster: unknown field"),
        (federated(placement={"clusters": [{"name": 1}]}), "spec.placement.clusters[0].name: text is wanted"),
        (federated(overrides=[{"clusterOverrides": []}]), "spec.overrides[0]: `clusterName` is missing"),
        (
            federated(overrides=[{"clusterName": "a", "clusterOverrides": [{"op": "test", "path": "/a"}]}]),
            "'test' is none",
        ),
        (federated(suspended=True), "spec.suspended: unknown field"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place_and_nothing_is_printed(
    bare: Run, given: Mapping[str, Any], message: str
) -> None:
    result = bare("convert", "-f", "-", stdin=yaml.safe_dump(given))

    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert result.stderr.startswith("error: standard input:")


def test_all_that_is_wrong_is_told_at_once(bare: Run, tmp_path: Path) -> None:
    file = tmp_path / "kubefed.yaml"
    file.write_text(yaml.safe_dump_all([preference(totalReplicas="9"), federated(suspended=True)]), encoding="utf-8")
    result = bare("convert", "-f", str(file))

    assert result.stderr.startswith("error: 2 problems:")
    assert f"{file}:" in result.stderr
    assert "(document 2)" in result.stderr


def test_a_list_of_objects_is_converted_and_can_be_printed_as_one(bare: Run) -> None:
    given = {"apiVersion": "v1", "kind": "List", "items": [federated(placement=PROD), preference()]}
    result = bare("convert", "-f", "-", "-o", "json", stdin=json.dumps(given))

    document = json.loads(result.stdout)
    assert (document["kind"], [item["kind"] for item in document["items"]]) == ("List", ["Unit"])


def test_what_to_convert_has_to_be_said(bare: Run) -> None:
    result = bare("convert")

    assert (result.exit_code, result.stderr) == (2, "error: say what to convert: -f FILE, -f DIR or -f -\n")


@pytest.mark.postgres
async def test_what_was_converted_is_applied_and_placed_as_it_was(town: Any, bare: Run) -> None:
    for name in ("a", "b"):
        joined = await town.join(name, "--label", f"tier={'prod' if name == 'a' else 'dev'}")
        assert joined.exit_code == 0, joined.output
    steps = [{"path": "/data/a", "value": "other"}]
    given = [
        space(PROD),
        federated(
            "ConfigMap",
            name="settings",
            placement=EVERYWHERE,
            overrides=[{"clusterName": "a", "clusterOverrides": steps}],
        ),
        federated(placement={}),
        preference(clusters={"*": {"weight": 1}, "a": {"weight": 2}}),
    ]
    documents = bare("convert", "-f", "-", stdin=yaml.safe_dump_all(given)).stdout

    applied = await town.fedctl("apply", "-f", "-", stdin=documents)
    assert applied.exit_code == 0, applied.output
    for unit in ("settings", "web"):
        waited = await town.fedctl("wait", "--for=applied", unit, "-n", "shop", "--timeout", "30s")
        assert waited.exit_code == 0, waited.output
    settings = [await town.get(name, "/api/v1/namespaces/shop/configmaps/settings") for name in "ab"]
    web = [await town.get(name, "/apis/apps/v1/namespaces/shop/deployments/web") for name in "ab"]

    assert [found and found["data"]["a"] for found in settings] == ["other", None]
    assert [found["spec"]["replicas"] for found in web] == [6, 3]
