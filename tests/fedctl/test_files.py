import json
from pathlib import Path

import pytest

from fedctl.failures import Failure
from fedctl.files.plan import default_unit_name, make_plan
from fedctl.files.source import read_documents, read_kustomization
from fedsvc.v1 import policy_pb2, unit_pb2
from fedsvc_client import FieldProblem

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {}\ndata:\n  a: b\n"


def write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_all_files_of_a_folder_are_read_in_order(tmp_path: Path) -> None:
    write(tmp_path, "b.yaml", CONFIG_MAP.format("b") + "---\n" + CONFIG_MAP.format("c"))
    write(tmp_path, "a.json", json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}))
    write(tmp_path, "notes.txt", "not: [read")
    (tmp_path / "below").mkdir()
    documents = read_documents([str(tmp_path)])
    assert [document.value["metadata"]["name"] for document in documents] == ["a", "b", "c"]
    assert documents[2].where(("metadata", "name")) == f"{tmp_path}/b.yaml:11 (document 2)"


def test_folders_below_are_read_where_that_is_asked_for(tmp_path: Path) -> None:
    for name in ("a/b/two.yaml", "a/one.yaml", "a/zero.txt", "c/three.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write(tmp_path, name, CONFIG_MAP.format(Path(name).stem))
    (tmp_path / "c" / "again").symlink_to(tmp_path)  # as kubectl, which follows no links to folders
    with pytest.raises(Failure, match="no file in it ends in") as caught:
        read_documents([str(tmp_path)])
    assert "(a, c) are read with:  -R" in caught.value.hint
    documents = read_documents([str(tmp_path)], recursive=True)
    assert [document.value["metadata"]["name"] for document in documents] == ["one", "two", "three"]
    write(tmp_path, "a/b/kustomization.yaml", "resources: []\n")
    with pytest.raises(Failure, match=r"b: is a kustomization; build it with:  -k .*/b"):
        read_documents([str(tmp_path)], recursive=True)


def test_a_list_becomes_its_items(tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata:\n    name: a\n"
    (document,) = read_documents([write(tmp_path, "list.yaml", text)])
    assert document.where(("metadata", "name")).endswith("list.yaml:7")


def test_json_with_escapes_that_yaml_does_not_know_is_read(tmp_path: Path) -> None:
    text = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "\\ud83d\\ude00\\/"}}'
    (document,) = read_documents([write(tmp_path, "a.json", text)])
    assert document.value["data"]["x"] == "😀/"


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.yaml", "", "is empty"),
        ("a.yaml", "# only words\n---\n", "is empty"),
        ("a.yaml", "a:\n\tb: 1\n", "a.yaml:2:1: a tab is used for indentation"),
        ("a.yaml", "apiVersion: v1\nkind: X\nmetadata:\n  name: a\n labels: {}\n", "a.yaml:5:2: wrong indentation"),
        ("a.yaml", "apiVersion: v1\nmetadata: {name: a}\n", "a.yaml:1: `kind` is missing"),
        ("a.yaml", "apiversion: v1\nkind: X\n", "did you mean apiVersion instead of apiversion?"),
        ("a.yaml", "- a\n- b\n", "an object (apiVersion, kind, metadata ...) is wanted here, not a list"),
        ("a.yaml", "hello\n", "not the text 'hello'"),
        ("a.json", '{"a": "\\ud83d", "a": 1}', "'a' stands twice"),
        ("a.json", '{"a": "\\ud83d\\ude00" "b": 1}', "a.json:1:22"),
    ],
    ids=["empty", "comments", "tab", "indentation", "kind", "case", "list", "text", "twice", "json"],
)
def test_mistakes_are_told_with_file_line_and_what_to_do(tmp_path: Path, name: str, text: str, told: str) -> None:
    path = write(tmp_path, name, text)
    with pytest.raises(Failure) as caught:
        make_plan(read_documents([path]), unit="x", namespace="default", default_unit="")
    assert told in caught.value.message
    assert str(tmp_path) in caught.value.message


def test_a_kustomization_given_to_f_is_told_to_be_one(tmp_path: Path) -> None:
    write(tmp_path, "kustomization.yaml", "resources: []\n")
    with pytest.raises(Failure, match="is a kustomization; build it with:  -k"):
        read_documents([str(tmp_path)])


def test_a_kustomization_needs_kubectl(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="kubectl is not installed") as caught:
        read_kustomization(tmp_path, kubectl=None)
    assert "kustomize build" in caught.value.hint


def test_a_kustomization_is_built_by_kubectl(tmp_path: Path) -> None:
    program = tmp_path / "kubectl"
    program.write_text(f"#!/bin/sh\n[ $1 = kustomize ] || exit 3\ncat <<'E'\n{CONFIG_MAP.format('a')}E\n")
    program.chmod(0o755)
    (document,) = read_kustomization(tmp_path, kubectl=str(program))
    assert document.value["metadata"]["name"] == "a"


@pytest.mark.parametrize(
    "said",
    [
        "error: no `kustomization`",
        """E1126 15:27:43.835094   27305 run.go:72] "command failed" err="no \x60kustomization\x60\"""",
    ],
    ids=["in a line", "in a log"],
)
def test_what_kubectl_refuses_is_told_in_plain_words(tmp_path: Path, said: str) -> None:
    program = tmp_path / "kubectl"
    program.write_text(f"#!/bin/sh\ncat >&2 <<'E'\n{said}\nE\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(Failure) as caught:
        read_kustomization(tmp_path, kubectl=str(program))
    assert caught.value.message == f"{tmp_path}: kubectl kustomize: no `kustomization`"


@pytest.mark.parametrize(
    ("name", "unit"),
    [("My Shop_v2.yaml", "my-shop-v2"), ("007.yaml", ""), ("shop.yml", "shop")],
)
def test_a_unit_is_named_after_its_file(tmp_path: Path, name: str, unit: str) -> None:
    assert default_unit_name([write(tmp_path, name, "")]) == unit


def test_policies_come_before_the_units_that_use_them(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "all.yaml",
        "apiVersion: fedsvc.io/v1\nkind: Unit\nmetadata: {name: u, namespace: web}\nspec: {placementPolicy: p}\n---\n"
        "apiVersion: fedsvc.io/v1\nkind: PlacementPolicy\nmetadata: {name: p}\nspec: {clusterSelector: {}}\n---\n"
        + CONFIG_MAP.format("a"),
    )
    plan = make_plan(read_documents([path]), unit="", namespace="default", default_unit="all")
    assert [item.title for item in plan.items] == ["placementpolicy p", "unit web/u", "unit default/all"]
    assert isinstance(plan.items[0].message, policy_pb2.PlacementPolicy)
    assert plan.items[0].message.spec.HasField("cluster_selector")
    assert "become unit 'all'" in plan.remarks[0]


def test_all_problems_of_all_documents_are_told_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "u.yaml",
        "apiVersion: fedsvc.io/v1\nkind: Unit\nmetadata:\n  name: Shop\nspec:\n  placment: {}\n---\n"
        "apiVersion: fedsvc.io/v1\nkind: PlacementPolicy\nmetadata:\n  name: p\n  namespace: x\nspec: {}\n",
    )
    with pytest.raises(Failure) as caught:
        make_plan(read_documents([path]), unit="", namespace="default", default_unit="")
    assert caught.value.message.splitlines() == [
        "3 problems:",
        (
            f"  {path}:4: metadata.name: 'Shop' is no valid name: small letters, digits and '-', a letter first; "
            "'shop' would be right"
        ),
        f"  {path}:6: spec.placment: unknown field 'placment'; did you mean 'placement'?",
        f"  {path}:12 (document 2): metadata.namespace: a PlacementPolicy has no namespace: leave it out",
    ]


def test_the_same_unit_twice_is_refused(tmp_path: Path) -> None:
    text = "apiVersion: fedsvc.io/v1\nkind: Unit\nmetadata: {name: u}\nspec: {}\n"
    documents = read_documents([write(tmp_path, "u.yaml", text + "---\n" + text)])
    with pytest.raises(Failure, match="unit default/u stands here twice, also at"):
        make_plan(documents, unit="", namespace="default", default_unit="")


def test_the_mask_of_a_secret_is_never_applied(tmp_path: Path) -> None:
    text = 'apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata:\n  password: "***"\n'
    with pytest.raises(Failure, match=r"s\.yaml:5: Secret: data\.password is the mask"):
        make_plan(read_documents([write(tmp_path, "s.yaml", text)]), unit="u", namespace="n", default_unit="")


UNIT = """\
apiVersion: fedsvc.io/v1
kind: Unit
metadata:
  name: u
spec:
  placement:
    replicas:
      clusters:
      - min: 5
        max: 3
  overrides:
  - patch:
    - op: add
      path: /a
      value: 1
  resources:
  - apiVersion: v1
    kind: ConfigMap
    metadata:
      name: A
"""


@pytest.mark.parametrize(
    ("path", "message", "told"),
    [
        ("unit.name", "no", "4: metadata.name: no"),
        (
            "unit.spec.placement.replicas.clusters[0].max",
            "less than min",
            "10: spec.placement.replicas.clusters[0].max: less than min",
        ),
        ("unit.spec.overrides[0].patch[0].value_json", "no", "15: spec.overrides[0].patch[0].value: no"),
        ("unit.spec.override_policies[2]", "no", "5: spec.overridePolicies[2]: no"),
        (
            "unit.spec.resources[0].json",
            "metadata.name: 'A' must be small",
            "20: ConfigMap A: metadata.name: 'A' must be small",
        ),
        ("unit.spec.resources[0]", "twice", "17: ConfigMap A: twice"),
    ],
)
def test_a_problem_found_by_the_server_is_told_by_file_and_line(
    tmp_path: Path, path: str, message: str, told: str
) -> None:
    file = write(tmp_path, "u.yaml", UNIT)
    (item,) = make_plan(read_documents([file]), unit="", namespace="default", default_unit="").items
    assert isinstance(item.message, unit_pb2.Unit)
    assert item.locate(FieldProblem(path=path, message=message)) == f"{file}:{told}"


def test_a_problem_of_a_plain_manifest_is_told_by_its_own_file(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", CONFIG_MAP.format("a"))
    write(tmp_path, "b.yaml", CONFIG_MAP.format("b"))
    (item,) = make_plan(read_documents([str(tmp_path)]), unit="u", namespace="default", default_unit="").items
    problem = FieldProblem(path="unit.spec.resources[1].json", message="data.a: must be text")
    assert item.locate(problem) == f"{tmp_path}/b.yaml:6: ConfigMap b: data.a: must be text"
