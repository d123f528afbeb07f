"""The examples and the client against the real service, as a process with its embedded PostgreSQL."""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fedsvc.errors import ConfigurationError
from fedsvc.store.embedded import locate
from fedsvc.v1 import cluster_pb2, common_pb2, placement_pb2, unit_pb2
from fedsvc_client import Client, Kind, Synced, UnauthenticatedError, load_config, unit_name

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

EXAMPLES = Path(__file__).parents[2] / "clients" / "python" / "examples"


class Service:
    """`fedsvc serve` on a port of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "data" / "fedctl.yaml"
        self.port = 0
        self.start()

    def start(self) -> None:
        ready = self.folder / "ready"
        ready.unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "fedsvc", "serve", "--data-dir", str(self.folder / "data")),
                    *("--listen", f"127.0.0.1:{self.port}", "--ready-file", str(ready)),
                ],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 60
        while not ready.exists():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.05)
        self.port = int(json.loads(ready.read_text())["address"].rpartition(":")[2])

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait(30)


@pytest.fixture(scope="module")
def service(require: Callable[[str], None]) -> Iterator[Service]:
    try:
        locate()
    except ConfigurationError as error:
        require(str(error))
    with tempfile.TemporaryDirectory(prefix="fedsvc-test-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # as root PostgreSQL runs as somebody else, who must get through
        service = Service(Path(folder))
        yield service
        service.stop()


def run_example(name: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *words], capture_output=True, text=True, check=False, timeout=90
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_that_applies_a_unit(service: Service) -> None:
    shown = run_example("apply_unit.py", str(service.config)).splitlines()
    assert shown == ["clusters now: []", "units: ['namespaces/examples/units/greeting']", "gone"]


def test_the_example_that_lists_clusters(service: Service) -> None:
    assert run_example("clusters.py", str(service.config), "eu-1", "a", "b") == "no such cluster: clusters/eu-1\n"


def test_the_example_that_watches_units(service: Service) -> None:
    with Client.from_config(service.config) as client:
        client.units.apply(unit_pb2.Unit(name=unit_name("watched", namespace="examples"), spec=unit_pb2.UnitSpec()))
        shown = run_example("watch_units.py", str(service.config), "1")
        client.units.delete("examples/watched")
        client.units.wait_for("examples/watched", "deleted", timeout_seconds=30)
    assert shown.startswith("namespaces/examples/units/watched UNIT_STATE_")


def test_the_example_that_loses_a_region(service: Service) -> None:
    unknown = run_example("lose_a_region.py", str(service.config), "eu")
    assert unknown == "lost_regions[0]: there is no region 'eu'; there are none\n"
    connection = cluster_pb2.ClusterConnection(
        endpoint="https://127.0.0.1:1", credential=cluster_pb2.ClusterCredential(token="t0ken")
    )
    everywhere = placement_pb2.Placement(cluster_selector=common_pb2.LabelSelector())
    unit = unit_pb2.Unit(name=unit_name("lost", namespace="examples"), spec=unit_pb2.UnitSpec(placement=everywhere))
    with Client.from_config(service.config) as client:
        for name in ("eu-1", "us-1"):
            client.clusters.create(name, cluster_pb2.Cluster(region=name[:2], connection=connection))
        client.units.apply(unit)
        client.units.wait_for(unit.name, "applied", timeout_seconds=30)
        shown = run_example("lose_a_region.py", str(service.config), "eu").splitlines()
        client.units.delete(unit.name)
        client.units.wait_for(unit.name, "deleted", timeout_seconds=30)
        for name in ("eu-1", "us-1"):
            client.clusters.delete(name, force=True)
    assert shown == [
        "namespaces/examples/units/lost from ['eu-1', 'us-1'] to ['us-1']",
        "1 of 1 units would move or come short",
    ]


def test_a_wrong_token_is_refused(service: Service) -> None:
    address = load_config(service.config).server().address
    with Client(address, token="fedsvc_wrong") as client, pytest.raises(UnauthenticatedError):
        client.server.info()


def test_a_watch_and_calls_survive_a_killed_server(service: Service) -> None:
    with Client.from_config(service.config) as client:
        with client.watch(Kind.UNIT, namespace="restart") as watch:
            assert isinstance(next(watch), Synced)
            service.stop(signal.SIGKILL)
            service.start()
            name = unit_name("a", namespace="restart")
            client.units.apply(unit_pb2.Unit(name=name, spec=unit_pb2.UnitSpec()))
            item = next(watch)
        assert not isinstance(item, Synced)
        assert getattr(item, "name", "") == name
