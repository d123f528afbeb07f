"""Every way of logging in that a kubeconfig knows, and every way in which one is wrong."""

import asyncio
import base64
import json
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from fedctl.join.member import MemberApi
from fedsvc.simulator.certificates import issue_serving, make_authority
from fedsvc.testing.control_plane import ControlPlane
from fedsvc.testing.scripted import ScriptedServer, http, serving


def written(town: Any, path: Path, user: dict[str, Any], **cluster: Any) -> Path:
    """A kubeconfig for the simulated cluster "a" with a way of logging in, and changes of its cluster entry."""
    document = yaml.safe_load(town.kubeconfig.read_text())
    document["users"] = [{"name": "a", "user": user}]
    document["contexts"] = [item for item in document["contexts"] if item["name"] == "a"]
    document["clusters"][0]["cluster"] |= cluster
    path.write_text(yaml.safe_dump(document))
    return path


async def join(town: Any, kubeconfig: Path, *words: str) -> Any:
    return await town.fedctl("join", "a", "--kubeconfig", str(kubeconfig), *words)


def plug_in(folder: Path, text: str) -> dict[str, Any]:
    script = folder / "plug-in"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(script),
            "interactiveMode": "Never",
            "env": [{"name": "FLAVOUR", "value": "plain"}],
        }
    }


def credential(**status: str) -> str:
    document = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    return f"cat <<'END'\n{json.dumps(document)}\nEND"


async def test_an_exec_plug_in_logs_in_here_and_does_not_travel(town: Any, tmp_path: Path) -> None:
    token = town.simulator.cluster("a").admin_token
    user = plug_in(tmp_path, f'[ "$FLAVOUR" = plain ] || exit 1\n{credential(token=token)}')
    result = await join(town, written(town, tmp_path / "config", user))
    assert result.exit_code == 0, result.output
    cluster = await town.cluster("a")
    assert cluster.connection.credential.token not in ("", token)


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 'run the login command' >&2; exit 3", "run the login command"),
        ("echo not JSON", "decode"),
        (credential(other="x"), "missing token"),
    ],
    ids=["fails", "garbage", "no-token"],
)
async def test_an_exec_plug_in_that_fails_is_told_in_its_words(
    town: Any, tmp_path: Path, script: str, told: str
) -> None:
    result = await join(town, written(town, tmp_path / "config", plug_in(tmp_path, script)))
    assert result.exit_code == 1, result.output
    assert "logging in by context a failed" in result.output
    assert told in result.output


async def test_an_exec_plug_in_that_is_not_installed_is_told(town: Any, tmp_path: Path) -> None:
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plug-in"}}
    result = await join(town, written(town, tmp_path / "config", user))
    assert result.exit_code == 1, result.output
    assert "no-such-plug-in" in result.output


async def test_a_token_file_is_read(town: Any, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(town.simulator.cluster("a").admin_token)
    result = await join(town, written(town, tmp_path / "config", {"tokenFile": str(tmp_path / "token")}))
    assert result.exit_code == 0, result.output


async def test_a_wrong_token_says_to_log_in_anew(town: Any, tmp_path: Path) -> None:
    result = await join(town, written(town, tmp_path / "config", {"token": "stale"}))
    assert result.exit_code == 1
    assert "does not know you: Unauthorized. Log in anew" in result.output


async def test_the_current_context_is_taken_where_none_is_named(town: Any, tmp_path: Path) -> None:
    token = town.simulator.cluster("a").admin_token
    result = await join(town, written(town, tmp_path / "config", {"token": token}), "--dry-run")
    assert "by context a" in result.output


async def test_the_proxy_of_this_machine_is_not_the_servers(
    town: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    token = town.simulator.cluster("a").admin_token
    member = await asyncio.to_thread(MemberApi.load, written(town, tmp_path / "config", {"token": token}), "a")
    assert member.proxy_url() == ""
    named = written(town, tmp_path / "named", {"token": token}, **{"proxy-url": "http://other.example:3128"})
    member = await asyncio.to_thread(MemberApi.load, named, "a")
    assert member.proxy_url() == "http://other.example:3128"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is no kubeconfig"),
        ("just words", "is no kubeconfig"),
        ("{", "is no kubeconfig"),
        ("apiVersion: v1\nkind: Config\ncontexts: 7", "is no kubeconfig"),
        ("apiVersion: v1\nkind: Config", "is no kubeconfig"),
        ("\x00\x01", "is no kubeconfig"),
    ],
)
async def test_a_file_that_is_no_kubeconfig_is_told(town: Any, tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    result = await join(town, path)
    assert result.exit_code == 2, (result.output, result.exception)
    assert told in result.output
    assert "Traceback" not in result.output


async def test_a_context_whose_cluster_is_missing_is_told(town: Any, tmp_path: Path) -> None:
    document = yaml.safe_load(town.kubeconfig.read_text())
    document["clusters"] = []
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(document))
    result = await join(town, path)
    assert result.exit_code == 2, (result.output, result.exception)
    assert "is no kubeconfig" in result.output
    assert "clusters list" in result.output


async def test_a_missing_kubeconfig_is_told(town: Any, tmp_path: Path) -> None:
    result = await join(town, tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "there is no kubeconfig" in result.output


async def test_no_kubeconfig_at_all_says_how_to_give_one(town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    result = await town.fedctl("join", "a")
    assert result.exit_code == 2, (result.output, result.exception)
    assert "Give --kubeconfig FILE, or set KUBECONFIG" in result.output


async def test_a_pod_joins_the_cluster_it_runs_in(town: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kubernetes.config import incluster_config  # noqa: PLC0415 - a second of imports that only this test needs

    (tmp_path / "token").write_text("of-the-pod")
    (tmp_path / "ca.crt").write_text(town.simulator.ca_pem)
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(town.simulator.port))
    member = await asyncio.to_thread(MemberApi.load, None, "")
    assert (member.context, member.endpoint) == ("in-cluster", town.simulator.url)
    assert member.ca_pem().decode() == town.simulator.ca_pem
    assert member.has_credentials


async def test_a_cluster_that_nobody_reaches_is_told_in_plain_words(town: Any, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    other = base64.b64encode(make_authority("other").certificate_pem).decode()
    for changes, told in (
        ({"server": f"https://127.0.0.1:{port}"}, "nothing listens there"),
        ({"server": "https://no-such-host.invalid"}, "the name of its host is not found"),
        ({"certificate-authority-data": other}, "certificate verify failed"),
    ):
        result = await join(town, written(town, tmp_path / "config", {"token": "x"}, **changes))
        assert result.exit_code == 6, (result.output, result.exception)
        assert told in result.output


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([http(200, {"major": "1", "minor": "19", "gitVersion": "v1.19.3"})], "1.20 or newer is needed"),
        ([http(200, {"major": "1", "minor": "30+", "gitVersion": "v1.30.1"}), http(200, {})], "may not look"),
        ([http(200, b"<html>")], "is no Kubernetes API server"),
        ([http(302, b"", "Location: /login")], "is no Kubernetes API server"),
    ],
    ids=["old", "empty", "html", "login"],
)
async def test_a_cluster_that_answers_strangely_is_told(
    town: Any, tmp_path: Path, answers: list[bytes], told: str
) -> None:
    certificate = issue_serving(authority := make_authority("strange"), hosts=("127.0.0.1",))
    trust = base64.b64encode(authority.certificate_pem).decode()
    async with serving(ScriptedServer(first=answers), certificate, tmp_path) as server:
        changes = {"server": server.endpoint, "certificate-authority-data": trust}
        result = await join(town, written(town, tmp_path / "config", {"token": "x"}, **changes))
    assert result.exit_code == 1, (result.output, result.exception)
    assert told in result.output


@pytest.mark.kube
async def test_a_client_certificate_joins_a_real_cluster_and_its_token_cannot_escalate(
    town: Any, tmp_path: Path, kube_assets: Path
) -> None:
    async with ControlPlane(name="plane", directory=tmp_path / "plane") as plane:
        pair = plane.client_certificate(user="alice", groups=("system:masters",))
        user = {
            "client-certificate-data": base64.b64encode(pair.certificate_pem).decode(),
            "client-key-data": base64.b64encode(pair.key_pem).decode(),
        }
        trust = base64.b64encode(plane.ca_file.read_bytes()).decode()
        config = written(town, tmp_path / "config", user, server=plane.server, **{"certificate-authority-data": trust})
        for profile in ("standard", "namespaced:shop"):
            result = await join(town, config, "--rights", profile)
            assert result.exit_code == 0, result.output
        assert "found rights" in (await join(town, config)).output
        cluster = await town.cluster("a")
        assert cluster.condition("Ready").status.value == "True"

        robot = written(
            town,
            tmp_path / "robot",
            {"token": cluster.connection.credential.token},
            server=plane.server,
            **{"certificate-authority-data": trust},
        )
        member = await asyncio.to_thread(MemberApi.load, robot, "a")
        role = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": "more", "namespace": "shop"},
            "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
        }
        path = "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/roles"
        refused = await asyncio.to_thread(member.call, "POST", path, role)
        assert refused.code == 403
        assert "attempting to grant" in refused.message
        assert (await asyncio.to_thread(member.call, "GET", "/api/v1/namespaces/shop/configmaps")).code == 200
        assert (await asyncio.to_thread(member.call, "GET", "/api/v1/secrets")).code == 403
        result = await town.fedctl("unjoin", "a", "--yes", "--kubeconfig", str(config), "--context", "a")
        assert result.exit_code == 0, result.output
