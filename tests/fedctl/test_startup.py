import os
import subprocess
import sys

import pytest

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
