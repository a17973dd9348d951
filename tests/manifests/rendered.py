"""The rendered overlays, as scripts/manifests-test leaves them in RENDERED, and ways to find what
is in them."""

import ipaddress
import os
import pathlib

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = pathlib.Path(os.environ["RENDERED"])
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
# Kinds of operators that not every cluster has.
OPERATORS = ("external-secrets.io/", "monitoring.coreos.com/")


class Overlay:
    def __init__(self, name):
        text = (FOLDER / f"{name}.yaml").read_text()
        self.name = name
        self.objects = [one for one in yaml.safe_load_all(text) if one]

    def all(self, kind):
        return [one for one in self.objects if one["kind"] == kind]

    def get(self, kind, name="cloud-portfolio"):
        found = [one for one in self.all(kind) if one["metadata"]["name"] == name]
        assert len(found) == 1, f"{self.name} has {len(found)} of {kind} {name}"
        return found[0]

    @property
    def pod(self):
        return self.get("Deployment")["spec"]["template"]["spec"]

    @property
    def container(self):
        (one,) = self.pod["containers"]
        return one

    @property
    def config(self):
        """The environment that the container gets from its ConfigMaps."""
        names = [e["configMapRef"]["name"] for e in self.container["envFrom"] if "configMapRef" in e]
        return {k: v for name in names for k, v in self.get("ConfigMap", name)["data"].items()}

    def pods(self):
        """Labels and spec of the pods of every workload."""
        for one in self.objects:
            template = one.get("spec", {}).get("template") or {}
            if "containers" in template.get("spec", {}):
                yield one["metadata"]["name"], template["metadata"]["labels"], template["spec"]


def containers(spec):
    return spec.get("initContainers", []) + spec["containers"]


def selects(selector, labels):
    """Whether a selector of matchLabels alone takes these labels."""
    assert set(selector) <= {"matchLabels"}, selector
    return selector.get("matchLabels", {}).items() <= labels.items()


def rules(overlay, labels, direction):
    """Every rule of that direction that holds for pods with these labels; None where no policy
    does, and all is allowed."""
    policies = [
        one["spec"]
        for one in overlay.all("NetworkPolicy")
        if selects(one["spec"]["podSelector"], labels) and direction.title() in one["spec"]["policyTypes"]
    ]
    return [rule for spec in policies for rule in spec.get(direction, [])] if policies else None


def may_send(overlay, labels, address, protocol, port):
    """Whether pods with these labels may send to an address outside of the cluster's pods."""
    address = ipaddress.ip_address(address)
    for rule in rules(overlay, labels, "egress"):
        if {"protocol": protocol, "port": port} not in rule["ports"]:
            continue
        for block in (peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer):
            without = [ipaddress.ip_network(one) for one in block.get("except", [])]
            if address in ipaddress.ip_network(block["cidr"]) and not any(address in one for one in without):
                return True
    return False
