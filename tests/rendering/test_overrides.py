"""Overrides: which match, in which order they act, and what is refused."""

import contextlib
import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.rendering.errors import OverrideError
from fedsvc.rendering.keys import key_of
from fedsvc.rendering.override_checks import validate_override
from fedsvc.rendering.overrides import (
    ABSENT,
    ImageOverride,
    Override,
    PatchOperation,
    ResourceMatcher,
    apply_overrides,
    matching_overrides,
)
from fedsvc_placement.model import ClusterMatcher, ClusterSnapshot, LabelRequirement, LabelSelector

EU_1 = ClusterSnapshot(name="eu-1")
PROD = LabelSelector(match_labels=(("tier", "prod"),))


def op(name: str, path: str, value: Any = ABSENT) -> PatchOperation:
    return PatchOperation(op=name, path=path, value=value)


def patch(*operations: PatchOperation, **more: Any) -> Override:
    return Override(patch=operations, **more)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        pytest.param(Override(), True, id="everything everywhere"),
        pytest.param(Override(clusters=ClusterMatcher(names=("eu-1", "us-1"))), True, id="cluster by name"),
        pytest.param(Override(clusters=ClusterMatcher(names=("us-1",))), False, id="another cluster"),
        pytest.param(Override(clusters=ClusterMatcher(names=())), False, id="no names"),
        pytest.param(Override(clusters=ClusterMatcher(selector=PROD)), True, id="cluster by label"),
        pytest.param(Override(clusters=ClusterMatcher(names=("us-1",), selector=PROD)), False, id="both must hold"),
        pytest.param(Override(target=ResourceMatcher(kind="Deployment", name="web")), True, id="resource"),
        pytest.param(Override(target=ResourceMatcher(kind="Service", name="web")), False, id="another kind"),
        pytest.param(Override(target=ResourceMatcher(api_version="apps/v1", namespace="shop")), True, id="version"),
        pytest.param(Override(target=ResourceMatcher(namespace="")), False, id="cluster-scoped only"),
        pytest.param(
            Override(target=ResourceMatcher(selector=LabelSelector(match_labels=(("app", "web"),)))), True, id="labels"
        ),
        pytest.param(
            Override(target=ResourceMatcher(selector=PROD)), False, id="cluster labels are not the resource's"
        ),
    ],
)
def test_matching(web: dict[str, Any], override: Override, *, expected: bool) -> None:
    found = matching_overrides(
        [override], ClusterSnapshot(name="eu-1", labels={"tier": "prod"}), key_of(web), web["metadata"]["labels"]
    )
    assert found == ((0,) if expected else ())


def test_changes_act_in_the_documented_order(web: dict[str, Any]) -> None:
    first = Override(
        images=(ImageOverride(name="registry:5000/shop/web", new_tag="2"),),
        labels={"color": "blue"},
        annotations={"note": "a"},
        patch=(
            op("test", "/spec/template/spec/containers/0/image", "registry:5000/shop/web:2"),
            op("test", "/metadata/labels/color", "blue"),
            op("replace", "/metadata/annotations/note", "b"),
        ),
    )
    second = patch(op("test", "/metadata/annotations/note", "b"), op("add", "/metadata/labels/color", "green"))
    result = apply_overrides(web, [first, second], EU_1)
    assert result["metadata"]["labels"] == {"app": "web", "color": "green"}
    assert result["spec"]["template"]["spec"]["initContainers"][0]["image"] == "registry:5000/shop/web:2"


def test_values_of_an_override_are_never_changed_by_later_ones(web: dict[str, Any]) -> None:
    value = {"a": [1]}
    overrides = [patch(op("add", "/spec/x", value)), patch(op("add", "/spec/x/a/-", 2))]
    assert apply_overrides(copy.deepcopy(web), overrides, EU_1)["spec"]["x"] == {"a": [1, 2]}
    assert value == {"a": [1]}
    assert apply_overrides(web, overrides, ClusterSnapshot(name="us-1"))["spec"]["x"] == {"a": [1, 2]}


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        pytest.param(
            op("replace", "/spec/template/spec/containers/3/image", "x"),
            "path /spec/template/spec/containers/3 does not exist: the list has 2 items",
            id="index behind the list",
        ),
        pytest.param(
            op("add", "/spec/template/spec/containers/3", {}),
            "the list has 2 items; '-' appends",
            id="add behind the list",
        ),
        pytest.param(
            op("replace", "/spec/template/spec/containers/-", {}), "only add can use it", id="replace at the end"
        ),
        pytest.param(op("remove", "/spec/template/spec/containers/web"), "'web' is not an index", id="name as index"),
        pytest.param(op("remove", "/spec/template/spec/containers/-1"), "'-1' is not an index", id="negative index"),
        pytest.param(op("remove", "/spec/paused"), "/spec has replicas, template", id="remove what is not there"),
        pytest.param(
            op("replace", "/spec/paused", 1), "use add to set what is not there", id="replace what is not there"
        ),
        pytest.param(
            op("add", "/metadata/annotations/a", "b"),
            "/metadata/annotations does not exist: /metadata has labels, name, namespace; add its parent first",
            id="parent missing",
        ),
        pytest.param(op("add", "/metadata/name/a", "b"), "/metadata/name is a string", id="below a string"),
        pytest.param(op("test", "/spec/replicas", 4), "test failed: /spec/replicas is 3, not 4", id="test of a value"),
        pytest.param(op("test", "/spec/paused", 4), "/spec/paused does not exist", id="test of what is not there"),
        pytest.param(
            PatchOperation(op="test", path="/spec/replicas", value=True), "is 3, not true", id="test of another type"
        ),
    ],
)
def test_what_does_not_fit_tells_what_is_there(web: dict[str, Any], operation: PatchOperation, words: str) -> None:
    overrides = [Override(labels={"a": "b"}), patch(op("add", "/spec/minReadySeconds", 1), operation)]
    with pytest.raises(OverrideError) as caught:
        apply_overrides(web, overrides, EU_1)
    error = caught.value
    assert (error.index, error.op_index, error.path) == (1, 1, operation.path)
    assert (
        words.replace("/spec has replicas, template", "/spec has minReadySeconds, replicas, template") in error.message
    )
    assert str(error).startswith("override 1, patch 1: ")


def test_labels_on_what_a_patch_broke_are_an_error(web: dict[str, Any]) -> None:
    with pytest.raises(OverrideError, match="override 1: /metadata/labels: must be an object of strings, not a string"):
        apply_overrides(web, [patch(op("add", "/metadata/labels", "x")), Override(labels={"a": "b"})], EU_1)


@pytest.mark.parametrize("value", [1, 1.0, 2**70, None, "a", [1, {"b": False}]], ids=str)
def test_a_test_holds_for_equal_json(web: dict[str, Any], value: Any) -> None:
    apply_overrides(web, [patch(op("add", "/spec/x", value), op("test", "/spec/x", value))], EU_1)


def test_true_is_not_one(web: dict[str, Any]) -> None:
    with pytest.raises(OverrideError, match="is true, not 1"):
        apply_overrides(web, [patch(op("add", "/spec/x", value=True), op("test", "/spec/x", 1))], EU_1)


@pytest.mark.parametrize(
    ("override", "path", "words"),
    [
        pytest.param(Override(), "", "does nothing", id="empty"),
        pytest.param(patch(op("move", "/spec/a")), "patch[0].op", "not supported", id="move"),
        pytest.param(patch(op("copy", "/spec/a")), "patch[0].op", "not supported", id="copy"),
        pytest.param(patch(op("merge", "/spec/a", 1)), "patch[0].op", "add, remove, replace, test", id="unknown op"),
        pytest.param(patch(op("add", "/spec/a")), "patch[0].value", "needs one (null is one)", id="add without value"),
        pytest.param(patch(op("test", "/spec/a")), "patch[0].value", "is missing", id="test without value"),
        pytest.param(patch(op("remove", "/spec/a", 1)), "patch[0].value", "takes no value", id="remove with value"),
        pytest.param(patch(op("add", "/a", float("nan"))), "patch[0].value", "NaN", id="NaN"),
        pytest.param(patch(op("add", "spec.a", 1)), "patch[0].path", "write '/spec/a'", id="no pointer"),
        pytest.param(patch(op("add", "/a~b", 1)), "patch[0].path", "'~0'", id="bad escape"),
        pytest.param(patch(op("replace", "/kind", "X")), "patch[0].path", "identity", id="kind"),
        pytest.param(patch(op("replace", "/apiVersion", "v2")), "patch[0].path", "identity", id="apiVersion"),
        pytest.param(patch(op("replace", "/metadata/name", "x")), "patch[0].path", "identity", id="name"),
        pytest.param(patch(op("add", "/metadata/name/x", "x")), "patch[0].path", "identity", id="below name"),
        pytest.param(patch(op("remove", "/metadata/namespace")), "patch[0].path", "identity", id="namespace"),
        pytest.param(patch(op("add", "/metadata/generateName", "x")), "patch[0].path", "identity", id="generateName"),
        pytest.param(patch(op("replace", "/metadata", {})), "patch[0].path", "one by one", id="metadata"),
        pytest.param(patch(op("remove", "")), "patch[0].path", "one by one", id="the whole object"),
        pytest.param(patch(op("add", "/status/x", 1)), "patch[0].path", "by the cluster itself", id="status"),
        pytest.param(patch(op("add", "/metadata/uid", "x")), "patch[0].path", "by the cluster itself", id="uid"),
        pytest.param(
            patch(op("remove", "/metadata/labels/fedsvc.io~1managed")), "patch[0].path", "fedsvc itself", id="our label"
        ),
        pytest.param(Override(labels={"fedsvc.io/x": "a"}), 'labels["fedsvc.io/x"]', "fedsvc itself", id="our labels"),
        pytest.param(Override(labels={"a": "b c"}), "labels.a", "letters", id="label value"),
        pytest.param(Override(annotations={"a b": "c"}), 'annotations["a b"]', "not a valid key", id="annotation key"),
        pytest.param(Override(images=(ImageOverride(name="a"),)), "images[0]", "changes nothing", id="image unchanged"),
        pytest.param(
            Override(images=(ImageOverride(name="a:1", new_tag="2"),)), "images[0].name", "write 'a'", id="tag in name"
        ),
        pytest.param(
            Override(images=(ImageOverride(name="", new_tag="2"),)), "images[0].name", "is missing", id="image nameless"
        ),
        pytest.param(
            Override(images=(ImageOverride(name="a", new_name="b:2"),)),
            "images[0].newName",
            "newTag",
            id="tag in new name",
        ),
        pytest.param(
            Override(images=(ImageOverride(name="a", new_tag="a b"),)), "images[0].newTag", "not a tag", id="bad tag"
        ),
        pytest.param(
            Override(images=(ImageOverride(name="a", digest="abc"),)), "images[0].digest", "sha256:", id="bad digest"
        ),
        pytest.param(
            Override(
                labels={"a": "b"},
                clusters=ClusterMatcher(
                    selector=LabelSelector(match_expressions=(LabelRequirement(key="a", operator="Is"),))
                ),
            ),
            "clusters.selector.matchExpressions[0].operator",
            "NotIn",
            id="selector operator",
        ),
    ],
)
def test_a_senseless_override_is_refused_when_it_is_written(override: Override, path: str, words: str) -> None:
    (problem,) = validate_override(override)
    assert problem.path == path
    assert words in problem.message
    assert not problem.warning


def test_paths_begin_where_the_override_stands() -> None:
    (problem,) = validate_override(patch(op("add", "/kind", 1)), path="spec.overrides[2]")
    assert problem.path == "spec.overrides[2].patch[0].path"


def test_reading_the_identity_by_test_is_allowed() -> None:
    assert validate_override(patch(op("test", "/metadata/name", "web"))) == []


@pytest.mark.parametrize(
    ("override", "path", "words"),
    [
        pytest.param(
            Override(labels={"a": "b"}, target=ResourceMatcher(kind="Service")),
            "target",
            "matches no resource",
            id="target",
        ),
        pytest.param(
            Override(images=(ImageOverride(name="nginx", new_tag="2"),)),
            "images[0].name",
            "they use fluent, registry:5000/shop/web",
            id="image",
        ),
        pytest.param(
            Override(labels={"a": "b"}, clusters=ClusterMatcher(names=())),
            "clusters.names",
            "no cluster",
            id="no names",
        ),
    ],
)
def test_what_matches_nothing_is_a_warning(web: dict[str, Any], override: Override, path: str, words: str) -> None:
    (problem,) = validate_override(override, resources=[web])
    assert problem.warning
    assert problem.path == path
    assert words in problem.message


def test_an_image_named_by_an_earlier_entry_is_no_warning(web: dict[str, Any]) -> None:
    images = (ImageOverride(name="fluent", new_name="bit"), ImageOverride(name="bit", new_tag="2"))
    assert validate_override(Override(images=images), resources=[web]) == []


TOKENS = st.sampled_from(
    ["", "metadata", "name", "namespace", "labels", "kind", "spec", "replicas", "template", "0", "-", "x"]
)
POINTERS = st.lists(TOKENS, max_size=4).map(lambda tokens: "".join(f"/{token}" for token in tokens))
VALUES: st.SearchStrategy[Any] = st.sampled_from([None, 1, "x", [], {}, {"name": "other"}])
OPERATIONS = st.builds(
    PatchOperation, op=st.sampled_from(["add", "remove", "replace", "test"]), path=POINTERS, value=VALUES
) | st.builds(PatchOperation, op=st.just("remove"), path=POINTERS)


@given(st.lists(OPERATIONS, min_size=1, max_size=5))
def test_an_accepted_patch_never_changes_the_identity(operations: list[PatchOperation]) -> None:
    manifest: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"x": "y"}},
        "spec": {"replicas": 1, "template": [{"x": 1}]},
    }
    key = key_of(manifest)
    override = Override(patch=tuple(operations))
    if validate_override(override):
        return
    # It may not fit, which is told by an OverrideError and by nothing else.
    with contextlib.suppress(OverrideError):
        assert key_of(apply_overrides(manifest, [override], EU_1)) == key
