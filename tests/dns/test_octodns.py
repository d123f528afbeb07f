"""Zones that providers of octoDNS keep: what is their own beside the contract of all providers."""

import json
import subprocess
import sys
from typing import Any

import pytest

from fedsvc.testing import clouds
from fedsvc.testing.name_servers import Kind
from fedsvc.testing.zone_writing import a, puts
from fedsvc_dns.providers.connection import ServerAddress
from fedsvc_dns.providers.contract import (
    CredentialsError,
    Reason,
    ServerRefusedError,
    StaleWriterError,
    UnreachableError,
)
from fedsvc_dns.providers.judging import Ownership
from fedsvc_dns.providers.octodns import forms
from fedsvc_dns.providers.octodns.accounts import Account
from fedsvc_dns.providers.octodns.zone import OctodnsZone
from fedsvc_dns.providers.owning import Claim
from fedsvc_dns.providers.verifying import marked_generations
from fedsvc_dns.records import RecordSet, record_set

HANGING = Account(name="hanging", class_path="fedsvc.testing.hanging.Hanging")


def claim(origin: str = "example.com.", **different: Any) -> Claim:
    return Claim(origin=origin, owner="test", **different)


async def test_a_process_of_its_own_does_what_is_asked_with_secrets_from_the_environment(
    primaries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, origin = await primaries.fresh_zone(Kind.BIND)
    account = clouds.bind_account(server)
    monkeypatch.setenv("SECRET_OF_BIND", str(account.settings["key_secret"]))
    account = Account(
        name="bind", class_path=account.class_path, settings={**account.settings, "key_secret": "env/SECRET_OF_BIND"}
    )

    outcome = await OctodnsZone(claim(origin), account).apply(puts(a(f"web.{origin}", "10.0.0.1"), generation=7))
    here = ServerAddress(host="127.0.0.1", port=server.port)

    assert (outcome.serial, outcome.written, outcome.refused) == (7, (f"web.{origin}",), ())
    assert await marked_generations([here], f"_fedsvc-zone.{origin}") == (7,)
    assert "c2Vj" not in repr(account)


async def test_a_process_that_does_not_come_to_an_end_is_stopped() -> None:
    with pytest.raises(UnreachableError, match="hanging did not come to an end in 3 seconds, and was stopped"):
        await OctodnsZone(claim(), HANGING, deadline_seconds=3).read()


def test_a_process_ends_when_whoever_asked_is_gone() -> None:
    request = {"provider": {"class": HANGING.class_path, "id": "hanging", "settings": {}}, "zone": "example.com."}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "fedsvc_dns.providers.octodns.worker"], stdin=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(request) + "\n")
    process.stdin.close()

    assert process.wait(60) == 3


async def test_a_process_that_breaks_tells_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedsvc_dns.providers.octodns.asking._WORKER", "no.such.module")

    with pytest.raises(UnreachableError, match=r"hanging ended without an answer: .*No module named"):
        await OctodnsZone(claim(), HANGING).read()


@pytest.mark.parametrize(
    ("class_path", "settings", "message"),
    [
        ("octodns_nowhere.Provider", {}, r"class octodns_nowhere.Provider is not there: No module named"),
        ("octodns.processor.base.BaseProcessor", {}, "writes nothing: it is no provider of octoDNS"),
        ("octodns_bind.Rfc2136Provider", {}, "missing 1 required positional argument: 'host'"),
        ("octodns_bind.Rfc2136Provider", {"host": "env/NO_SUCH_VARIABLE"}, "missing env var NO_SUCH_VARIABLE"),
    ],
)
async def test_an_account_that_is_described_wrongly_is_told(
    class_path: str, settings: dict[str, Any], message: str
) -> None:
    account = Account(name="wrong", class_path=class_path, settings=settings)

    with pytest.raises(ServerRefusedError, match=f"wrong: .*{message}"):
        await OctodnsZone(claim(), account, ask=clouds.ask_thread).read()


async def test_a_zone_that_is_not_there_is_not_made(primaries: Any, aws: Any) -> None:
    server, _ = await primaries.fresh_zone(Kind.POWERDNS)
    aws()
    for account in (clouds.powerdns_account(server), clouds.ROUTE53):
        zone = OctodnsZone(claim("nowhere.example."), account, ask=clouds.ask_thread)
        with pytest.raises(ServerRefusedError, match=r"there is no zone nowhere\.example\. at the provider: make it"):
            await zone.apply(puts(a("web.nowhere.example.", "10.0.0.1")))


async def test_wrong_credentials_and_an_api_that_is_away_are_told_apart(primaries: Any) -> None:
    server, origin = await primaries.fresh_zone(Kind.POWERDNS)
    account = clouds.powerdns_account(server)
    for changed, error in (({"api_key": "wrong"}, CredentialsError), ({"port": 1}, UnreachableError)):
        other = Account(name="p", class_path=account.class_path, settings={**account.settings, **changed})
        with pytest.raises(error, match="p: "):
            await OctodnsZone(claim(origin), other, ask=clouds.ask_thread).read()


async def test_a_type_that_the_provider_has_not_is_refused_by_name_and_the_rest_is_written(aws: Any) -> None:
    client = aws()
    client.create_hosted_zone(Name="types.example.", CallerReference="types")
    zone = OctodnsZone(claim("types.example."), clouds.ROUTE53, ask=clouds.ask_thread)
    uri = RecordSet(name="bad.types.example.", type="URI", ttl_seconds=30, values=('1 1 "https://example.com/"',))

    outcome = await zone.apply(puts(a("web.types.example.", "10.0.0.1"), uri))

    assert [(one.name, one.reason) for one in outcome.refused] == [("bad.types.example.", Reason.UNSUPPORTED)]
    assert outcome.written == ("web.types.example.",)


async def test_what_others_have_of_the_providers_own_is_left_alone(aws: Any) -> None:
    client = aws()
    client.create_hosted_zone(Name="mixed.example.", CallerReference="mixed")
    (hosted,) = client.list_hosted_zones_by_name(DNSName="mixed.example.", MaxItems="1")["HostedZones"]
    weighted = {
        "Name": "weighted.mixed.example.",
        "Type": "A",
        "TTL": 60,
        "SetIdentifier": "one",
        "Weight": 10,
        "ResourceRecords": [{"Value": "10.0.0.9"}],
    }
    alias = {
        "Name": "alias.mixed.example.",
        "Type": "A",
        "AliasTarget": {"HostedZoneId": hosted["Id"], "DNSName": "web.mixed.example.", "EvaluateTargetHealth": False},
    }
    changes = [{"Action": "CREATE", "ResourceRecordSet": one} for one in (weighted, alias)]
    client.change_resource_record_sets(HostedZoneId=hosted["Id"], ChangeBatch={"Changes": changes})
    before = client.list_resource_record_sets(HostedZoneId=hosted["Id"])["ResourceRecordSets"]
    shared = claim("mixed.example.", ownership=Ownership.RECORDS)
    zone = OctodnsZone(shared, clouds.ROUTE53, ask=clouds.ask_thread)

    outcome = await zone.apply(puts(a("web.mixed.example.", "10.0.0.1"), a("alias.mixed.example.", "10.0.0.2")))

    assert outcome.written == ("web.mixed.example.",)
    assert [one.name for one in outcome.refused] == ["alias.mixed.example."]
    after = client.list_resource_record_sets(HostedZoneId=hosted["Id"])["ResourceRecordSets"]
    assert [one for one in before if one not in after] == []


async def test_somebody_who_writes_between_reading_and_writing_is_not_overwritten(primaries: Any) -> None:
    server, origin = await primaries.fresh_zone(Kind.BIND)
    account = clouds.bind_account(server)
    slow, newer = (OctodnsZone(claim(origin), account, ask=clouds.ask_thread) for _ in range(2))
    await slow.apply(puts(a(f"web.{origin}", "10.0.0.1"), epoch=1))
    await slow.read()  # what it plans on
    await newer.apply(puts(a(f"web.{origin}", "10.0.0.2"), epoch=2))

    with pytest.raises(StaleWriterError, match="comes too late"):
        await slow.apply(puts(a(f"web.{origin}", "10.0.0.3"), epoch=1, generation=9))
    assert (await newer.read()).record_sets[f"web.{origin}", "A"].values == ("10.0.0.2",)


async def test_a_name_that_the_server_refuses_is_found_among_many(primaries: Any) -> None:
    server, origin = await primaries.fresh_zone(Kind.BIND)
    zone = OctodnsZone(claim(origin), clouds.bind_account(server), ask=clouds.ask_thread)
    many = [a(f"n{number}.{origin}", "10.0.0.1") for number in range(6)]
    refused = a(f"bad_name.{origin}", "10.0.0.1")  # check-names

    outcome = await zone.apply(puts(*many, refused))

    assert [(one.name, one.reason) for one in outcome.refused] == [(refused.name, Reason.SERVER_REFUSED)]
    assert outcome.written == tuple(one.name for one in many)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ('"one" "two"', '"onetwo"'),
        (f'"{"x" * 255}" "y"', f'"{"x" * 255}" "y"'),
        (f'"{"x" * 100}" "{"x" * 200}"', f'"{"x" * 255}" "{"x" * 45}"'),
        ('"with \\"quotes\\""', '"with \\"quotes\\""'),
        ('""', '""'),
    ],
)
def test_strings_of_a_text_are_one(given: str, told: str) -> None:
    assert forms.told_as(record_set("web.example.com.", "TXT", [given], ttl_seconds=30)).values == (told,)
