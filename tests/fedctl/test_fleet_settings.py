"""`fedctl get` and `apply` of the fleet settings."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from click.testing import Result
from google.protobuf.timestamp_pb2 import Timestamp

from fedsvc.v1 import fleet_pb2, placement_pb2
from fedsvc.v1 import placement_service_pb2 as pb
from fedsvc_client.testing import FakeServer, RefusalError

Run = Callable[..., Result]
Code = grpc.StatusCode
FIVE_MINUTES_AGO = Timestamp(seconds=1795521300)  # of NOW in conftest.py
SETTINGS = fleet_pb2.FleetSettings(
    name="fleetSettings",
    spec=fleet_pb2.FleetSettingsSpec(
        distances=[fleet_pb2.RegionDistance(region="eu", other="us", milliseconds=90)],
        datasets=[
            fleet_pb2.Dataset(name="orders", primary="eu-1", copies=[fleet_pb2.DataCopy(cluster="us-1", lag_seconds=0)])
        ],
        headroom=fleet_pb2.Headroom(by=placement_pb2.TOPOLOGY_REGION),
    ),
    update_time=FIVE_MINUTES_AGO,
    etag='"fleet-3"',
)


def lines(result: Result) -> list[str]:
    return result.stdout.splitlines()


@pytest.mark.parametrize("words", [("fleetsettings",), ("fs",), ("fleetsettings", "fleet"), ("fs/fleet",)])
def test_fleet_settings_are_shown(
    fedctl: Run, server: FakeServer, monkeypatch: pytest.MonkeyPatch, now: Any, words: tuple[str, ...]
) -> None:
    server.on("GetFleetSettings", lambda _: pb.GetFleetSettingsResponse(fleet_settings=SETTINGS))

    (title, row) = lines(fedctl("get", *words))
    assert title.split() == ["NAME", "DISTANCES", "DATASETS", "HEADROOM", "FREEZES", "AGE"]
    assert row.split()[1:4] == ["1", "orders", "region"]


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_fleet_settings_that_are_printed_can_be_applied_again(fedctl: Run, server: FakeServer, output: str) -> None:
    server.on("GetFleetSettings", lambda _: pb.GetFleetSettingsResponse(fleet_settings=SETTINGS))
    server.on(
        "UpdateFleetSettings", lambda request: pb.UpdateFleetSettingsResponse(fleet_settings=request.fleet_settings)
    )
    printed = fedctl("get", "fleetsettings", "fleet", "-o", output).stdout
    result = fedctl("apply", "-f", "-", stdin=printed)

    assert (result.exit_code, lines(result)) == (0, ["fleetsettings/fleet unchanged"])
    (request,) = server.requests("UpdateFleetSettings")
    assert (request.fleet_settings.spec, request.fleet_settings.etag) == (SETTINGS.spec, SETTINGS.etag)
    assert not request.validate_only


DOCUMENT = "apiVersion: fedsvc.io/v1\nkind: FleetSettings\nmetadata: {name: fleet}\nspec: {headroom: {by: region}}\n"


def test_a_dry_run_of_fleet_settings_says_so_with_the_warnings(fedctl: Run, server: FakeServer) -> None:
    answer = pb.UpdateFleetSettingsResponse(changed=True, warnings=["dataset a names clusters that are not registered"])
    server.on("UpdateFleetSettings", lambda _: answer)
    result = fedctl("apply", "-f", "-", "--dry-run", stdin=DOCUMENT)

    assert (result.exit_code, lines(result)) == (0, ["fleetsettings/fleet configured (dry run)"])
    assert "warning: dataset a names clusters that are not registered" in result.stderr
    assert server.requests("UpdateFleetSettings")[0].validate_only


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (DOCUMENT.replace("fleet}", "two}"), "there is one of them, and its name is fleet"),
        (DOCUMENT.replace("{name: fleet}", "{name: fleet, labels: {a: b}}"), "fleet settings have no labels"),
        (DOCUMENT.replace("by: region", "by: moon"), "moon"),
        (DOCUMENT.replace("headroom", "headrom"), "headroom"),
    ],
    ids=["name", "labels", "word", "field"],
)
def test_wrong_fleet_settings_are_refused_before_they_are_sent(
    fedctl: Run, server: FakeServer, text: str, message: str
) -> None:
    result = fedctl("apply", "-f", "-", stdin=text)

    assert result.exit_code != 0
    assert message in result.stderr
    assert not server.requests("UpdateFleetSettings")


def test_fleet_settings_that_somebody_else_changed_are_a_conflict(fedctl: Run, server: FakeServer) -> None:
    def refuse(_: Any) -> Any:
        raise RefusalError(Code.ABORTED, "ETAG_MISMATCH", "fleetSettings was changed by somebody else meanwhile")

    server.on("UpdateFleetSettings", refuse)
    result = fedctl("apply", "-f", "-", stdin=DOCUMENT)

    assert result.exit_code == 4
    assert "fleetsettings fleet: fleetSettings was changed by somebody else meanwhile" in result.stderr
