"""DNS by the command line, against a real server and simulated members."""

import time
from typing import Any

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
