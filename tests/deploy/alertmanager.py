"""Checks deploy/alertmanager: amtool, which reads matchers as Alertmanager does, says which alerts
each of them means.

Usage: alertmanager.py. Wants amtool and the package PyYAML.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

DEPLOY = pathlib.Path(__file__).parents[2] / "deploy"
CONFIG = DEPLOY / "alertmanager" / "alertmanager.yml"
RULES = DEPLOY / "prometheus" / "alerts.yml"
# Told by themselves, also while the server is down.
NOT_HIDDEN = {"McpTargetDown", "McpWatchdog", "McpCrashLoop"}

alerts = {rule["alert"]: rule["labels"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
config = yaml.safe_load(CONFIG.read_text())
# Which alert hides which, in the order of the rules.
HIDES = [
    ("McpTargetDown", set(alerts) - NOT_HIDDEN),
    ("McpUpstreamDown", {"McpUpstreamFlapping", "McpUpstreamSlow", "McpUpstreamErrors"}),
    ("McpUpstreamDown", {"McpReconnectFailing"}),
    ("McpToolAvailabilityBurnsFast", {"McpToolAvailabilityBurns", "McpToolAvailabilityBurnsSlowly"}),
    ("McpToolAvailabilityBurns", {"McpToolAvailabilityBurnsSlowly"}),
    ("McpCertificateExpiringNow", {"McpCertificateExpiring"}),
]


def check(fits, what):
    """Ends with a sentence unless it fits."""
    if not fits:
        sys.exit(f"deploy/alertmanager: {what}")


def receivers(path, name):
    """Who gets that alert by a configuration."""
    labels = {"alertname": name, "side": "upstream", **alerts[name]}
    command = ["amtool", "config", "routes", "test", f"--config.file={path}"]
    done = subprocess.run(command + [f"{key}={value}" for key, value in labels.items()],
                          capture_output=True, text=True, check=True)
    return set(done.stdout.strip().split(","))


def meant_by(sides):
    """The alerts that each side of the inhibitions means. A side is made a route, since amtool says
    of routes alone what they match."""
    routes = [{"receiver": side, "matchers": matchers, "continue": True} for side, matchers in sides.items()]
    told = {"receiver": "none", "routes": routes}
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        yaml.safe_dump({"route": told, "receivers": [{"name": name} for name in ["none", *sides]]}, file)
        file.flush()
        found = {name: receivers(file.name, name) for name in alerts}
    return {side: {name for name in alerts if side in found[name]} for side in sides}


inhibitions = config["inhibit_rules"]
check(len(inhibitions) == len(HIDES), f"{len(inhibitions)} inhibitions, and {len(HIDES)} are known")
sides = {f"{at}-{side}": rule[f"{side}_matchers"] for at, rule in enumerate(inhibitions) for side in ("source", "target")}
for matcher in (matcher for matchers in sides.values() for matcher in matchers):
    parts = re.fullmatch(r'(\w+) ?(?:=~?|!=|!~) ?("?)([^"\']+)\2', matcher)
    check(parts, f"{matcher}: a value stands bare or in double quotes")
    for name in parts[3].split("|") if parts[1] == "alertname" else []:
        check(name in alerts or name == "Mcp.+", f"{matcher} names no alert: {name}")
meant = meant_by(sides)
for at, (source, targets) in enumerate(HIDES):
    check(meant[f"{at}-source"] == {source}, f"inhibition {at} begins with {meant[f'{at}-source']}, not {source}")
    wrong = meant[f"{at}-target"] ^ targets
    check(not wrong, f"inhibition {at} by {source}: {sorted(wrong)} should be hidden, or should not")

told = {"page": {"page"}, "ticket": {"ticket"}, "info": {"nobody"}, "none": {"watchdog"}}
for name, labels in alerts.items():
    check(receivers(CONFIG, name) == told[labels["severity"]], f"{name} is told to {receivers(CONFIG, name)}")
print(f"{len(alerts)} alerts, {len(inhibitions)} inhibitions")
