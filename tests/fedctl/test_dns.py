"""DNS by the command line, against a real server and simulated members."""

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.update
import pytest

from fedsvc.errors import ConfigurationError
from fedsvc.testing.name_servers import KEY, HostedZone, Kind, NameServer, start_name_server

ZONE = """\
apiVersion: fedsvc.io/v1
kind: Zone
metadata: {name: main}
spec:
  domain: example.org
  ttlSeconds: 5
"""
SHOP = """\
apiVersion: fedsvc.io/v1
kind: Unit
metadata: {name: shop, namespace: default}
spec:
  placement: {clusters: [a, b]}
  dns: {zone: main, hosts: [shop.example.org], minHealthy: {count: 1}}
  resources:
    - apiVersion: v1
      kind: Service
      metadata: {name: shop}
      spec: {type: LoadBalancer, selector: {app: shop}, ports: [{port: 80}]}
"""
NAME = "shop.default.main.svc.example.org"


async def until_told(town: Any, *words: str, tells: str) -> Any:
    """Ask until the answer has a text."""
    deadline = time.monotonic() + 30
    while tells not in (found := await town.fedctl(*words)).stdout:
        assert time.monotonic() < deadline, found.output
    return found


async def test_a_zone_is_applied_shown_frozen_and_deleted(town: Any) -> None:
    made = await town.fedctl("apply", "-f", "-", stdin=ZONE)
    assert "zone/main created" in made.stdout, made.output
    assert "zone/main unchanged" in (await town.fedctl("apply", "-f", "-", stdin=ZONE)).stdout
    await until_told(town, "get", "zones", tells="Ready")
    document = (await town.fedctl("get", "zone", "main", "-o", "yaml")).stdout
    again = await town.fedctl("apply", "-f", "-", stdin=document[document.index("apiVersion") :])
    assert "zone/main unchanged" in again.stdout, again.output

    assert (await town.fedctl("dns", "freeze", "main")).stdout.endswith("zone/main frozen\n")
    assert (await town.fedctl("dns", "freeze", "main")).stdout.endswith("zone/main was frozen already\n")
    assert "Frozen" in (await town.fedctl("get", "zones")).stdout
    assert "frozen: true" in (await town.fedctl("describe", "zone", "main")).stdout
    assert (await town.fedctl("dns", "unfreeze", "main")).stdout.endswith("zone/main unfrozen\n")

    gone = await town.fedctl("delete", "zone", "main")
    assert "zone/main deleted" in gone.stdout, gone.output
    assert (await town.fedctl("get", "zone", "main")).exit_code == 3
    assert (await town.fedctl("dns", "records", "main")).exit_code == 3


async def test_what_names_answer_and_why_is_shown_and_what_waits_is_confirmed(town: Any) -> None:
    await town.join("a")
    await town.join("b")
    applied = await town.fedctl("apply", "-f", "-", stdin=ZONE + "---\n" + SHOP)
    assert "unit/default/shop created" in applied.stdout, applied.output
    for cluster in ("a", "b"):
        await until_told(town, "dns", "explain", NAME, tells=f"in  {cluster} ")
    told = (await town.fedctl("dns", "explain", NAME)).stdout
    assert "stands for all clusters of Service default/shop of unit default/shop" in told
    records = (await town.fedctl("dns", "records", "main")).stdout
    assert f"{NAME}. " in records
    assert "shop.r-a.example.org" not in records
    assert f"{NAME.replace('.svc.', '.svc.r-a.')}. " in records
    missing = await town.fedctl("dns", "explain", "nothing.example.org")
    assert missing.exit_code == 3
    assert "fedctl dns records" in missing.stderr

    in_use = await town.fedctl("delete", "zone", "main")
    assert "default/units/shop" in in_use.output.replace("namespaces/", "")
    await town.fedctl("delete", "unit", "shop")
    held = (await until_told(town, "describe", "zone", "main", tells="approval:")).stdout
    assert "the zone would be empty" in held
    wrong = await town.fedctl("dns", "confirm", "main", "0000")
    assert wrong.exit_code == 4, wrong.output
    approval = held.partition("approval: ")[2].split()[0].strip("'\"")
    confirmed = await town.fedctl("dns", "confirm", "main", approval)
    assert confirmed.stdout.endswith("zone/main confirmed\n"), confirmed.output
    await until_told(town, "dns", "records", "main", "-o", "json", tells='"recordSets": []')


async def test_a_host_outside_of_the_zone_is_told_with_its_line(town: Any) -> None:
    await town.fedctl("apply", "-f", "-", stdin=ZONE)
    wrong = await town.fedctl("apply", "-f", "-", stdin=SHOP.replace("shop.example.org", "shop.example.net"))
    assert wrong.exit_code == 1
    assert "spec.dns.hosts[0]: 'shop.example.net' is not within the zone main of example.org" in wrong.stderr
    assert ":6:" in wrong.stderr


async def check_plans_of_units(town: Any) -> None:
    """What a unit as it would be changes in its zone is shown."""
    other = SHOP.replace("shop.example.org", "store.example.org")
    planned = await town.fedctl("dns", "plan", "-f", "-", stdin=other)
    assert planned.exit_code == 1, planned.output
    assert "+ store.example.org. 5 A " in planned.stdout
    assert "- shop.example.org. 5 A " in planned.stdout
    assert NAME not in planned.stdout
    assert "nothing would change" in (await town.fedctl("dns", "plan", "-f", "-", stdin=SHOP)).stdout
    none = SHOP.replace("  dns: {zone: main, hosts: [shop.example.org], minHealthy: {count: 1}}\n", "")
    assert f"- {NAME}. 5 A " in (await town.fedctl("dns", "plan", "-f", "-", stdin=none)).stdout
    new = SHOP.replace("name: shop", "name: store").replace("[shop.", "[store.")
    told = await town.fedctl("dns", "plan", "-f", "-", stdin=new)
    assert "the unit is not there yet" in told.stderr, told.output
    wrong = await town.fedctl("dns", "plan", "-f", "-", stdin=other.replace("store.example.org", "store.example.net"))
    assert ":6: spec.dns.hosts[0]: 'store.example.net' is not within the zone main" in wrong.stderr, wrong.output
    assert wrong.exit_code == 2
    policy = "{apiVersion: fedsvc.io/v1, kind: PlacementPolicy, metadata: {name: all}, spec: {clusters: []}}"
    refused = await town.fedctl("dns", "plan", "-f", "-", stdin=policy)
    assert "only zones and units are planned here" in refused.stderr, refused.output


@pytest.fixture
async def bind(tmp_path: Path, require: Callable[[str], None]) -> AsyncIterator[NameServer]:
    """A BIND that keeps the zone."""
    try:
        server = await start_name_server(Kind.BIND, tmp_path / "bind", [HostedZone(origin="example.org.")])
    except ConfigurationError as error:
        require(str(error))
        raise
    yield server
    await server.stop()


async def test_a_zone_is_planned_kept_on_a_name_server_verified_and_applied(town: Any, bind: NameServer) -> None:
    secret = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IDAxMjM="
    key = f"{{name: fedsvc-test, secret: {secret}}}"
    kept = f"{ZONE}  rfc2136:\n    server: {{host: 127.0.0.1, port: {bind.port}}}\n    key: {key}\n"
    await town.join("a")
    await town.join("b")
    await town.fedctl("apply", "-f", "-", stdin=ZONE + "---\n" + SHOP)
    for cluster in ("a", "b"):
        await until_told(town, "dns", "explain", NAME, tells=f"in  {cluster} ")

    nobody = await town.fedctl("dns", "verify", "main")
    assert nobody.exit_code == 1
    assert "nobody is known to ask" in nobody.stderr
    planned = await town.fedctl("dns", "plan", "-f", "-", stdin=ZONE.replace("ttlSeconds: 5", "ttlSeconds: 7"))
    assert planned.exit_code == 1, planned.output
    assert f"- {NAME}. 5 A " in planned.stdout
    assert f"+ {NAME}. 7 A " in planned.stdout
    assert (await town.fedctl("dns", "plan", "main")).stdout.endswith("nothing would change, and nothing waits\n")

    await check_plans_of_units(town)
    applied = await town.fedctl("dns", "apply", "-f", "-", "--yes", stdin=kept)
    assert applied.stdout.endswith("zone/main configured\n"), applied.output
    listed = (await until_told(town, "dns", "zones", tells="Ready")).stdout
    assert f"127.0.0.1:{bind.port}" in listed
    assert secret not in (await town.fedctl("dns", "zones", "main", "-o", "yaml")).stdout
    verified = await town.fedctl("dns", "verify")
    assert verified.exit_code == 0, verified.output
    assert "Ready" in verified.stdout

    update = dns.update.UpdateMessage("example.org.", keyring={KEY.name: KEY}, keyname=KEY.name)
    update.replace(f"{NAME}.", 5, "A", "203.0.113.1")
    await dns.asyncquery.tcp(update, "127.0.0.1", port=bind.port, timeout=5)
    differs = await town.fedctl("dns", "verify", "main", "--name", NAME)
    assert differs.exit_code == 1, differs.output
    assert f"{NAME}. A shall have TTL 5 and " in differs.stdout
    assert (await town.fedctl("dns", "verify", "main", "-o", "name")).stdout.endswith(f"\n{NAME}. A\n")
    silent = await town.fedctl("dns", "verify", "main", "--server", "127.0.0.1:1")
    assert silent.exit_code == 7, silent.output
    assert "Unknown" in silent.stdout

    await town.fedctl("delete", "unit", "shop")
    await until_told(town, "describe", "zone", "main", tells="approval:")
    held = await town.fedctl("dns", "plan", "main")
    assert held.exit_code == 1
    assert "Waits: the zone would be empty" in held.stdout
    assert f"- {NAME}. 5 A " in held.stdout
    unsure = await town.fedctl("dns", "apply", "main")
    assert (unsure.exit_code, "say --yes" in unsure.stderr) == (1, True), unsure.output
    sure = await town.fedctl("dns", "apply", "main", "--yes")
    assert sure.stdout.endswith("zone/main confirmed\n"), sure.output
    await until_told(town, "dns", "records", "main", "-o", "json", tells='"recordSets": []')
    assert (await town.fedctl("dns", "apply", "main")).stdout.endswith("zone/main: nothing waits\n")
