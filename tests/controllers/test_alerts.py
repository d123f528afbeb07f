"""The alert rules in deploy/: what they ask for is there, and each of them fires when it shall and not before."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

import fedsvc.controllers.metrics  # noqa: F401 - they are registered by it

FILE = Path(__file__).parents[2] / "deploy" / "prometheus" / "failover.rules.yaml"
RULES: list[dict[str, Any]] = [rule for group in yaml.safe_load(FILE.read_text())["groups"] for rule in group["rules"]]
LEADS = {"fedsvc_controllers_leading": "1x60"}

# By alert: series that make it fire, from the first minute on, when it has not fired yet, and when it has.
CASES: dict[str, tuple[dict[str, str], str, str]] = {
    "FedsvcNobodyLeads": ({"fedsvc_controllers_leading": "1 1 1 0x60"}, "2m", "6m"),
    "FedsvcMemberUnreachable": ({'fedsvc_member_verdict{cluster="a",verdict="Unreachable"}': "0 0 1x60"}, "1m", "2m"),
    "FedsvcMemberInTrouble": ({'fedsvc_member_verdict{cluster="a",verdict="Suspect"}': "1x60"}, "14m", "16m"),
    "FedsvcAutomationHeld": ({'fedsvc_automation{state="Holding"}': "0 0 1x60"}, "1m", "2m"),
    "FedsvcAutomationOff": ({'fedsvc_automation{state="Off"}': "1x60"}, "14m", "16m"),
    "FedsvcWitnessSilent": ({"fedsvc_witness_silent": "0 0 1x60"}, "2m", "4m"),
    "FedsvcSelfCheckFailed": ({"fedsvc_self_check_failed": "0 0 1x60"}, "2m", "4m"),
    "FedsvcFailovers": ({'fedsvc_failovers_total{cluster="a"}': "0 0 0 3x60"}, "2m", "4m"),
    "FedsvcFailoverNotReady": ({"fedsvc_failovers_unready": "2x60"}, "4m", "6m"),
    "FedsvcSwitchoverBlocked": ({"fedsvc_switchovers_blocked": "1x60"}, "1m", "3m"),
    "FedsvcPrimaryUndemoted": ({"fedsvc_primaries_undemoted": "1x60"}, "14m", "16m"),
    "FedsvcFailoverSlow": (
        {
            'fedsvc_failover_phase_seconds_bucket{phase="place",le="15.0"}': "0x60",
            'fedsvc_failover_phase_seconds_bucket{phase="place",le="30.0"}': "0 0 5x60",
            'fedsvc_failover_phase_seconds_bucket{phase="place",le="+Inf"}': "0 0 5x60",
        },
        "1m",
        "5m",
    ),
    "FedsvcLeftOnLostClusters": ({"fedsvc_left_objects": "4x600"}, "5h", "7h"),
    "FedsvcControllerRestarts": ({'fedsvc_controller_restarts_total{controller="dns"}': "0 0 9x60"}, "1m", "4m"),
}


@pytest.fixture
def promtool(require: Callable[[str], None]) -> str:
    """The program that comes with Prometheus."""
    found = shutil.which("promtool")
    if found is None:
        require("no promtool: install prometheus")
    assert found is not None
    return found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_asks_for_metrics_that_there_are_and_says_what_to_do(rule: dict[str, Any]) -> None:
    known = {family.name: family for family in REGISTRY.collect()}
    asked = re.findall(r"fedsvc_\w+", rule["expr"])
    assert asked
    for name in asked:
        assert re.sub(r"_(total|bucket|count|sum)$", "", name) in known, name
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"].keys() == {"summary", "description"}
    assert rule["alert"] in CASES


def test_prometheus_takes_the_rules(promtool: str) -> None:
    done = subprocess.run([promtool, "check", "rules", str(FILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_when_it_shall_and_not_before(promtool: str, tmp_path: Path) -> None:
    tests = []
    for alert, (series, before, after) in CASES.items():
        given = series if alert == "FedsvcNobodyLeads" else LEADS | series
        tests.append(
            {
                "name": alert,
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in given.items()],
                "promql_expr_test": [
                    _fires(alert, before, is_so=False),
                    _fires(alert, after, is_so=True),
                ],
            }
        )
    file = tmp_path / "alerts.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(FILE)], "evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _fires(alert: str, at: str, *, is_so: bool) -> dict[str, Any]:
    expr = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})'
    return {"expr": expr, "eval_time": at, "exp_samples": [{"labels": "{}", "value": 1}] if is_so else []}
