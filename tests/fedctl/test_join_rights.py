from pathlib import Path
from typing import Any

import pytest
import yaml

from fedctl.failures import Failure
from fedctl.join.rights import check_custom_groups, objects, rights_of
from fedctl.join.steps import plan

GROUPS = ["shop.example.com"]
ESCALATING = {"escalate", "bind", "impersonate", "approve", "sign", "*"}


def all_rules(profile: str) -> list[dict[str, Any]]:
    return [rule for _, manifest in objects(rights_of(profile, GROUPS), "home") for rule in manifest.get("rules", ())]


@pytest.mark.parametrize("profile", ["standard", "namespaced:shop,web"])
def test_a_profile_holds_nothing_by_which_it_could_grow(profile: str) -> None:
    for rule in all_rules(profile):
        assert not ESCALATING.intersection(rule["verbs"]), rule
        assert "*" not in rule.get("apiGroups", ()), rule
        resources = set(rule.get("resources", ()))
        assert not resources & {"clusterroles", "clusterrolebindings", "users", "groups", "nodes/proxy", "pods/exec"}
        if "rbac.authorization.k8s.io" in rule.get("apiGroups", ()):
            assert resources == {"roles", "rolebindings"}
        if "serviceaccounts/token" in resources:
            assert rule["resourceNames"] == ["fedsvc"], "a token of its own account only"


def test_standard_covers_what_applications_are_made_of() -> None:
    covered = {
        (group, resource)
        for rule in all_rules("standard")
        for group in rule.get("apiGroups", ())
        for resource in rule.get("resources", ())
        if {"create", "patch", "delete", "watch"} <= set(rule["verbs"])
    }
    for wanted in (
        *(("", name) for name in ("configmaps", "secrets", "services", "persistentvolumeclaims", "namespaces", "pods")),
        *((group, "*") for group in ("apps", "batch", "autoscaling", "policy", *GROUPS)),
        ("networking.k8s.io", "ingresses"),
        ("apiextensions.k8s.io", "customresourcedefinitions"),
    ):
        assert wanted in covered


@pytest.mark.parametrize(
    ("profile", "covered"),
    [
        ("standard", {"nodes", "pods"}),
        ("cluster-admin", {"nodes", "pods"}),
        ("namespaced:shop", {"nodes"}),  # pods of other namespaces are none of its business: its room stays unknown
    ],
)
def test_the_room_can_be_read_with_rights_for_all_namespaces(profile: str, covered: set[str]) -> None:
    rules = [rule for rule in rights_of(profile, GROUPS).cluster_rules if "resources" in rule]
    readable = {
        resource
        for resource in ("nodes", "pods")
        for rule in rules
        if {"", "*"} & set(rule["apiGroups"])
        and {resource, "*"} & set(rule["resources"])
        and {"list", "*"} & set(rule["verbs"])
    }
    assert readable == covered


def test_namespaced_reads_nothing_of_applications_outside() -> None:
    rights = rights_of("namespaced: web , shop,web", GROUPS)
    assert rights.profile == "namespaced:shop,web"
    assert rights.namespaces == ("shop", "web")
    outside = {resource for rule in rights.cluster_rules for resource in rule.get("resources", ())}
    assert outside == {"nodes", "namespaces"}
    assert all(set(rule["verbs"]) <= {"get", "list", "watch"} for rule in rights.cluster_rules)
    assert any(rule["apiGroups"] == GROUPS for rule in rights.namespace_rules)


def test_the_plan_names_each_object_once_and_marks_only_its_own_namespace() -> None:
    made = plan(rights_of("namespaced:home,shop", []), "home")
    assert len({path for path, _ in made}) == len(made)
    namespaces = {item["metadata"]["name"]: item["metadata"] for _, item in made if item["kind"] == "Namespace"}
    assert set(namespaces) == {"home", "shop"}
    assert all("labels" not in metadata for metadata in namespaces.values()), "applications live there"
    home = next(item for _, item in plan(rights_of("standard", []), "home") if item["kind"] == "Namespace")
    assert home["metadata"]["labels"] == {"fedsvc.io/made-by-join": "true"}


@pytest.mark.parametrize(
    ("profile", "told"),
    [
        ("namespaced:", "needs namespaces"),
        ("namespaced", "needs namespaces"),
        ("namespaced:Shop", "namespaced[0]: 'Shop' is no namespace's name"),
        ("namespaced:shop,-web", "namespaced[1]: '-web'"),
        (f"namespaced:{'x' * 64}", "at most 63"),
        ("Standard", "write standard, namespaced:A,B, cluster-admin, or a file"),
        ("", "write standard"),
        ("/no/such/file", "write standard"),
    ],
)
def test_what_is_no_profile_is_refused(profile: str, told: str) -> None:
    with pytest.raises(Failure) as caught:
        rights_of(profile, [])
    assert told in caught.value.message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("groups", "profile", "told"),
    [
        (["example.com", "*"], "standard", "--custom-group[1]: '*' is no group of custom resources"),
        (["apps"], "standard", "'apps' is no group of custom resources"),
        (["Example.com"], "standard", "'Example.com' is no group"),
        (["rbac.authorization.k8s.io"], "namespaced:shop", "belongs to Kubernetes"),
        (["example.com"], "cluster-admin", "cluster-admin has rules of its own"),
        (["example.com"], "rights.yaml", "rights.yaml has rules of its own"),
    ],
)
def test_what_is_no_custom_group_is_refused(groups: list[str], profile: str, told: str) -> None:
    with pytest.raises(Failure) as caught:
        check_custom_groups(groups, profile)
    assert told in caught.value.message
    assert caught.value.exit_code == 2


RULE = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("{", "is not YAML"),
        ("just words", "rules: must be a list of rules"),
        ({"rules": []}, "rules: must be a list of rules"),
        ({"rules": {"verbs": ["get"]}}, "rules: must be a list of rules"),
        ({"rules": [RULE, "get"]}, "rules[1]: must be an object"),
        ([{**RULE, "verbs": "get"}], "rules[0].verbs: must be a list of strings"),
        ([{**RULE, "verbs": [1]}], "rules[0].verbs: must be a list of strings"),
        ([{**RULE, "verbs": []}], "rules[0].verbs: is missing"),
        ([RULE, {"resources": ["x"], "verbs": ["get"]}], "rules[1].apiGroups: is missing"),
        ([{"apiGroups": ["x"], "verbs": ["get"]}], "rules[0].resources: is missing"),
        (
            [{"apigroups": ["x"], "resources": ["x"], "verbs": ["get"]}],
            "rules[0].apigroups: is not known; did you mean",
        ),
        ([{**RULE, "nonResourceURLs": ["/x"]}], "rules[0].nonResourceURLs: goes with verbs only"),
    ],
)
def test_a_bad_file_is_refused_with_the_path_of_the_field(tmp_path: Path, document: Any, told: str) -> None:
    file = tmp_path / "rights.yaml"
    file.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    with pytest.raises(Failure) as caught:
        rights_of(str(file), [])
    assert told in caught.value.message
    assert str(file) in caught.value.message
    assert caught.value.exit_code == 2


def test_all_mistakes_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "rights.yaml"
    file.write_text(yaml.safe_dump([{**RULE, "verbs": []}, {**RULE, "resources": "x"}, {"verbs": ["get"]}]))
    with pytest.raises(Failure) as caught:
        rights_of(str(file), [])
    assert caught.value.message.count("rules[") == 4


@pytest.mark.parametrize("wrap", [lambda rules: rules, lambda rules: {"kind": "ClusterRole", "rules": rules}])
def test_a_file_is_a_cluster_role_or_its_rules(tmp_path: Path, wrap: Any) -> None:
    file = tmp_path / "rights.yaml"
    file.write_text(yaml.safe_dump(wrap([RULE, {"nonResourceURLs": ["/metrics"], "verbs": ["get"]}])))
    rights = rights_of(str(file), GROUPS)
    assert rights.profile == "custom"
    assert RULE in rights.cluster_rules
    assert any("nodes" in rule.get("resources", ()) for rule in rights.cluster_rules), "health reads nodes"
