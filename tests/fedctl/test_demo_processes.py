import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fedctl.demo.processes import Identity, Program, start_of
from fedctl.failures import Failure

SLEEPER = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(name="sleeper", folder=tmp_path)


def command(program: Program, code: str = SLEEPER) -> list[str]:
    return [sys.executable, "-c", code, str(program.ready_file)]


def test_a_program_is_started_found_again_and_stopped(program: Program) -> None:
    starting = program.start(command(program))
    starting.wait(20)
    found = program.running()
    assert found is not None
    assert found.pid == starting.child.pid
    assert Program(name="sleeper", folder=program.folder).running() == found
    assert program.stop(20)
    starting.child.wait(20)
    assert program.running() is None
    assert not program.stop(1)


def test_a_program_that_ends_at_once_is_told_with_its_log(program: Program) -> None:
    starting = program.start(command(program, "import sys; print('no luck today'); sys.exit(7)"))
    with pytest.raises(Failure, match="sleeper ended with code 7") as caught:
        starting.wait(20)
    assert "no luck today" in caught.value.hint


def test_a_program_that_is_never_ready_is_told(program: Program) -> None:
    starting = program.start([sys.executable, "-c", "import time; time.sleep(600)"])
    with pytest.raises(Failure, match=r"is not ready after 0\.1 s"):
        starting.wait(0.1)
    assert program.stop(20)
    starting.child.wait(20)


def test_a_foreign_process_of_the_same_number_is_left_alone(program: Program) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        program.pid_file.write_text(json.dumps({"pid": child.pid, "started": "long ago"}))
        assert program.running() is None
        assert not program.stop(1)
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("text", ["", "{", '{"pid": 1}', "[1]"])
def test_a_broken_pid_file_means_that_nothing_runs(program: Program, text: str) -> None:
    program.pid_file.write_text(text)
    assert program.running() is None


def test_a_process_is_known_by_when_it_started() -> None:
    own = Identity(pid=os.getpid(), started=start_of(os.getpid()))
    assert own.started
    assert start_of(own.pid) == own.started
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    assert start_of(child.pid) == ""
