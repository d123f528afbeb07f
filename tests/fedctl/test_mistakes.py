"""What people get wrong, and what they are told; the exit codes are those that `fedctl --help` documents."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import Result

from fedsvc.v1 import cluster_pb2, cluster_service_pb2, resource_service_pb2, unit_pb2, unit_service_pb2
from fedsvc_client.testing import FakeServer, RefusalError

Run = Callable[..., Result]
Code = grpc.StatusCode


def refuse(code: grpc.StatusCode, reason: str = "", message: str = "") -> Callable[[Any], Any]:
    def reply(_: Any) -> Any:
        raise RefusalError(code, reason, message)

    return reply


def test_no_configuration_is_answered_by_the_three_ways(bare: Run) -> None:
    result = bare("get", "clusters")
    assert result.exit_code == 6
    for way in ("--config D/fedctl.yaml", "--server HOST:PORT", ".config/fedctl/config.yaml", "fedctl demo"):
        assert way in result.stderr


def test_no_server_is_answered_by_how_to_start_one(bare: Run) -> None:
    result = bare("--server", "127.0.0.1:1", "get", "clusters")
    assert result.exit_code == 6
    assert "127.0.0.1:1: the server cannot be reached: connection refused" in result.stderr
    assert "fedsvc serve --data-dir D" in result.stderr


def test_a_wrong_token_is_answered_by_where_tokens_come_from(fedctl: Run, server: FakeServer) -> None:
    server.on("ListClusters", refuse(Code.UNAUTHENTICATED, "UNAUTHENTICATED", "the token is not known"))
    result = fedctl("get", "clusters", "--token", "old")
    assert result.exit_code == 1
    assert "the token is not known" in result.stderr
    assert "FEDCTL_TOKEN" in result.stderr
    assert server.asked[0].metadata["authorization"] == "Bearer old"


def test_a_token_for_another_machine_needs_tls(bare: Run) -> None:
    result = bare("--server", "http://10.0.0.9:7443", "--token", "t", "get", "clusters")
    assert result.exit_code == 2
    assert "refused to send the token without TLS" in result.stderr


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("gte", "clusters"), 2, "Did you mean get"),
        (("get", "cluters"), 2, "did you mean clusters?"),
        (("get",), 2, "say a kind: clusters"),
        (("get", "unit/"), 2, "write KIND/NAME"),
        (("get", "policy", "x"), 2, "placementpolicy/x, overridepolicy/x or statuspolicy/x"),
        (("apply",), 2, "say what to apply: -f FILE"),
        (("apply", "-f", "none.yaml", "--unit", "x"), 1, "none.yaml: there is no such file or folder"),
        (("apply", "-f", "https://example.org/a.yaml"), 2, "curl -fsSL https://example.org/a.yaml | fedctl apply -f -"),
        (("apply", "-f", "x", "--clusters", "a", "--all-clusters"), 2, "--clusters and --all-clusters contradict"),
        (("delete", "cluster", "x"), 2, "fedctl unjoin NAME"),
        (("delete", "unit"), 2, "say which unit"),
        (("delete", "work", "5"), 2, "works cannot be deleted"),
        (("label", "cluster", "eu-1"), 2, "write:  fedctl label cluster NAME KEY=VALUE"),
        (("label", "unit", "x", "a=b"), 2, "units cannot be used here; there are: clusters"),
        (("taint", "cluster", "eu-1", "a=b"), 2, "write KEY=VALUE:EFFECT"),
        (("taint", "cluster", "eu-1", "a=b:NoSchedul"), 2, "'NoSchedul' is none of the effects: NoSchedule,"),
        (("wait", "x", "--timeout", "soon"), 2, "write for example 90s, 5m or 1h"),
        (("--config", "none.yaml", "get", "units"), 2, "none.yaml: cannot be read: No such file"),
        (("--server", "a b", "get", "units"), 2, "is no server address: write host:port"),
        (("status", "a/b/c"), 2, "write NAME, NAMESPACE/NAME"),
        (("get", "resources", "-l", "a=b"), 2, "--selector does not restrict resources; it is for: clusters, units"),
        (("get", "units,clusters", "--unit", "x"), 2, "--unit does not restrict units; it is for: resources, works"),
        (
            ("get", "units", "--cluster", "eu-1"),
            2,
            "--cluster does not restrict units; it is for: works, removals, holds, events",
        ),
        (("get", "units", "--trouble"), 2, "--trouble does not restrict units; it is for: works"),
        (("get", "events", "--unit", "x", "--cluster", "y"), 2, "give --unit or --cluster"),
        (("get", "works", "--trouble", "-w"), 2, "--trouble is not for -w"),
        (("get", "resources", "-w"), 2, "fedctl get works --unit UNIT -w"),
        (("get", "units,clusters", "-w"), 2, "-w follows one at a time"),
        (("get", "units", "-n", "Web"), 2, "-n 'Web' is no valid name: small letters, digits and '-', at most 63"),
        (("get", "units", "-n", "Web"), 2, "'web' would be right"),
        (("apply", "-f", "x.yaml", "-n", "-"), 2, "-A is for all namespaces"),
        (("get", "units", "--selektor", "a=b"), 2, "Did you mean '--selector'?"),
        (("join", "EU_1"), 2, "'eu-1' would be right"),
        (("get", "all"), 2, "there is no kind 'all'. There are: clusters, units"),
        (("watch", "works", "-l", "a=b"), 2, "--selector does not restrict works"),
        (("watch", "policies", "x"), 2, "placementpolicy/x, overridepolicy/x or statuspolicy/x"),
        (("watch", "units", "shop", "blog"), 2, "it follows one at a time"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_mistakes_on_the_command_line_are_answered(
    fedctl: Run, server: FakeServer, words: tuple[str, ...], code: int, told: str
) -> None:
    result = fedctl(*words)
    assert told in result.stderr
    assert result.exit_code == code


@pytest.fixture
def units(server: FakeServer) -> FakeServer:
    names = ("default/shop", "default/blog", "web/cart")

    def listing(request: Any) -> Any:
        found = [unit_pb2.Unit(name="namespaces/{}/units/{}".format(*name.split("/"))) for name in names]
        space = request.parent.removeprefix("namespaces/")
        return unit_service_pb2.ListUnitsResponse(
            units=[unit for unit in found if space == "-" or unit.name.startswith(f"namespaces/{space}/")]
        )

    server.on("ListUnits", listing)
    server.on("GetUnit", refuse(Code.NOT_FOUND, "NOT_FOUND", "no"))
    server.on("GetUnitStatus", refuse(Code.NOT_FOUND, "NOT_FOUND", "no"))
    server.on("GetCluster", refuse(Code.NOT_FOUND, "NOT_FOUND", "no"))
    clusters = [cluster_pb2.Cluster(name="clusters/eu-1")]
    server.on("ListClusters", lambda _: cluster_service_pb2.ListClustersResponse(clusters=clusters))
    server.on("ListWorks", lambda _: resource_service_pb2.ListWorksResponse())
    return server


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("get", "unit", "shp"), "Did you mean shop?"),
        (("status", "cart"), "There is one in namespace 'web': use  -n web"),
        (("describe", "unit", "zzz"), "There are: blog, shop, web/cart"),
        (("get", "cluster", "eu1"), "Did you mean eu-1?"),
        (("cordon", "eu"), "Did you mean eu-1?"),
        (("get", "works", "--cluster", "eu1"), "Did you mean eu-1?"),
        (("describe", "work", "7"), "`fedctl get works -A` lists them"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_not_found_is_answered_by_what_there_is(
    fedctl: Run, units: FakeServer, words: tuple[str, ...], told: str
) -> None:
    result = fedctl(*words)
    assert result.exit_code == 3
    assert told in result.stderr


def test_an_empty_namespace_is_answered_by_the_others(fedctl: Run, units: FakeServer) -> None:
    result = fedctl("get", "units", "-n", "nowhere")
    assert result.exit_code == 0
    assert "There are units in: default, web. Use -n NAMESPACE, or -A for all." in result.stderr


def test_a_new_unit_without_a_placement_is_answered_by_the_flags(fedctl: Run, units: FakeServer) -> None:
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
    result = fedctl("apply", "-f", "-", "--unit", "new", stdin=manifest)
    assert result.exit_code == 2
    assert "say where unit default/new shall run" in result.stderr
    assert "--all-clusters" in result.stderr


def test_manifests_on_standard_input_need_a_name(fedctl: Run, units: FakeServer) -> None:
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
    assert "--unit NAME" in fedctl("apply", "-f", "-", stdin=manifest).stderr
    refused = fedctl("apply", "-f", "-", "--unit", "My Shop", stdin=manifest)
    assert refused.exit_code == 2
    assert "'my-shop' would be right" in refused.stderr


def test_placement_flags_are_not_for_documents(fedctl: Run, units: FakeServer) -> None:
    document = "apiVersion: fedsvc.io/v1\nkind: Unit\nmetadata: {name: a}\nspec: {}\n"
    result = fedctl("apply", "-f", "-", "--all-clusters", stdin=document)
    assert result.exit_code == 2
    assert "these documents tell their placement" in result.stderr


@pytest.mark.parametrize(
    ("document", "told"),
    [
        pytest.param(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n data: {}\n",
            "standard input:5:2: wrong indentation",
            id="wrong indentation",
        ),
        pytest.param("apiVersion: v1\nkind: ConfigMap\nmetadata:\n\tname: a\n", "a tab is used", id="tab"),
        pytest.param(
            "apiVersion: fedsvc.io/v1\nkind: Untis\nmetadata: {name: a}\nspec: {}\n",
            "standard input:2: kind: unknown kind 'Untis'; did you mean 'Unit'?",
            id="typo in kind",
        ),
        pytest.param(
            "apiVersion: fedsvc.io/v1\nkind: Unit\nmetadata: {name: a}\nspec:\n  overides: []\n",
            "standard input:5: spec.overides: unknown field 'overides'; did you mean 'overrides'?",
            id="typo in a field",
        ),
        pytest.param(
            "apiVersion: fedsvc.io/v1\nkind: PlacementPolicy\nmetadata: {name: a}\nspec: {excludedClusters: {}}\n",
            "standard input:4: spec.excludedClusters: unknown field 'excludedClusters'; did you mean 'exclude'?",
            id="wrong key in placement",
        ),
        pytest.param(
            "apiVersion: fedsvc.io/v1\nkind: Cluster\nmetadata: {name: eu-1}\nspec: {}\n",
            "a Cluster is not applied: it joins by `fedctl join NAME`; its labels and taints are set by `fedctl label",
            id="a cluster",
        ),
        pytest.param(
            "apiVersion: fedsvc.io/v1\nkind: Work\nmetadata: {name: '1'}\nspec: {}\n",
            "a Work is not applied: the server makes it",
            id="a work",
        ),
    ],
)
def test_mistakes_in_documents_are_told_with_their_line(fedctl: Run, document: str, told: str) -> None:
    result = fedctl("apply", "-f", "-", "--unit", "x", stdin=document)
    assert told in result.stderr
    assert result.exit_code in (1, 2)


TWO = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: b}\n"


@pytest.mark.parametrize(
    ("refusal", "exit_code", "told"),
    [
        pytest.param(
            RefusalError(
                Code.INVALID_ARGUMENT,
                "FIELD_INVALID",
                fields=[
                    ("unit.spec.resources[1].json", "metadata.spec: is no field of metadata: is it indented too far?")
                ],
            ),
            1,
            "app.yaml:7 (document 2): Secret b: metadata.spec: is no field of metadata",
            id="indented under metadata",
        ),
        pytest.param(
            RefusalError(
                Code.FAILED_PRECONDITION,
                "OBJECT_OWNED",
                "unit.spec.resources[1]: Secret default/b belongs to namespaces/x/units/y; remove it there first",
            ),
            4,
            "app.yaml:5 (document 2): Secret b: Secret default/b belongs to namespaces/x/units/y",
            id="object of another unit",
        ),
        pytest.param(
            RefusalError(
                Code.RESOURCE_EXHAUSTED,
                "LIMIT_EXCEEDED",
                "unit.spec.resources: the unit has 5001 resources; at most 1 are accepted",
                metadata={"limit": "max_unit_resources", "value": "1"},
            ),
            1,
            "app.yaml:5 (document 2): Secret b: the unit has 5001 resources",
            id="too many objects",
        ),
        pytest.param(
            RefusalError(
                Code.RESOURCE_EXHAUSTED,
                "LIMIT_EXCEEDED",
                "unit.spec.resources[0].json: the object has 99 bytes; at most 60 are accepted",
                metadata={"limit": "max_manifest_bytes", "value": "60"},
            ),
            1,
            "app.yaml:1: ConfigMap a: the object has 99 bytes",
            id="object too large",
        ),
        pytest.param(
            RefusalError(
                Code.RESOURCE_EXHAUSTED,
                "LIMIT_EXCEEDED",
                "unit.spec.resources: the resources have 140 bytes together; at most 100 are accepted",
                metadata={"limit": "max_unit_bytes", "value": "100"},
            ),
            1,
            "app.yaml:5 (document 2): Secret b: the resources have 140 bytes together",
            id="unit too large",
        ),
        pytest.param(
            RefusalError(Code.RESOURCE_EXHAUSTED, "", "Received message larger than max"),
            1,
            "app.yaml:1: ConfigMap a)",
            id="request too large",
        ),
    ],
)
def test_what_the_server_refuses_is_told_with_file_line_and_name(
    fedctl: Run, units: FakeServer, tmp_path: Path, refusal: RefusalError, exit_code: int, told: str
) -> None:
    def reply(_: Any) -> Any:
        raise refusal

    units.on("ApplyUnit", reply)
    path = tmp_path / "app.yaml"
    path.write_text(TWO)
    result = fedctl("apply", "-f", str(path), "--unit", "new", "--all-clusters")
    assert f"{tmp_path}/{told}" in result.stderr
    assert "unit.spec" not in result.stderr
    assert ("its 2 resources have" in result.stderr) == (not refusal.reason)
    assert result.exit_code == exit_code


def test_clusters_that_are_not_registered_are_warned_of(fedctl: Run, units: FakeServer) -> None:
    def accept(request: Any) -> Any:
        return unit_service_pb2.ApplyUnitResponse(unit=request.unit, warnings=["cluster ap-9 is not registered"])

    units.on("ApplyUnit", accept)
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
    result = fedctl("apply", "-f", "-", "--unit", "new", "--clusters", "ap-9", stdin=manifest)
    assert (result.exit_code, "warning: cluster ap-9 is not registered" in result.stderr) == (0, True)


def test_a_context_that_is_not_in_the_kubeconfig_is_answered_by_those_that_are(fedctl: Run, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: kind-eu\n"
        "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: u, user: {token: t}}]\n"
        "contexts: [{name: kind-eu, context: {cluster: c, user: u}}]\n"
    )
    result = fedctl("join", "eu-1", "--kubeconfig", str(path), "--context", "kind-us")
    assert "kind-us" in result.stderr
    assert "kind-eu" in result.stderr
    assert result.exit_code != 0


def test_what_is_no_utf8_is_told_with_its_line(fedctl: Run, units: FakeServer) -> None:
    result = fedctl("apply", "-f", "-", stdin=b"a: 1\nb: \xff\n")
    assert "2: is no UTF-8 text" in result.stderr


@pytest.mark.parametrize(
    ("code", "reason", "exit_code"),
    [
        (Code.ABORTED, "ETAG_MISMATCH", 4),
        (Code.FAILED_PRECONDITION, "IN_USE", 4),
        (Code.ALREADY_EXISTS, "ALREADY_EXISTS", 4),
        (Code.DEADLINE_EXCEEDED, "", 5),
        (Code.UNIMPLEMENTED, "", 1),
        (Code.INTERNAL, "INTERNAL", 1),
        (Code.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED", 1),
    ],
    ids=lambda value: value.name if isinstance(value, Code) else "",
)
def test_errors_have_their_exit_code(
    fedctl: Run, server: FakeServer, code: grpc.StatusCode, reason: str, exit_code: int
) -> None:
    server.on("DeletePlacementPolicy", refuse(code, reason, "words"))
    result = fedctl("delete", "placementpolicy", "p")
    assert result.exit_code == exit_code
    assert result.stderr.startswith("error: ")


def test_options_may_stand_before_and_after_the_command(fedctl: Run, units: FakeServer, tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(f"servers:\n  a: {{address: '{units.address}', token: from-file}}\n  b: {{address: 'x:1'}}\n")
    result = fedctl("get", "units", "--config", str(config), "--server", "a")
    assert result.exit_code == 0
    assert units.asked[-1].metadata["authorization"] == "Bearer from-file"


@pytest.mark.parametrize(
    ("scheme", "code", "told"), [("", 0, ""), ("http://", 0, ""), ("https://", 6, "does not speak TLS")]
)
def test_the_scheme_of_an_address_counts_also_where_the_configuration_knows_it(
    fedctl: Run, units: FakeServer, tmp_path: Path, scheme: str, code: int, told: str
) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(f"servers:\n  a: {{address: '{units.address}', token: from-file, tls: false}}\n")
    result = fedctl("get", "units", "--config", str(config), "--server", f"{scheme}{units.address}")
    assert (result.exit_code, told in result.stderr) == (code, True)


def test_a_file_that_the_environment_names_is_not_needed_where_an_address_is_given(
    fedctl: Run, units: FakeServer
) -> None:
    gone = {"FEDCTL_CONFIG": "/gone/fedctl.yaml"}
    assert fedctl("get", "units", "-A", environment=gone).exit_code == 0
    assert fedctl("--server", units.address, "get", "units", environment={**gone, "FEDCTL_SERVER": ""}).exit_code == 0
    for words in (("--config", "/gone/fedctl.yaml", "get", "units"), ("get", "units", "--config", "/gone/fedctl.yaml")):
        asked = fedctl(*words, environment=gone)
        assert (asked.exit_code, "/gone/fedctl.yaml: cannot be read" in asked.stderr) == (2, True)
    named = fedctl("get", "units", environment={**gone, "FEDCTL_SERVER": "prod"})  # a name stands in that very file
    assert (named.exit_code, "/gone/fedctl.yaml: cannot be read" in named.stderr) == (2, True)
