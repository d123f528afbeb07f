"""The embedded name server: queries a second by UDP, one process; the ceiling is knotd with one worker.

    ./dev bench dns_server --names 10000 --seconds 5

A rate per second of the clock says what the machine had left; one per second of the server's own processor time says
what a core can do, and the ratio is of these. The load is dnsperf where it is installed, else a loop of ours.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.message

ORIGIN = "bench.example."
WINDOW = 200
QUESTIONS = 20_000


@dataclass(frozen=True)
class Case:
    title: str
    question: Callable[[random.Random, int], str]


CASES = (
    Case("addresses", lambda chance, names: f"n{chance.randrange(names)}.{ORIGIN} A"),
    Case("no such name", lambda chance, _: f"x{chance.randrange(10**9)}.{ORIGIN} A"),
    Case("by wildcard", lambda chance, _: f"x{chance.randrange(10**9)}.wild.{ORIGIN} A"),
    Case("weighted", lambda chance, _: f"w{chance.randrange(100)}.{ORIGIN} A"),
)


def write_zone(folder: Path, names: int) -> None:
    """The zone as JSON, where some names are weighted, and as a master file."""

    def made(name: str, type_: str, *values: str) -> dict[str, object]:
        return {"name": f"{name}{ORIGIN}", "type": type_, "ttl_seconds": 30, "values": list(values)}

    sets = [
        made("", "SOA", f"ns1.{ORIGIN} admin.{ORIGIN} 1 3600 600 86400 15"),
        made("", "NS", f"ns1.{ORIGIN}"),
        made("ns1.", "A", "192.0.2.1"),
        made("*.wild.", "A", "192.0.2.2"),
    ]
    sets += [
        made(f"n{i}.", "A", f"10.1.{i // 250 % 250}.{i % 250}", f"10.2.{i // 250 % 250}.{i % 250}")
        for i in range(names)
    ]
    weighted = [made(f"w{i}.", "A", "10.3.0.1", "10.3.0.2", "10.3.0.3") for i in range(100)]
    choices = [
        {"name": one["name"], "type": "A", "options": [{"value": f"10.3.0.{n}", "weight": n} for n in (1, 2, 3)]}
        for one in weighted
    ]
    (folder / "zone.json").write_text(
        json.dumps({"origin": ORIGIN, "record_sets": sets + weighted, "choices": choices})
    )
    lines = [f"{one['name']} 30 {one['type']} {value}" for one in sets + weighted for value in one["values"]]  # type: ignore[attr-defined]
    (folder / f"{ORIGIN}zone").write_text("\n".join(lines) + "\n")


def write_questions(folder: Path, case: Case, names: int) -> Path:
    chance = random.Random(6)  # noqa: S311 - made-up questions
    path = folder / f"{case.title.replace(' ', '-')}.txt"
    path.write_text("\n".join(case.question(chance, names) for _ in range(QUESTIONS)) + "\n")
    return path


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def running(command: Sequence[str], port: int, folder: Path) -> Iterator[int]:
    with (folder / f"{port}.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - the servers
            command, stdout=log, stderr=log, cwd=folder
        )
        try:
            wait_for_answer(port, process, folder / f"{port}.log")
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)


def wait_for_answer(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    asked = dns.message.make_query(ORIGIN, "SOA").to_wire()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(("127.0.0.1", port))
        one.settimeout(0.2)
        for _ in range(150):
            try:
                one.send(asked)
                if one.recv(4096)[3] & 0xF == 0:
                    return
            except OSError:
                time.sleep(0.1)
            if process.poll() is not None:
                break
    raise SystemExit(f"no server on port {port}: {log.read_text()}")


def knot(folder: Path, port: int) -> list[str]:
    storage = folder / "knot"
    storage.mkdir(exist_ok=True)
    shutil.copy(folder / f"{ORIGIN}zone", storage)
    config = folder / "knot.conf"
    config.write_text(
        f"""server:
  rundir: {storage}
  listen: 127.0.0.1@{port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
  user: {"root:root" if os.geteuid() == 0 else ""}
database:
  storage: {storage}
template:
  - id: default
    storage: {storage}
    zonefile-sync: -1
    journal-content: none
    semantic-checks: off
zone:
  - domain: {ORIGIN}
"""
    )
    return ["knotd", "-c", str(config)]


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load(port: int, questions: Path, seconds: int) -> tuple[int, float, int]:
    """Answers, seconds, questions that got none."""
    if shutil.which("dnsperf"):
        return load_by_dnsperf(port, questions, seconds)
    return load_by_loop(port, questions, seconds)


def load_by_dnsperf(port: int, questions: Path, seconds: int) -> tuple[int, float, int]:
    command = ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", str(questions), "-l", str(seconds)]
    command += ["-c", "4", "-q", str(WINDOW)]
    done = subprocess.run(  # noqa: S603 - the load
        command, capture_output=True, text=True, check=True, timeout=seconds + 60
    )
    said = done.stdout

    def number(words: str) -> float:
        found = re.search(rf"{words}:\s+([\d.]+)", said)
        assert found, said
        return float(found[1])

    return int(number("Queries completed")), number(r"Run time \(s\)"), int(number("Queries lost"))


def load_by_loop(port: int, questions: Path, seconds: int) -> tuple[int, float, int]:
    pairs = [line.split() for line in questions.read_text().splitlines()]
    asked = [dns.message.make_query(name, type_).to_wire() for name, type_ in pairs]
    answered = lost = at = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(("127.0.0.1", port))
        one.settimeout(1)
        start = time.monotonic()
        for _ in range(WINDOW):
            one.send(asked[(at := at + 1) % len(asked)])
        while time.monotonic() - start < seconds:
            try:
                one.recv(4096)
                answered += 1
                one.send(asked[(at := at + 1) % len(asked)])
            except TimeoutError:
                lost += WINDOW
                for _ in range(WINDOW):
                    one.send(asked[(at := at + 1) % len(asked)])
        return answered, time.monotonic() - start, lost


def measure(pid: int, port: int, questions: Path, seconds: int) -> tuple[float, float, int]:
    """Answers a second of the clock and of the processor, and questions without one; after a second to warm up."""
    load(port, questions, 1)
    before = processor_seconds(pid)
    answered, took, lost = load(port, questions, seconds)
    return answered / took, answered / (processor_seconds(pid) - before), lost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument(
        "--responses-per-second", type=int, default=100_000, help="rate limit of one network and question"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fedsvc-bench-") as name:
        folder = Path(name)
        write_zone(folder, options.names)
        questions = {case.title: write_questions(folder, case, options.names) for case in CASES}
        port = free_port()
        ours = [sys.executable, "-m", "fedsvc_dns.server", "--zone", "zone.json", "--listen", f"127.0.0.1:{port}"]
        ours += ["--responses-per-second", str(options.responses_per_second)]
        results: dict[str, list[tuple[float, float, int]]] = {case.title: [] for case in CASES}
        commands = [(ours, port)]
        if shutil.which("knotd"):
            other = free_port()
            commands.append((knot(folder, other), other))
        for command, at in commands:
            with running(command, at, folder) as pid:
                for title, path in questions.items():
                    results[title].append(measure(pid, at, path, options.seconds))
    by = "dnsperf" if shutil.which("dnsperf") else "a loop of ours"
    print(f"{options.names} names, {options.seconds} s each, load by {by}")
    print(
        f"{'questions':14}{'a second':>12}{'a core':>12}{'lost':>7}{'knotd':>12}{'a core':>12}{'lost':>7}{'ratio':>8}"
    )
    for title, measured in results.items():
        line = f"{title:14}" + "".join(f"{clock:12,.0f}{core:12,.0f}{lost:7}" for clock, core, lost in measured)
        if len(measured) > 1:
            line += f"{measured[0][1] / measured[1][1]:8.2f}"
        print(line)


if __name__ == "__main__":
    main()
