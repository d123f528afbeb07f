"""Asks workers: a process for each request, which is killed when it takes too long."""

import asyncio
import contextlib
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fedsvc_dns.providers.contract import UnreachableError

Ask = Callable[[Mapping[str, Any], float], Awaitable[Mapping[str, Any]]]
"""Asks a worker, and gives it up after so many seconds."""
_WORKER = "fedsvc_dns.providers.octodns.worker"
_TAIL = 300


async def ask_process(request: Mapping[str, Any], timeout_seconds: float) -> Mapping[str, Any]:
    """Start a worker and wait for its answer.

    Raises:
        UnreachableError: it came to no answer, in time or at all; what it was to write may be written.
    """
    body = (await asyncio.to_thread(json.dumps, request)).encode() + b"\n"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        _WORKER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(timeout_seconds):
            process.stdin.write(body)
            with contextlib.suppress(ConnectionError):  # it ended; what it printed tells why
                await process.stdin.drain()
            # its standard input stays open: it ends when that does
            out, err = await asyncio.gather(process.stdout.read(), process.stderr.read())
    except TimeoutError as error:
        message = f"{request['provider']['id']} did not come to an end in {timeout_seconds:g} seconds, and was stopped"
        raise UnreachableError(message) from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    try:
        answer: Mapping[str, Any] = await asyncio.to_thread(json.loads, out)
    except ValueError as error:
        last = " ".join(err.decode(errors="replace").split())[-_TAIL:]
        raise UnreachableError(f"{request['provider']['id']} ended without an answer: {last}") from error
    return answer
