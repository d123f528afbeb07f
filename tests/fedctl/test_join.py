"""Joining and leaving, by the command line against a real server and simulated clusters."""

from typing import Any

import pytest
import yaml

from fedctl.failures import Exit, Failure
from fedctl.join import steps
from fedctl.join.member import MemberApi, Reply
from fedsvc.members.client import MemberClient
from fedsvc.simulator import Faults, Outage, SimulatedClusterSpec
from fedsvc_placement import Cost

RBAC = "/apis/rbac.authorization.k8s.io/v1"
BINDING = f"{RBAC}/clusterrolebindings/fedsvc"
HOME = "/api/v1/namespaces/fedsvc-system"


def ok(result: Any) -> str:
    assert result.exit_code == 0, result.output
    return str(result.output)


def failed(result: Any, code: int) -> str:
    assert result.exit_code == code, (result.exit_code, result.output, result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return str(result.output)


async def test_joining_says_what_it_did_and_the_server_reaches_the_cluster(town: Any) -> None:
    said = ok(await town.join("a", "--provider", "aws", "--label", "tier=prod", "--taint", "gpu=yes:NoSchedule"))
    for words in (
        "created namespace fedsvc-system",
        "created service account fedsvc-system/fedsvc",
        "granted rights: standard",
        "took a token until",
        "registered cluster a",
        "cluster/a joined (aws r-a z-a)",
    ):
        assert words in said
    cluster = await town.cluster("a")
    assert cluster.condition("Ready").status.value == "True"
    assert (cluster.region, cluster.zones, cluster.labels) == ("r-a", ("z-a",), {"tier": "prod"})
    assert [(taint.key, taint.value, taint.effect) for taint in cluster.taints] == [("gpu", "yes", "NoSchedule")]
    connection = cluster.connection
    assert (connection.member_namespace, connection.service_account, connection.rights) == (
        "fedsvc-system",
        "fedsvc",
        "standard",
    )
    assert connection.credential.token != town.simulator.cluster("a").admin_token
    life = connection.credential.token_expire_time - cluster.create_time
    assert abs(life.total_seconds() - 7 * 86_400) < 60


async def test_joining_twice_changes_nothing_but_the_credential(town: Any) -> None:
    ok(await town.join("a", "--label", "tier=prod"))
    before, revision = await town.cluster("a"), town.simulator.cluster("a").store.revision
    said = ok(await town.join("a", "--label", "tier=prod"))
    after = await town.cluster("a")
    assert "found service account" in said
    assert "found rights: standard" in said
    assert "renewed cluster a" in said
    assert town.simulator.cluster("a").store.revision == revision
    for name in ("uid", "labels", "annotations", "region", "zones", "taints"):
        assert getattr(after, name) == getattr(before, name)


async def test_a_service_account_that_was_there_is_not_called_created(
    town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "created service account" in ok(await town.join("a"))
    monkeypatch.setattr(MemberApi, "apply", lambda *_: "changed")  # as where old API servers put a token into it
    said = ok(await town.join("a"))
    assert "found service account" in said
    assert "granted rights" in said


async def test_what_is_not_said_again_stays_as_it_was(town: Any) -> None:
    first = ["--region", "eu", "--zone", "eu-1", "--label", "tier=prod", "--taint", "gpu:NoExecute"]
    ok(await town.join("a", *first, "--rights", "namespaced:shop", "--namespace", "federation"))
    said = ok(await town.join("a", "--label", "team=web"))
    cluster = await town.cluster("a")
    assert "rights: namespaced:shop" in said
    assert (cluster.region, cluster.zones) == ("eu", ("eu-1",))
    assert cluster.labels == {"tier": "prod", "team": "web"}
    assert [taint.key for taint in cluster.taints] == ["gpu"]
    assert (cluster.connection.member_namespace, cluster.connection.rights) == ("federation", "namespaced:shop")
    assert await town.get("a", HOME) is None


async def test_jurisdiction_and_cost_are_told_once_and_changed_one_by_one(town: Any) -> None:
    ok(await town.join("a", "--jurisdiction", "EU", "--cost-core", "0.031", "--cost-gib", "0.004"))
    first = await town.cluster("a")
    assert (first.jurisdiction, first.cost) == ("EU", Cost(micros_per_core=31_000, micros_per_gib=4_000))
    ok(await town.fedctl("score", "a", "carbon=40", "--for", "1h"))
    ok(await town.join("a"))
    again = await town.cluster("a")
    assert (again.jurisdiction, again.cost) == (first.jurisdiction, first.cost)
    assert [score.name for score in again.scores] == ["carbon"]
    ok(await town.join("a", "--cost-gib", "0.005"))
    assert (await town.cluster("a")).cost == Cost(micros_per_core=31_000, micros_per_gib=5_000)
    ok(await town.fedctl("set", "cluster", "a", "jurisdiction=CH", "cost-"))
    assert ((await town.cluster("a")).jurisdiction, (await town.cluster("a")).cost) == ("CH", None)
    ok(await town.join("a", "--cost-core", "0"))
    assert (await town.cluster("a")).cost == Cost(micros_per_core=0, micros_per_gib=0)
    said = failed(await town.fedctl("score", "a", "carbon=400"), 1)
    assert "is 400; it must be from -100 to 100" in said


async def test_a_dry_run_changes_nothing_anywhere_and_shows_the_steps(town: Any) -> None:
    before = town.simulator.cluster("a").store.revision
    said = ok(await town.join("a", "--rights", "namespaced:shop", "--dry-run"))
    assert town.simulator.cluster("a").store.revision == before
    assert await town.cluster("a") is None
    for words in ("create Namespace fedsvc-system", "create Role shop/fedsvc", "take a token", "register cluster a at"):
        assert words in said
    assert "&id" not in said  # equal lists are written twice
    ok(await town.join("a"))
    revision, cluster = town.simulator.cluster("a").store.revision, await town.cluster("a")
    said = ok(await town.join("a", "--dry-run"))
    assert "keep Namespace fedsvc-system" in said
    assert "apply ClusterRole fedsvc" in said
    assert town.simulator.cluster("a").store.revision == revision
    assert (await town.cluster("a")).connection == cluster.connection


class Broken:
    """Lets the call of a given number fail, before or after the cluster has heard it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.countdown = -1
        self.after = False
        call = MemberApi.call

        def broken(member: MemberApi, method: str, path: str, *rest: Any, **more: Any) -> Reply:
            writes = method != "GET"
            if self.after and not writes:
                return call(member, method, path, *rest, **more)
            self.countdown -= 1
            if self.countdown == 0 and not self.after:
                raise Failure("the line broke", code=Exit.UNREACHABLE)
            reply = call(member, method, path, *rest, **more)
            if self.countdown == 0:
                raise Failure("the line broke", code=Exit.UNREACHABLE)
            return reply

        monkeypatch.setattr(MemberApi, "call", broken)


@pytest.mark.parametrize("after", [False, True], ids=["asked", "answered"])
async def test_a_join_that_broke_off_at_any_step_goes_on_when_repeated(
    town: Any, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    broken = Broken(monkeypatch)
    ok(await town.join("a", "--rights", "namespaced:shop"))
    wanted = town.objects("a")
    steps_broken = 0
    while True:
        name = f"c{steps_broken}"
        town.simulator.add(SimulatedClusterSpec(name=name, region="r", zones=("z",)))
        town.simulator.write_kubeconfig(town.kubeconfig)
        broken.countdown, broken.after = steps_broken + 1, after
        first = await town.join(name, "--rights", "namespaced:shop", "--timeout", "20s")
        if first.exit_code == 0:
            break
        steps_broken += 1
        assert "the line broke" in failed(first, 6)
        broken.countdown = -1
        ok(await town.join(name, "--rights", "namespaced:shop"))
        assert town.objects(name) == wanted
        assert (await town.cluster(name)).condition("Ready").status.value == "True"
    assert steps_broken > 8


async def test_a_server_that_refuses_is_asked_before_anything_is_changed(town: Any) -> None:
    before = town.simulator.cluster("a").store.revision
    for words, told in (
        (["join", "A_1", "--context", "a"], "'a-1' would be right"),
        (["join", "a", "--context", "a", "--label", "tier=a b"], "cluster.labels"),
        (["join", "a", "--context", "a", "--region", "Europa West"], "cluster.region"),
        (["join", "a", "--context", "a", "--endpoint", "http://10.0.0.1"], "plain http"),
        (["join", "a", "--context", "a", "--namespace", "Fed"], "member_namespace"),
    ):
        result = await town.fedctl(*words, "--kubeconfig", str(town.kubeconfig))
        assert result.exit_code != 0
        assert told in result.output
        assert "Traceback" not in result.output
    assert town.simulator.cluster("a").store.revision == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--cost-core", "-1"], "--cost-core '-1': write a price by the hour"),
        (["--cost-gib", "1,5"], "--cost-gib '1,5': write a price by the hour"),
        (["--label", "tier"], "--label 'tier': write KEY=VALUE"),
        (["--label", "=x"], "write KEY=VALUE"),
        (["--taint", "gpu"], "--taint 'gpu': write KEY=VALUE:EFFECT"),
        (["--taint", "gpu=yes:Never"], "the effect one of NoSchedule"),
        (["--taint", ":NoSchedule"], "write KEY=VALUE:EFFECT"),
        (["--rights", "namespaced:shop,Web"], "namespaced[1]: 'Web' is no namespace's name"),
        (["--rights", "admin"], "write standard, namespaced:A,B"),
        (["--context", "nowhere"], "no context 'nowhere'; it has: a, b"),
        (["--timeout", "-1"], "--timeout"),
    ],
    ids=" ".join,
)
async def test_mistakes_on_the_command_line_are_usage_failures(town: Any, words: list[str], told: str) -> None:
    said = failed(await town.join("a", *words), 2)
    assert told in " ".join(said.split())


async def test_a_cluster_joins_under_one_name_only_and_a_name_is_one_cluster(town: Any) -> None:
    ok(await town.join("a"))
    said = failed(await town.join("second", "--context", "a"), 4)
    assert "a member already, as a" in said
    said = failed(await town.join("a", "--context", "b"), 4)
    assert "a is another cluster's name here" in said
    assert await town.get("b", HOME) is None


async def test_another_fedsvc_in_the_cluster_is_not_robbed_of_its_rights(town: Any) -> None:
    ok(await town.join("a", "--namespace", "theirs"))
    async with MemberClient(town.connection("a")) as client:
        before = await client.get(BINDING)
    ok(await town.fedctl("unjoin", "a", "--force", "--yes"))
    said = failed(await town.join("a"), 4)
    assert "--namespace theirs" in said
    assert await town.get("a", BINDING) == before
    ok(await town.join("a", "--namespace", "theirs"))


async def test_a_changed_profile_takes_away_what_the_earlier_one_gave(town: Any) -> None:
    ok(await town.join("a", "--rights", "namespaced:shop,web"))
    assert "granted rights" in ok(await town.join("a", "--rights", "namespaced:web"))
    roles = {key for key in town.objects("a") if key.startswith(("roles ", "rolebindings "))}
    assert roles == {
        f"{kind} {name}" for kind in ("roles", "rolebindings") for name in ("web/fedsvc", "fedsvc-system/fedsvc-token")
    }
    ok(await town.join("a", "--rights", "cluster-admin"))
    assert {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]} in (
        await town.get("a", f"{RBAC}/clusterroles/fedsvc")
    )["rules"]


async def test_rights_of_a_file_are_named_again_when_joining_again(town: Any, tmp_path: Any) -> None:
    file = tmp_path / "rights.yaml"
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}
    file.write_text(yaml.safe_dump({"kind": "ClusterRole", "rules": [rule]}))
    ok(await town.join("a", "--rights", str(file)))
    assert (await town.cluster("a")).connection.rights == "custom"
    assert rule in (await town.get("a", f"{RBAC}/clusterroles/fedsvc"))["rules"]
    assert "--rights FILE" in failed(await town.join("a"), 2)
    ok(await town.join("a", "--rights", str(file)))


async def test_the_standard_profile_gives_nobody_more_than_it_has(town: Any) -> None:
    ok(await town.join("a"))
    token = (await town.cluster("a")).connection.credential.token
    role = {"metadata": {"name": "more"}, "rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["delete"]}]}
    binding = {
        "metadata": {"name": "more"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "fedsvc", "namespace": "fedsvc-system"}],
    }
    async with MemberClient(town.connection("a", token)) as client:
        for path, body in (
            (f"{RBAC}/namespaces/default/roles", role),
            (f"{RBAC}/namespaces/default/rolebindings", binding),
            (f"{RBAC}/clusterroles", role),
            (f"{RBAC}/clusterrolebindings", binding),
        ):
            with pytest.raises(Exception, match=r"is attempting to grant|cannot create resource"):
                await client.post(path, body)


async def test_a_cluster_without_token_requests_gives_the_token_of_a_secret(
    town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = MemberApi.call

    def old(member: MemberApi, method: str, path: str, *rest: Any, **more: Any) -> Reply:
        if path.endswith("/token"):
            return Reply(code=404, body={"message": "the server could not find the requested resource"})
        return call(member, method, path, *rest, **more)

    monkeypatch.setattr(MemberApi, "call", old)
    assert "took the token of Secret fedsvc-system/fedsvc-token, which has no end" in ok(await town.join("a"))
    connection = (await town.cluster("a")).connection
    assert (connection.service_account, connection.credential.token_expire_time) == ("", None)
    assert (await town.cluster("a")).condition("CredentialsValid").reason == "Accepted"


async def test_a_secret_that_nobody_fills_is_given_up_with_the_reason(
    town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "_SECRET_SECONDS", 0.0)
    call = MemberApi.call

    def empty(member: MemberApi, method: str, path: str, *rest: Any, **more: Any) -> Reply:
        if path.endswith("/token"):
            return Reply(code=404, body={})
        reply = call(member, method, path, *rest, **more)
        return Reply(code=200, body={}) if method == "GET" and path.endswith("/fedsvc-token") else reply

    monkeypatch.setattr(MemberApi, "call", empty)
    said = failed(await town.join("a"), 1)
    assert "its token controller does not run" in said
    assert "it goes on from here" in said


@pytest.mark.parametrize(
    ("faults", "code", "told"),
    [
        (Faults(outage=Outage.REFUSED), 6, "closed the connection without an answer"),
        (Faults(garbage=True), 1, "is no Kubernetes API server"),
        (Faults(error_status=401), 1, "does not know you: Unauthorized. Log in anew"),
        (Faults(error_status=403), 1, "is no Kubernetes API server: /version answers"),
        (Faults(reject_writes="policy says no"), 1, "policy says no"),
    ],
    ids=["closed", "garbage", "401", "403", "admission"],
)
async def test_a_cluster_in_trouble_is_told_in_words(town: Any, faults: Faults, code: int, told: str) -> None:
    town.simulator.cluster("a").inject(faults)
    assert told in failed(await town.join("a"), code)
    assert await town.cluster("a") is None


async def test_a_cluster_that_the_server_does_not_reach_is_registered_and_says_why(town: Any) -> None:
    said = failed(await town.join("a", "--endpoint", "https://127.0.0.1:1", "--timeout", "0.5"), 5)
    assert "nothing listens there" in said
    assert "--endpoint" in said
    said = ok(await town.join("a"))
    assert "fedsvc reached a at https://127.0.0.1:1; now:" in said


async def test_a_namespace_that_is_going_is_waited_for_by_the_user(town: Any) -> None:
    async with MemberClient(town.connection("a")) as client:
        held = {"metadata": {"name": "fedsvc-system", "finalizers": ["example.com/hold"]}}
        await client.post("/api/v1/namespaces", held)
        await client.delete(HOME)
    assert "is being removed still" in failed(await town.join("a"), 1)


async def test_leaving_takes_away_what_joining_brought(town: Any) -> None:
    before = town.objects("a")
    ok(await town.join("a", "--rights", "namespaced:shop"))
    said = ok(await town.unjoin("a"))
    assert "removed namespace fedsvc-system" in said
    assert await town.cluster("a") is None
    after = {key: value for key, value in town.objects("a").items() if "shop" not in key}
    assert after == before
    assert await town.get("a", "/api/v1/namespaces/shop") is not None, "what applications live in stays"
    assert "there is no cluster a" in failed(await town.fedctl("unjoin", "a", "--yes"), 3)


async def test_a_namespace_that_was_there_before_stays(town: Any) -> None:
    async with MemberClient(town.connection("a")) as client:
        await client.post("/api/v1/namespaces", {"metadata": {"name": "fedsvc-system"}})
    ok(await town.join("a"))
    assert "stays" in ok(await town.unjoin("a"))
    assert await town.get("a", HOME) is not None
    assert await town.get("a", f"{HOME}/serviceaccounts/fedsvc") is None


UNIT = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {a: "1"}
"""


@pytest.mark.parametrize(("words", "stays"), [([], True), (["--keep"], True), (["--delete-objects"], False)], ids=str)
async def test_objects_stay_or_go_as_it_is_said(town: Any, words: list[str], *, stays: bool) -> None:
    ok(await town.join("a"))
    ok(await town.fedctl("apply", "-f", "-", "--unit", "shop", "--all-clusters", "-n", "shop", stdin=UNIT))
    ok(await town.fedctl("wait", "--for=ready", "shop", "-n", "shop", "--timeout", "20s"))
    ok(await town.unjoin("a", *words))
    live = await town.get("a", "/api/v1/namespaces/shop/configmaps/settings")
    assert (live is not None) == stays
    assert live is None or "fedsvc.io/managed" not in live["metadata"].get("labels", {})
    assert "shop" in ok(await town.fedctl("get", "units", "-n", "shop", "-o", "name"))


async def test_a_cluster_that_is_gone_is_forgotten_by_force(town: Any) -> None:
    ok(await town.join("a"))
    town.simulator.cluster("a").inject(Faults(outage=Outage.REFUSED))
    said = failed(await town.unjoin("a"), 6)
    assert "fedctl unjoin a --force" in said
    assert await town.cluster("a") is not None
    said = failed(await town.fedctl("unjoin", "a", "--force", "--delete-objects", "--yes"), 2)
    assert "--force leaves objects as they are" in said
    said = ok(await town.fedctl("unjoin", "a", "--force", "--yes"))
    assert "kubectl delete clusterrole,clusterrolebinding fedsvc" in said
    assert "kubectl delete namespace fedsvc-system" in said
    assert await town.cluster("a") is None
    assert "does not exist" in failed(await town.fedctl("unjoin", "a", "--force", "--yes"), 3)


async def test_leaving_is_asked_for_and_of_the_right_cluster(town: Any) -> None:
    ok(await town.join("a"))
    words = ["--kubeconfig", str(town.kubeconfig), "--context", "a"]
    assert "nothing was changed" in failed(await town.fedctl("unjoin", "a", *words, stdin="n\n"), 1)
    assert "say --yes" in failed(await town.fedctl("unjoin", "a", *words, stdin=""), 1)
    said = failed(await town.fedctl("unjoin", "a", "--yes", *words[:2], "--context", "b"), 4)
    assert "another cluster than a" in said
    assert await town.cluster("a") is not None


async def test_leaving_that_broke_off_goes_on_when_repeated(town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = town.objects("a")
    broken, number = Broken(monkeypatch), 0
    broken.after = True
    while True:
        broken.countdown = -1
        ok(await town.join("a", "--namespace", "federation"))
        number += 1
        broken.countdown = number
        first = await town.unjoin("a")
        if first.exit_code == 0:
            break
        assert "To go on: fedctl unjoin a --context a" in failed(first, 6)
        broken.countdown = -1
        ok(await town.unjoin("a"))
        assert town.objects("a") == before
    assert number > 5
