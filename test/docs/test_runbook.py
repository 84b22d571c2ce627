"""Whoever is called by an alert finds what it means, where to look and what to do; and no alert is told of that there is not."""

import re

import pytest
import yaml
from blocks import ROOT

RULES = yaml.safe_load((ROOT / "deploy/k8s/quadrate/files/alerts.yaml").read_text(encoding="utf-8"))
ALERTS = [rule["alert"] for group in RULES["groups"] for rule in group["rules"]]
PARTS = ["Means", "Look", "Do"]


def sections(runbook: str) -> dict[str, str]:
    """The text below each heading of the part about alerts."""
    told = runbook.partition("\n# Alerts\n")[2].partition("\n# ")[0]
    return dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", told, re.DOTALL | re.MULTILINE))


def lacking(section: str) -> list[str]:
    """The parts that a section has not, or that say nothing."""
    found = dict(re.findall(r"^- \*\*(\w+)\*\*: (\S.{20,})$", section, re.MULTILINE))
    return [part for part in PARTS if part not in found]


TOLD = sections((ROOT / "docs/runbook.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("alert", ALERTS)
def test_alert_has_meaning_look_and_do(alert):
    assert alert in TOLD, f"docs/runbook.md has no section {alert}"
    assert not lacking(TOLD[alert]), f"docs/runbook.md: {alert} lacks {lacking(TOLD[alert])}"


def test_there_is_no_section_without_an_alert():
    assert sorted(TOLD) == sorted(set(ALERTS))


def test_a_lack_is_seen():
    text = "# Runbook\n\n# Alerts\n\n## QuadrateOne\n- **Means**: something that takes a sentence.\n- **Do**:\n\n# Operation\n\n## Capacity\n"
    assert lacking(sections(text)["QuadrateOne"]) == ["Look", "Do"]
    assert list(sections(text)) == ["QuadrateOne"]


def test_the_sections_know_how_long_an_alert_waits():
    """Where an alert's time is changed, the section says so, too."""
    minutes = {"two minutes": "2m", "five minutes": "5m", "ten minutes": "10m"}
    waits = {rule["alert"]: rule["for"] for group in RULES["groups"] for rule in group["rules"]}
    told = [(alert, time) for alert, text in TOLD.items() for time in re.findall(r"\*\*Means\*\*: .* for (\w+ minutes)\b", text)]
    assert len(told) > 3
    assert not [(alert, time) for alert, time in told if minutes[time] != waits[alert]]
