"""Checks deploy/alertmanager: amtool says who is told of each alert, and a real Alertmanager which of
those that are raised together are told, and which follow from others.

Usage: alertmanager.py. Wants amtool, prometheus-alertmanager and the package PyYAML.
"""

import contextlib
import json
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import yaml

DEPLOY = pathlib.Path(__file__).parents[2] / "deploy"
CONFIG = DEPLOY / "alertmanager" / "alertmanager.yml"
RULES = DEPLOY / "prometheus" / "alerts.yml"
# Longest time until Alertmanager does what it is to do.
PATIENCE = 30
# The last of each situation, and what of it is told: when the other is hidden, all are known.
LAST = ["McpCertificateExpiringNow instance=last", "McpCertificateExpiring instance=last"]

alerts = {rule["alert"]: rule["labels"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
config = yaml.safe_load(CONFIG.read_text())
BURNS = ["McpToolAvailabilityBurnsFast", "McpToolAvailabilityBurns", "McpToolAvailabilityBurnsSlowly"]
OF_SERVERS = [name for name in alerts if name not in [*BURNS, "McpWatchdog"]]
# What is raised together, of server `a` if nothing else is said, and which of it are told.
SITUATIONS = {
    "an upstream is away": (
        [*(f"{name} upstream=files" for name in ["McpUpstreamDown", "McpUpstreamFlapping", "McpUpstreamErrors", "McpUpstreamSlow", *BURNS]),
         *BURNS, "McpReconnectFailing side=upstream"],
        ["McpUpstreamDown upstream=files"],
    ),
    "an upstream is away, and others have troubles of their own": (
        ["McpUpstreamDown upstream=files", "McpUpstreamErrors upstream=web", "McpToolAvailabilityBurnsFast upstream=web",
         "McpOutcomeUnknown upstream=files", "McpReconnectFailing side=bridge"],
        None,
    ),
    "upstreams come and go": (
        [*(f"{name} upstream=files" for name in BURNS), *BURNS, "McpUpstreamFlapping upstream=files"],
        ["McpToolAvailabilityBurnsFast upstream=files", "McpUpstreamFlapping upstream=files"],
    ),
    "a server is down": (
        [*OF_SERVERS, "McpWatchdog", "McpStoreFailing instance=b"],
        ["McpTargetDown", "McpCrashLoop", "McpWatchdog", "McpStoreFailing instance=b"],
    ),
    "a server has no CPU": (
        ["McpServerSlow", "McpUpstreamSlow upstream=files", "McpClientsFar", "McpUpstreamSlow upstream=files instance=b"],
        ["McpServerSlow", "McpUpstreamSlow upstream=files instance=b"],
    ),
    "a server starts again and again": (
        ["McpCrashLoop", "McpSessionLossSpike", "McpReconnectSpike", "McpHandshakeFailures"],
        ["McpCrashLoop", "McpHandshakeFailures"],
    ),
    "the network before a server is cut": (["McpSessionLossSpike", "McpReconnectSpike"], ["McpSessionLossSpike"]),
}


def check(fits, what):
    """Ends with a sentence unless it fits."""
    if not fits:
        sys.exit(f"deploy/alertmanager: {what}")


def receivers(name):
    """Who gets that alert."""
    labels = {"alertname": name, **alerts[name]}
    command = ["amtool", "config", "routes", "test", f"--config.file={CONFIG}"]
    done = subprocess.run(command + [f"{key}={value}" for key, value in labels.items()],
                          capture_output=True, text=True, check=True)
    return set(done.stdout.strip().split(","))


def labels_of(job, alert):
    """The labels of an alert as it stands above. Budgets are those of all servers together."""
    name, *more = alert.split()
    instance = {} if name in [*BURNS, "McpWatchdog"] else {"instance": "a"}
    return {"alertname": name, "job": job, **alerts[name], **instance, **dict(pair.split("=") for pair in more)}


@contextlib.contextmanager
def alertmanager():
    """One that runs with our configuration: its address."""
    with socket.socket() as free, tempfile.TemporaryDirectory() as data:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        free.close()
        program = subprocess.Popen(
            ["prometheus-alertmanager", f"--config.file={CONFIG}", f"--storage.path={data}",
             f"--web.listen-address={address}", "--cluster.listen-address=", "--log.level=error"])
        try:
            yield f"http://{address}/api/v2/alerts"
        finally:
            program.terminate()
            program.wait()


def ask(url, body=None):
    """What it answers; `None` while it does not listen."""
    request = urllib.request.Request(url, body and json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.loads(answer.read() or b"true")
    except urllib.error.URLError:
        return None


def until(what, ask):
    """The first answer that is one."""
    end = time.monotonic() + PATIENCE
    while (answer := ask()) is None:
        check(time.monotonic() < end, f"not within {PATIENCE} s: {what}")
        time.sleep(0.05)
    return answer


def told(url, job, raised):
    """Which of those that are raised together are told."""
    until("it takes alerts", lambda: ask(url, [{"labels": labels_of(job, alert)} for alert in raised + LAST]))

    def seen():
        found = [alert for alert in ask(url) if alert["labels"]["job"] == job]
        hidden = [alert["labels"] for alert in found if alert["status"]["inhibitedBy"]]
        all_known = len(found) == len(raised + LAST) and labels_of(job, LAST[1]) in hidden
        return [alert for alert in raised if labels_of(job, alert) not in hidden] if all_known else None

    return until(f"all are known: {job}", seen)


for rule in config["inhibit_rules"]:
    for matcher in rule["source_matchers"] + rule["target_matchers"]:
        parts = re.fullmatch(r'(\w+) ?(?:=~?|!=|!~) ?("?)([^"\']*)\2', matcher)
        check(parts, f"{matcher}: a value stands bare or in double quotes")
        for name in parts[3].split("|") if parts[1] == "alertname" else []:
            check(any(re.fullmatch(name, alert) for alert in alerts), f"{matcher} names no alert: {name}")

with alertmanager() as url:
    for situation, (raised, expected) in SITUATIONS.items():
        found = told(url, situation, raised)
        check(found == (expected or raised), f"{situation}: told are {found}, not {expected or raised}")

who = {"page": {"page"}, "ticket": {"ticket"}, "info": {"nobody"}, "none": {"watchdog"}}
for name, labels in alerts.items():
    check(receivers(name) == who[labels["severity"]], f"{name} is told to {receivers(name)}")
print(f"{len(alerts)} alerts, {len(config['inhibit_rules'])} inhibitions, {len(SITUATIONS)} situations")
