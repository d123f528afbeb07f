"""The simulator as a program: ``python -m fedsvc.simulator --cluster name=eu-1,region=eu,zones=eu-a+eu-b,nodes=3 ...``.

Writes structured logs to stderr and nothing else; SIGTERM and SIGINT write the state and end it.
"""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fedsvc.simulator.server import Simulator
from fedsvc.simulator.spec import Options, SpecError, Timing, parse_spec


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    kubeconfig: Path | None
    ready: Path | None


class _JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        standard = logging.makeLogRecord({}).__dict__
        entry.update(
            {name: value for name, value in record.__dict__.items() if name not in standard and name != "message"}
        )
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def main(argv: list[str] | None = None) -> int:
    """Run the simulator until a signal; the exit code."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    try:
        specs = [parse_spec(item) for item in arguments.cluster]
    except SpecError as error:
        parser.error(str(error))
    host, _, port = arguments.listen.rpartition(":")
    if not host or not port.isdecimal():
        parser.error(f"--listen: HOST:PORT was expected, not {arguments.listen!r}")
    timing = Timing(
        pod_start_seconds=arguments.pod_start_seconds,
        job_seconds=arguments.job_seconds,
        load_balancer_seconds=arguments.load_balancer_seconds,
    )
    options = Options(timing=timing, pod_objects=not arguments.no_pod_objects)
    simulator = Simulator(
        specs, host=host, port=int(port), tls=arguments.tls, options=options, state_dir=arguments.state_dir
    )
    files = _Files(kubeconfig=arguments.kubeconfig, ready=arguments.ready_file)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_run(simulator, files))
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - optional: a tenth less CPU where there is one
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _run(simulator: Simulator, files: _Files) -> None:
    log = logging.getLogger("fedsvc.simulator")
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with simulator:
        if files.kubeconfig is not None:
            simulator.write_kubeconfig(files.kubeconfig)
        log.info("listening", extra={"url": simulator.url, "clusters": [item.name for item in simulator.clusters]})
        if files.ready is not None:
            part = files.ready.with_name(files.ready.name + ".part")
            part.write_text(json.dumps({"url": simulator.url, "pid": os.getpid()}) + "\n")
            part.replace(files.ready)
        await stopped.wait()
        log.info("stopping")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fedsvc.simulator", description="Simulated Kubernetes clusters.")
    parser.add_argument("--listen", default="127.0.0.1:0", help="HOST:PORT; port 0 takes any (default: %(default)s)")
    parser.add_argument(
        "--cluster",
        action="append",
        required=True,
        help="name=NAME[,region=R][,zones=A+B][,provider=P][,nodes=N][,cpu=8][,memory=32Gi][,pods=110]"
        "[,kubernetes_version=V][,label=KEY:VALUE]...; may be given many times",
    )
    parser.add_argument("--tls", action="store_true", help="serve HTTPS with a certificate authority of its own")
    parser.add_argument("--kubeconfig", type=Path, help="write a kubeconfig with one context for each cluster")
    parser.add_argument("--state-dir", type=Path, help="keep the state here and go on from it")
    parser.add_argument("--ready-file", type=Path, help="written (JSON: url, pid) when requests are answered")
    parser.add_argument("--pod-start-seconds", type=float, default=1.0, help="default: %(default)s")
    parser.add_argument("--job-seconds", type=float, default=5.0, help="default: %(default)s")
    parser.add_argument("--load-balancer-seconds", type=float, default=1.0, help="default: %(default)s")
    parser.add_argument("--no-pod-objects", action="store_true", help="workloads only count their pods, for scale")
    return parser


if __name__ == "__main__":
    sys.exit(main())
