"""Simulated member clusters: many Kubernetes API servers in one process, over real HTTP.

Good enough for ``kubectl`` and the official Python client: discovery, watches, server-side apply with managedFields,
RBAC, CRDs, and small controllers that make workloads ready within node capacity. The member conformance suite
(``tests/members``) runs against it and against real API servers; where the two differ, the simulator is wrong.

In Python::

    specs = [SimulatedClusterSpec(name="eu-1", region="eu", zones=("eu-a", "eu-b"), provider="aws", nodes=3)]
    async with Simulator(specs, tls=True) as simulator:
        simulator.write_kubeconfig(path)             # one context for each cluster, named like it
        cluster = simulator.cluster("eu-1")
        cluster.inject(Faults(outage=Outage.REFUSED))  # and cluster.inject(Faults()) to heal

As a program::

    python -m fedsvc.simulator --listen 127.0.0.1:0 --cluster name=eu-1,region=eu,zones=eu-a+eu-b,provider=aws,nodes=3 \
        --kubeconfig FILE --state-dir FOLDER --ready-file FILE

where faults are set over HTTP (see :mod:`fedsvc.simulator.control`). It may import nothing of the service. Start at
:mod:`fedsvc.simulator.server`; the arithmetic of server-side apply is in :mod:`fedsvc.simulator.managed`.
"""

from fedsvc.simulator.cluster import SimulatedCluster
from fedsvc.simulator.faults import Faults, Outage
from fedsvc.simulator.server import Simulator
from fedsvc.simulator.spec import Options, SimulatedClusterSpec, SpecError, Timing, parse_spec

__all__ = [
    "Faults",
    "Options",
    "Outage",
    "SimulatedCluster",
    "SimulatedClusterSpec",
    "Simulator",
    "SpecError",
    "Timing",
    "parse_spec",
]
