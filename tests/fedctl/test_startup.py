import os
import subprocess
import sys
import time

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


def test_help_is_quick() -> None:
    def measure() -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "fedctl", "--help"], capture_output=True, check=True)
        return time.perf_counter() - started

    # Against a Python that does nothing, so that a loaded machine does not make the test lie.
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], capture_output=True, check=True)
    bare = time.perf_counter() - started
    assert min(measure() for _ in range(3)) < bare + 0.25


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
