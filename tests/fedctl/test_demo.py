"""The whole demo with real processes, as a user runs it: up, kill, heal, a server that is killed, resume, down."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.message
import dns.query
import pytest

from fedctl.demo.stage import Stage
from fedsvc.errors import ConfigurationError
from fedsvc.store.embedded import locate

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
def stage(require: Callable[[str], None]) -> Iterator[Stage]:
    try:
        locate()
    except ConfigurationError as error:
        require(str(error))
    with tempfile.TemporaryDirectory(prefix="fedsvc-test-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # as root PostgreSQL runs as somebody else, who must get through
        stage = Stage(Path(folder) / "demo")
        yield stage
        stage.stop()


def fedctl(stage: Stage, *words: str, code: int = 0) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("FEDCTL_")}
    environment |= {"FEDCTL_DEMO_DIR": str(stage.folder), "FEDCTL_CONFIG": str(stage.config)}
    done = subprocess.run(
        [sys.executable, "-m", "fedctl", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
        env=environment,
    )
    assert done.returncode == code, done.stdout + done.stderr + stage.server.last_lines()
    return done.stdout + done.stderr


def test_the_demo_from_its_start_to_its_end(stage: Stage) -> None:
    shown = fedctl(stage, "demo")
    assert "unit default/shop: Ready, 6/6 replicas ready" in shown
    assert "What to try next" in shown
    assert "The demo is up already" in fedctl(stage, "demo")

    assert fedctl(stage, "get", "clusters", "-o", "name").split() == ["cluster/ap-1", "cluster/eu-1", "cluster/us-1"]
    eu = next(line for line in fedctl(stage, "get", "clusters", "-o", "wide").splitlines() if line.startswith("eu-1"))
    assert "/24 " in eu, "what its nodes offer is finite, and shown"
    assert " EU  " in eu
    assert " 0.034/0.0045  " in eu
    config_map = fedctl(stage, "get", "resource", "ConfigMap/shop", "-o", "yaml")
    assert "currency: EUR" in config_map

    port = int(shown.partition("dig @127.0.0.1 -p ")[2].split()[0])
    reply = dns.query.udp(dns.message.make_query("shop.demo.test.", "A"), "127.0.0.1", port=port, timeout=10)
    told = fedctl(stage, "dns", "explain", "shop.demo.test")
    assert told.count("\nin ") == 3
    assert len(reply.answer[0]) == 3
    assert all(str(record) in told for record in reply.answer[0])

    killed = fedctl(stage, "demo", "kill", "eu")
    assert "cluster eu-1 (region eu) is down" in killed
    assert f"dig +short @127.0.0.1 -p {port} shop.demo.test" in killed
    assert all(f"fedctl.yaml {command}\n" in killed for command in ("failovers", "audit"))
    assert "Regions: eu, us, ap" in fedctl(stage, "demo", "kill", "mars", code=3)
    stage.sample.write_text(stage.sample.read_text().replace("currency: EUR", "currency: CHF"))
    assert "1 configured, 2 unchanged" in fedctl(stage, "apply", "-f", str(stage.sample))
    assert "is not applied after 2 s" in fedctl(stage, "wait", "shop", "--for", "applied", "--timeout", "2s", code=5)
    healed = fedctl(stage, "demo", "heal")
    assert "is well" in healed
    assert "fedctl.yaml failovers\n" in healed
    fedctl(stage, "wait", "shop", "--timeout", "60s")

    server = stage.server.running()
    assert server is not None
    os.kill(server.pid, signal.SIGKILL)
    fedctl(stage, "demo")
    assert "currency: CHF" in fedctl(stage, "get", "resource", "ConfigMap/shop", "-o", "yaml")

    assert "the demo is stopped" in fedctl(stage, "demo", "down")
    assert "the demo is not up" in fedctl(stage, "demo", "status", code=6)
    assert "fedctl demo" in fedctl(stage, "get", "clusters", code=6)
    assert "unit default/shop: Ready" in fedctl(stage, "demo")
    fedctl(stage, "demo", "down", "--purge")
    assert not stage.folder.exists()
