"""The embedded server as a program, asked by dig and kdig: what resolvers and people with a terminal see."""

import asyncio
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from fedsvc.testing.processes import free_ports

START_SECONDS = 30.0
MASTER = f"""$ORIGIN example.org.
$TTL 300
@ SOA ns1 admin 7 3600 600 86400 15
@ NS ns1
@ NS ns2
@ A 192.0.2.80
ns1 A 192.0.2.1
ns2 AAAA 2001:db8::2
www A 192.0.2.10
www AAAA 2001:db8::10
alias CNAME www
a.b.deep TXT "deep"
*.wild A 192.0.2.20
sub NS ns.sub
ns.sub A 192.0.2.30
_http._tcp SRV 1 5 80 www
svc HTTPS 1 . alpn=h2
long TXT "{"x" * 250}" "{"y" * 250}" "{"z" * 250}"
"""


@dataclass
class Program:
    """The server in a process of its own."""

    process: asyncio.subprocess.Process
    port: int
    folder: Path

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    async def logs(self, words: str) -> None:
        async with asyncio.timeout(START_SECONDS):
            while words not in self.log:
                assert self.process.returncode is None, self.log
                await asyncio.sleep(0.02)

    async def end(self) -> int:
        if self.process.returncode is None:
            self.process.terminate()
        async with asyncio.timeout(START_SECONDS):
            return await self.process.wait()


async def start(folder: Path, *arguments: str, port: int = 0) -> Program:
    port = port or free_ports(1)[0]
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "fedsvc_dns.server", "--listen", f"127.0.0.1:{port}", *arguments,
            stdout=log, stderr=log, cwd=folder,
        )  # fmt: skip
    return Program(process, port, folder)


@pytest.fixture(scope="module")
async def program(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Program]:
    folder = tmp_path_factory.mktemp("program")
    (folder / "zone").write_text(MASTER)
    started = await start(folder, "--zone", "zone", "--allow-transfer", "127.0.0.0/8")
    try:
        await started.logs("listening")
        yield started
    finally:
        await started.end()


async def run(program: str, *arguments: str, require: Callable[[str], None]) -> str:
    if shutil.which(program) is None:
        require(f"no {program}: apt-get install bind9-dnsutils knot-dnsutils")
    process = await asyncio.create_subprocess_exec(
        program, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(START_SECONDS):
        said, _ = await process.communicate()
    return said.decode()


BOTH = [
    # question; status; flags; then words that the answer has, and ("!") has not
    ("www.example.org TXT", "NOERROR", "qr aa rd", ["example.org. 15 IN SOA"]),
    ("nowhere.example.org A", "NXDOMAIN", "qr aa rd", ["example.org. 15 IN SOA"]),
    ("deep.example.org A", "NOERROR", "qr aa rd", ["example.org. 15 IN SOA"]),
    ("x.wild.example.org A", "NOERROR", "qr aa rd", ["x.wild.example.org. 300 IN A 192.0.2.20"]),
    ("alias.example.org A", "NOERROR", "qr aa rd", ["IN CNAME www.example.org.", "192.0.2.10"]),
    ("alias.example.org MX", "NOERROR", "qr aa rd", ["IN CNAME www.example.org.", "IN SOA"]),
    ("x.sub.example.org A", "NOERROR", "qr rd", ["sub.example.org. 300 IN NS ns.sub.example.org.", "192.0.2.30"]),
    ("_http._tcp.example.org SRV", "NOERROR", "qr aa rd", ["1 5 80 www.example.org.", "2001:db8::10"]),
    ("svc.example.org HTTPS", "NOERROR", "qr aa rd", ["IN HTTPS 1 . alpn="]),
    ("example.org ANY +notcp", "NOERROR", "qr aa rd", ["192.0.2.80", "!IN SOA", "!IN NS"]),
    ("example.org NS", "NOERROR", "qr aa rd", ["ns2.example.org. 300 IN AAAA 2001:db8::2"]),
    ("www.example.org A +norec", "NOERROR", "qr aa", ["192.0.2.10"]),
    ("www.example.org A +noedns", "NOERROR", "qr aa rd", ["192.0.2.10", "!EDNS"]),
    ("www.example.org A +tcp", "NOERROR", "qr aa rd", ["192.0.2.10"]),
    ("long.example.org TXT +bufsize=512 +ignore", "NOERROR", "qr aa tc rd", ["!xxx"]),
    ("long.example.org TXT +bufsize=512", "NOERROR", "qr aa rd", ["xxx", "zzz"]),
    ("example.net A", "REFUSED", "qr rd", []),
    ("version.bind CH TXT", "REFUSED", "qr rd", []),
    ("www.example.org A +nsid", "NOERROR", "qr aa rd", ["192.0.2.10"]),
]
DIG = [  # of EDNS kdig says less, and names it writes in lower case
    ("www.example.org A", "NOERROR", "qr aa rd", ["192.0.2.10", "EDNS", "!SOA", "!WARNING: Message"]),
    ("WwW.ExAmPlE.oRg A", "NOERROR", "qr aa rd", ["WwW.ExAmPlE.oRg. 300 IN A 192.0.2.10"]),
    ("www.example.org A +dnssec", "NOERROR", "qr aa rd", ["flags: do;", "!RRSIG"]),
    ("www.example.org A +subnet=198.51.100.0/24", "NOERROR", "qr aa rd", ["198.51.100.0/24/0"]),
    ("www.example.org A +opcode=notify", "NOTIMP", "qr rd", []),
    ("www.example.org A +edns=1 +noednsneg", "BADVERS", "qr rd", ["version: 0"]),
]
KDIG = [
    ("www.example.org A", "NOERROR", "qr aa rd", ["192.0.2.10", "!EDNS"]),
    ("www.example.org A +edns", "NOERROR", "qr aa rd", ["EDNS", "Version: 0"]),
    ("www.example.org A +dnssec", "NOERROR", "qr aa rd", ["flags: do", "!RRSIG"]),
    ("www.example.org A +subnet=2001:db8::/32", "NOERROR", "qr aa rd", ["CLIENT-SUBNET: 2001:db8::/32/0"]),
]
ASKED = [("dig", *one) for one in BOTH + DIG] + [("kdig", *one) for one in BOTH + KDIG]


@pytest.mark.parametrize(
    ("asker", "question", "status", "flags", "words"), ASKED, ids=[f"{one[0]} {one[1]}" for one in ASKED]
)
async def test_programs_are_answered_as_the_standards_say(
    program: Program,
    asker: str,
    question: str,
    status: str,
    flags: str,
    words: list[str],
    require: Callable[[str], None],
) -> None:
    said = await run(asker, "@127.0.0.1", "-p", str(program.port), "+timeout=10", *question.split(), require=require)

    assert f"status: {status}" in said, said
    plain = re.sub(r"[ \t]+", " ", said)
    assert re.search(rf"[Ff]lags: {flags};", plain), said
    for word in words:
        if word.startswith("!"):
            assert word[1:] not in plain, said
        else:
            assert word in plain, said


@pytest.mark.parametrize("asker", ["dig", "kdig"])
async def test_programs_get_a_zone_whole(program: Program, asker: str, require: Callable[[str], None]) -> None:
    said = await run(
        asker, "@127.0.0.1", "-p", str(program.port), "example.org", "AXFR", "+noall", "+answer", require=require
    )
    records = [line for line in said.splitlines() if line and not line.startswith(";")]

    assert len(records) == len(MASTER.splitlines()) - 2 + 1, said
    assert "SOA" in records[0]
    assert "SOA" in records[-1]


async def test_a_hang_up_reads_files_again_and_a_broken_one_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "zone").write_text(MASTER)
    started = await start(tmp_path, "--zone", "zone", "--keep", "kept")
    try:
        await started.logs("listening")
        (tmp_path / "zone").write_text(MASTER.replace(" 7 ", " 8 ") + "bad A 192.0.2.999\n")
        started.process.send_signal(signal.SIGHUP)
        await started.logs("the zones are not changed: zone:")
        (tmp_path / "zone").write_text(MASTER.replace(" 7 ", " 8 "))
        started.process.send_signal(signal.SIGHUP)
        await started.logs("zone example.org. serial 8")
    finally:
        assert await started.end() == 0
    assert "stopped" in started.log

    (tmp_path / "zone").unlink()
    again = await start(tmp_path, "--zone", "zone", "--keep", "kept")
    try:
        await again.logs("listening")
        assert "zone example.org. serial 8 is served as it was kept in kept" in again.log
    finally:
        await again.end()


async def test_a_killed_server_answers_again_from_its_file_alone(
    tmp_path: Path, require: Callable[[str], None]
) -> None:
    (tmp_path / "zone").write_text(MASTER)
    first = await start(tmp_path, "--zone", "zone", "--keep", "kept")
    await first.logs("listening")
    first.process.kill()
    assert await first.process.wait() == -signal.SIGKILL
    second = await start(tmp_path, "--keep", "kept")
    try:
        await second.logs("listening")
        said = await run("dig", "@127.0.0.1", "-p", str(second.port), "www.example.org", "+short", require=require)
    finally:
        await second.end()

    assert said == "192.0.2.10\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "there is nothing to serve: give --zone"),
        (["--zone", "none"], "No such file"),
        (["--zone", "none", "--keep", "none"], "No such file"),
        (["--zone", "zone", "--listen", "192.0.2.1:5353"], "cannot listen on 192.0.2.1 port 5353"),
        (["--zone", "zone", "--listen", "localhost:5353"], "'localhost:5353' is no ADDRESS:PORT with an IP address"),
        (["--zone", "zone", "--listen", "127.0.0.1:99999"], "a port is between 0 and 65535"),
        (["--zone", "zone", "--allow-transfer", "10.0.0.1/8"], "host bits set"),
        (["--zone", "zone", "--responses-per-second", "-1"], "-1 is less than 0"),
    ],
)
async def test_what_cannot_be_run_is_told(tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / "zone").write_text(MASTER)
    started = await start(tmp_path, *arguments)

    assert await started.process.wait() != 0
    assert words in started.log
