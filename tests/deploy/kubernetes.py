"""Checks deploy/kubernetes: every manifest against the API of old and new versions, and what one
says of another; and that the server takes the configuration in it.

Usage: kubernetes.py BINARY. Wants the packages kubernetes-validate and PyYAML.
"""

import pathlib
import subprocess
import sys
import tempfile

import kubernetes_validate
import yaml

FOLDER = pathlib.Path(__file__).parents[2] / "deploy" / "kubernetes"
VERSIONS = ["1.27", "1.32", "1.37"]
# Kinds that are no part of Kubernetes; what they say of others is checked below.
FOREIGN = {"Kustomization", "PodMonitor"}
NAME = "mcp-orchestrator"


def check(fits, what):
    """Ends with a sentence unless it fits."""
    if not fits:
        sys.exit(f"deploy/kubernetes: {what}")


files = {file.name: yaml.safe_load(file.read_text()) for file in sorted(FOLDER.glob("*.yaml"))}
kinds = {manifest["kind"]: manifest for manifest in files.values()}
for name, manifest in files.items():
    if manifest["kind"] in FOREIGN:
        continue
    for version in VERSIONS:
        kubernetes_validate.validate(manifest, version, strict=True)
    check("namespace" not in manifest["metadata"], f"{name} names a namespace")
check("Secret" not in kinds, "a secret stands in a manifest")

listed = set(kinds["Kustomization"]["resources"])
check(listed == set(files) - {"kustomization.yaml"}, f"kustomization.yaml lists {sorted(listed)}")

pod = kinds["StatefulSet"]["spec"]["template"]
labels, spec = pod["metadata"]["labels"], pod["spec"]
container = spec["containers"][0]
ports = {port["name"] for port in container["ports"]}
mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
volumes = {volume["name"]: volume for volume in spec["volumes"]}
claims = {claim["metadata"]["name"] for claim in kinds["StatefulSet"]["spec"]["volumeClaimTemplates"]}
check(set(mounts) == set(volumes) | claims, "volumes and mounts are not the same")
check(volumes["token"]["secret"]["secretName"] == NAME, "the token comes from another Secret")
check(volumes["config"]["configMap"]["name"] == kinds["ConfigMap"]["metadata"]["name"], "no such ConfigMap")
check(spec["serviceAccountName"] == kinds["ServiceAccount"]["metadata"]["name"], "no such ServiceAccount")

selectors = [
    kinds["Service"]["spec"]["selector"],
    kinds["StatefulSet"]["spec"]["selector"]["matchLabels"],
    kinds["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    kinds["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    kinds["PodMonitor"]["spec"]["selector"]["matchLabels"],
]
for selector in selectors:
    check(selector.items() <= labels.items(), f"{selector} selects no pod")
endpoint = kinds["PodMonitor"]["spec"]["podMetricsEndpoints"][0]
named = {endpoint["port"], kinds["Service"]["spec"]["ports"][0]["targetPort"]}
named |= {port["port"] for rule in kinds["NetworkPolicy"]["spec"]["ingress"] for port in rule["ports"]}
named |= {container[probe]["httpGet"]["port"] for probe in ("livenessProbe", "readinessProbe", "startupProbe")}
check(named == ports, f"the ports {sorted(named)} are not {sorted(ports)}")
check(endpoint["authorization"]["credentials"] == {"name": NAME, "key": "token"}, "scrapes have no token")
check(kinds["PodMonitor"]["spec"]["jobLabel"] in labels, "no label for the job that alerts go by")

user, rights = spec["securityContext"], container["securityContext"]
check(user["runAsNonRoot"] and user["seccompProfile"]["type"] == "RuntimeDefault", "it may be root")
check(rights["readOnlyRootFilesystem"] and not rights["allowPrivilegeEscalation"], "its root can be written")
check(rights["capabilities"] == {"drop": ["ALL"]}, "it has capabilities")
check(set(container["resources"]["limits"]) == {"cpu", "memory"}, "it has no limits")

with tempfile.TemporaryDirectory() as scratch:
    places = {mounts["config"]: scratch, mounts["token"]: scratch}
    for name, text in kinds["ConfigMap"]["data"].items():
        for path, place in places.items():
            text = text.replace(path, place)
        pathlib.Path(scratch, name).write_text(text)
    pathlib.Path(scratch, "token").write_text("a-token-of-this-check-0123456789")
    config = pathlib.Path(scratch, "config.toml")
    # 10 s is the default.
    drain = next((float(line.split("=")[1]) for line in config.read_text().splitlines() if line.startswith("drain")), 10.0)
    check(spec["terminationGracePeriodSeconds"] >= drain + 5, "it is killed before it has drained")
    arguments = [word.replace(mounts["config"], scratch) for word in container["args"]]
    check(arguments[:3] == ["serve", "--config", str(config)], f"it is started with {arguments}")
    subprocess.run([sys.argv[1], "config", "check", str(config)], check=True)
print(f"{len(files)} files, Kubernetes {', '.join(VERSIONS)}")
