"""Rendering: the same input gives the same bytes, with our marks on them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.rendering.canonical import canonical_json, digest, load_json
from fedsvc.rendering.errors import ManifestError
from fedsvc.rendering.keys import ObjectKey, key_of
from fedsvc.rendering.marks import OwnerMark, is_managed, owner_of
from fedsvc.rendering.overrides import Override, PatchOperation, matching_overrides, override_digests
from fedsvc.rendering.render import RenderedManifest, render, render_key
from fedsvc.rendering.replicas import ReplicaShare
from fedsvc_placement.model import ClusterMatcher, ClusterSnapshot

OWNER = OwnerMark(unit_namespace="shop", unit_name="web", unit_uid="11-22")
KEY = ObjectKey(group="apps", version="v1", kind="Deployment", namespace="shop", name="web")
EU = ClusterSnapshot(name="eu-1", labels={"region": "eu"})


def share_of(replicas: int | None) -> ReplicaShare | None:
    return None if replicas is None else ReplicaShare(count=replicas)


def rendered(
    template: bytes, *overrides: Override, replicas: int | None = None, cluster: ClusterSnapshot = EU
) -> RenderedManifest:
    return render(template, key=KEY, overrides=overrides, cluster=cluster, share=share_of(replicas), owner=OWNER)


def test_the_template_gets_our_marks(web: dict[str, Any], template: bytes) -> None:
    result = rendered(template)
    web["metadata"]["labels"]["fedsvc.io/managed"] = "true"
    web["spec"]["template"]["spec"]["containers"][0]["ports"][0]["protocol"] = "TCP"
    web["metadata"]["annotations"] = {"fedsvc.io/unit": "shop/web", "fedsvc.io/unit-uid": "11-22"}
    assert load_json(result.body) == web
    assert result.body == canonical_json(web)
    assert result.digest == digest(result.body)
    assert is_managed(web)
    assert owner_of(web) == OWNER


@pytest.mark.parametrize(
    "live",
    [
        {},
        {"metadata": None},
        {"metadata": {"annotations": {"fedsvc.io/unit": "shop"}}},
        {"metadata": {"annotations": {"fedsvc.io/unit": "shop", "fedsvc.io/unit-uid": "1"}}},
        {"metadata": {"annotations": {"fedsvc.io/unit": "shop/web", "fedsvc.io/unit-uid": ""}}},
    ],
    ids=str,
)
def test_an_object_without_marks_is_nobodys(live: dict[str, Any]) -> None:
    assert owner_of(live) is None
    assert not is_managed(live)


def test_a_share_of_replicas_is_set(template: bytes) -> None:
    assert load_json(rendered(template, replicas=2).body)["spec"]["replicas"] == 2
    assert load_json(rendered(template, replicas=0).body)["spec"]["replicas"] == 0


def test_a_template_without_replicas_does_not_own_them(web: dict[str, Any]) -> None:
    del web["spec"]["replicas"]
    assert "replicas" not in load_json(rendered(canonical_json(web)).body)["spec"]


def test_overrides_have_the_last_word_on_replicas(template: bytes) -> None:
    override = Override(patch=(PatchOperation(op="replace", path="/spec/replicas", value=7),))
    assert load_json(rendered(template, override, replicas=2).body)["spec"]["replicas"] == 7


def test_a_kind_without_replicas_cannot_be_divided(web: dict[str, Any]) -> None:
    web["kind"] = "DaemonSet"
    with pytest.raises(ManifestError, match="DaemonSet has no replicas"):
        rendered(canonical_json(web), replicas=1)


def test_ports_and_quantities_are_written_out_as_every_release_takes_them(web: dict[str, Any]) -> None:
    container = web["spec"]["template"]["spec"]["containers"][0]
    container["resources"] = {"limits": {"cpu": 2, "memory": "1Gi"}, "requests": {"cpu": 0.5}}
    container["ports"] = [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]
    result = load_json(rendered(canonical_json(web)).body)["spec"]["template"]["spec"]["containers"][0]
    assert result["resources"] == {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "0.5"}}
    assert result["ports"] == [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}]


def test_kinds_whose_fields_may_mean_anything_stay_as_they_are() -> None:
    manifest = {"apiVersion": "example.org/v1", "kind": "X", "metadata": {"name": "web", "namespace": "shop"}}
    template = canonical_json(manifest | {"spec": {"limits": {"a": 1}, "ports": [{"port": 1}]}})
    result = render(template, key=key_of(manifest), overrides=(), cluster=EU, share=None, owner=OWNER)
    assert load_json(result.body)["spec"] == {"limits": {"a": 1}, "ports": [{"port": 1}]}


def test_our_marks_cannot_be_taken_off(template: bytes) -> None:
    override = Override(patch=(PatchOperation(op="replace", path="/metadata/labels", value={"a": "b"}),))
    labels = load_json(rendered(template, override).body)["metadata"]["labels"]
    assert labels == {"a": "b", "fedsvc.io/managed": "true"}


def test_labels_that_are_no_object_are_refused(template: bytes) -> None:
    override = Override(patch=(PatchOperation(op="replace", path="/metadata/labels", value=["a"]),))
    with pytest.raises(ManifestError, match=r"metadata\.labels: must be an object of strings, not a list"):
        rendered(template, override)


def test_the_result_may_not_outgrow_the_limit(template: bytes) -> None:
    override = Override(patch=(PatchOperation(op="add", path="/spec/x", value="x" * 1024 * 1024),))
    with pytest.raises(ManifestError, match="at most 1048576"):
        rendered(template, override)


def test_another_object_than_the_one_asked_for_is_refused(web: dict[str, Any]) -> None:
    web["metadata"]["name"] = "other"
    with pytest.raises(ManifestError, match="is apps/v1 Deployment shop/other, not apps/v1 Deployment shop/web"):
        rendered(canonical_json(web))


def test_large_integers_go_through(web: dict[str, Any]) -> None:
    web["spec"]["x"] = 10**30
    assert f'"x":{10**30}'.encode() in rendered(canonical_json(web)).body


@given(
    replicas=st.none() | st.integers(0, 1000),
    labels=st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz")),
    cluster=st.sampled_from(["eu-1", "us-1"]),
)
def test_rendering_is_deterministic(replicas: int | None, labels: dict[str, str], cluster: str) -> None:
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {},
    }
    template = canonical_json(manifest)
    overrides = [Override(clusters=ClusterMatcher(names=("eu-1",)), labels=labels)]
    backwards = [Override(clusters=ClusterMatcher(names=("eu-1",)), labels=dict(reversed(labels.items())))]
    place = ClusterSnapshot(name=cluster, labels={})
    one = render(template, key=KEY, overrides=overrides, cluster=place, share=share_of(replicas), owner=OWNER)
    other = render(template, key=KEY, overrides=backwards, cluster=place, share=share_of(replicas), owner=OWNER)
    assert one == other
    assert key_of(load_json(one.body)) == KEY
    assert override_digests(overrides) == override_digests(backwards)


def key_for(overrides: list[Override], cluster: ClusterSnapshot, replicas: int | None = 2) -> bytes:
    matched = matching_overrides(overrides, cluster, KEY, {})
    digests = override_digests(overrides)
    return render_key(
        template_digest=b"t", override_digests=digests, matched=matched, share=share_of(replicas), owner=OWNER
    )


def test_the_key_changes_with_what_decides_the_rendering_and_with_nothing_else() -> None:
    here = Override(clusters=ClusterMatcher(names=("eu-1",)), labels={"a": "b"})
    elsewhere = Override(clusters=ClusterMatcher(names=("us-1",)), labels={"c": "d"})
    key = key_for([here], EU)
    assert key_for([elsewhere, here], EU) == key
    assert key_for([here], ClusterSnapshot(name="eu-1", labels={"other": "label"})) == key
    assert key_for([here], EU, replicas=3) != key
    assert key_for([here], EU, replicas=None) != key
    assert key_for([], EU) != key
    assert key_for([here, here], EU) != key
    assert key_for([Override(labels={"a": "c"})], EU) != key
    assert key_for([Override(patch=(PatchOperation(op="add", path="/x", value=None),))], EU) != key_for(
        [Override(patch=(PatchOperation(op="add", path="/x"),))], EU
    )
