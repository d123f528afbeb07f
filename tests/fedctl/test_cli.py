"""What `fedctl` tells of itself: versions, examples, completion scripts."""

import json
from collections.abc import Callable

import pytest
import yaml
from click.testing import Result

from fedctl.main import COMMANDS
from fedsvc.v1 import server_service_pb2
from fedsvc_client.testing import FakeServer

Run = Callable[..., Result]


def test_versions_of_both_sides_are_shown(fedctl: Run, server: FakeServer) -> None:
    server.on(
        "GetServerInfo",
        lambda _: server_service_pb2.GetServerInfoResponse(version="9.9", database_version="18.1", caller="admin"),
    )
    assert "server    9.9" in fedctl("version").stdout
    assert json.loads(fedctl("version", "-o", "json").stdout)["database"] == "18.1"


def test_versions_are_printed_for_programs_and_have_no_names(server: FakeServer, fedctl: Run) -> None:
    assert set(yaml.safe_load(fedctl("version", "--client", "-o", "yaml").stdout)) == {"fedctl"}
    assert fedctl("version", "--client", "-o", "wide").stdout.startswith("fedctl ")
    refused = fedctl("version", "-o", "name")
    assert (refused.exit_code, "versions have no names" in refused.stderr) == (2, True)


def test_the_version_of_fedctl_is_told_as_other_programs_do(bare: Run) -> None:
    told = bare("--version")
    assert (told.exit_code, told.stdout.split()[0]) == (0, "fedctl")
    assert told.stdout.split()[1] == bare("version", "--client").stdout.split()[1]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(bare: Run, shell: str) -> None:
    result = bare("completion", shell)
    assert result.exit_code == 0
    assert "_FEDCTL_COMPLETE" in result.stdout


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"join", "unjoin"}))
def test_every_command_has_examples(bare: Run, command: str) -> None:
    result = bare(command, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.stdout
    assert f"fedctl {command}" in result.stdout
