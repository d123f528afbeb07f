import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from fedctl.main import COMMANDS
from fedsvc.v1 import unit_pb2, unit_service_pb2, watch_service_pb2
from fedsvc_client.testing import FakeServer


def environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith(("FEDCTL_", "GRPC_"))}


HEAVY = ("grpc", "google.protobuf", "rich", "kubernetes", "yaml", "fedsvc.v1", "fedsvc_client", "asyncio")


@pytest.mark.parametrize("words", [["--help"], ["completion", "bash"]], ids=" ".join)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    probe = (
        "import sys\n"
        "from fedctl.main import cli\n"
        f"try: cli.main({words!r})\n"
        f"except SystemExit: print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_help_of_a_command_does_not_import_what_takes_a_second(command: str) -> None:
    probe = (
        "import sys\n"
        "from fedctl.main import cli\n"
        f"try: cli.main([{command!r}, '--help'])\n"
        "except SystemExit: print([n for n in ('kubernetes', 'urllib3') if n in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_as_a_plug_in_of_kubectl_it_calls_itself_so() -> None:
    probe = "import sys; sys.argv = ['/usr/bin/kubectl-fed', '--help']; from fedctl.main import main; main()"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: kubectl fed [OPTIONS]")


def test_a_reader_that_goes_away_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "fedctl", "completion", "bash"], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert done.stderr == b""


def test_a_server_without_tls_is_told_in_fedctl_s_own_words_only(server: FakeServer) -> None:
    words = ["--server", f"https://{server.address}", "--token", "t", "get", "clusters"]
    done = subprocess.run(
        [sys.executable, "-m", "fedctl", *words], capture_output=True, text=True, check=False, env=environment()
    )
    assert done.returncode == 6
    assert done.stderr.startswith(f"error: {server.address}: the server cannot be reached: it does not speak TLS there")


@pytest.mark.parametrize("words", [("get", "units", "-w"), ("wait", "shop")], ids=" ".join)
def test_ctrl_c_ends_what_follows_or_waits_in_silence(server: FakeServer, words: tuple[str, ...]) -> None:
    asked = threading.Event()

    def stay(_: object) -> Iterator[watch_service_pb2.WatchResponse]:
        asked.set()
        yield watch_service_pb2.WatchResponse(resume_token="1")
        threading.Event().wait(20)

    server.on("ListUnits", lambda _: unit_service_pb2.ListUnitsResponse(resume_token="1"))
    server.on("GetUnit", lambda request: unit_service_pb2.GetUnitResponse(unit=unit_pb2.Unit(name=request.name)))
    server.on("Watch", stay)
    command = [sys.executable, "-m", "fedctl", "--server", server.address, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()) as run:
        assert asked.wait(20)
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=20)
    assert (run.returncode, said) == (130, "\n")
