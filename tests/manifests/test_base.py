"""What this project promises of every overlay: each line of it, read from what is rendered."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from rendered import NAMES, ROOT, Overlay, may_send, rules, selects

OVERLAYS = [Overlay(name) for name in NAMES]
LABELS = {"app.kubernetes.io/name": "cloud-portfolio"}
TCP, UDP = "TCP", "UDP"


def for_all(test):
    """Runs a test once for each overlay."""

    def run(self):
        for overlay in OVERLAYS:
            with self.subTest(overlay=overlay.name):
                test(self, overlay)

    run.__name__ = test.__name__
    return run


class Workload(unittest.TestCase):
    @for_all
    def test_three_replicas_are_replaced_one_at_a_time(self, overlay):
        spec = overlay.get("Deployment")["spec"]
        self.assertEqual(spec["replicas"], 3)
        self.assertEqual(spec["strategy"]["type"], "RollingUpdate")
        self.assertEqual(spec["strategy"]["rollingUpdate"], {"maxSurge": 1, "maxUnavailable": 1})
        self.assertEqual(spec["selector"], {"matchLabels": LABELS})

    @for_all
    def test_a_pod_asks_for_a_quarter_of_a_core_and_gets_half_of_one(self, overlay):
        self.assertEqual(overlay.container["resources"]["requests"], {"cpu": "250m", "memory": "256Mi"})
        self.assertEqual(overlay.container["resources"]["limits"], {"cpu": "500m", "memory": "512Mi"})

    @for_all
    def test_probes_ask_health_every_ten_seconds_and_ready_every_five(self, overlay):
        ports = {port["name"]: port["containerPort"] for port in overlay.container["ports"]}
        self.assertEqual(ports["http"], 5000)
        for probe, path, period in [("liveness", "/health", 10), ("readiness", "/ready", 5), ("startup", "/health", 1)]:
            got = overlay.container[f"{probe}Probe"]
            self.assertEqual(got["httpGet"], {"path": path, "port": "http"})
            self.assertEqual(got["periodSeconds"], period)
            self.assertNotIn("initialDelaySeconds", got)
        self.assertEqual(overlay.container["livenessProbe"]["failureThreshold"], 3)
        # Until it has started for once, nobody kills it: half a minute, where it needs milliseconds.
        self.assertGreaterEqual(overlay.container["startupProbe"]["failureThreshold"], 30)

    @for_all
    def test_kubernetes_waits_until_the_program_has_drained(self, overlay):
        config = overlay.config
        drained = int(config["WITHDRAW_SECONDS"]) + int(config["DRAIN_SECONDS"])
        self.assertEqual(overlay.pod["terminationGracePeriodSeconds"], drained + 5)
        self.assertNotIn("lifecycle", overlay.container)
        if not overlay.name.startswith("aws"):
            self.assertEqual(overlay.pod["terminationGracePeriodSeconds"], 35)

    @for_all
    def test_pods_spread_over_zones_and_nodes(self, overlay):
        spread = overlay.pod["topologySpreadConstraints"]
        keys = {one["topologyKey"] for one in spread}
        self.assertEqual(keys, {"topology.kubernetes.io/zone", "kubernetes.io/hostname"})
        for one in spread:
            self.assertEqual((one["maxSkew"], one["whenUnsatisfiable"]), (1, "ScheduleAnyway"))
            self.assertEqual(one["labelSelector"], {"matchLabels": LABELS})

    @for_all
    def test_pods_of_a_lost_node_are_replaced_within_three_minutes(self, overlay):
        tolerations = {one["key"]: one for one in overlay.pod["tolerations"]}
        self.assertEqual(set(tolerations), {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"})
        for one in tolerations.values():
            self.assertEqual((one["operator"], one["effect"]), ("Exists", "NoExecute"))
            # 50 seconds until the node is found out; Kubernetes' own default is 300.
            self.assertLessEqual(50 + one["tolerationSeconds"], 120)

    @for_all
    def test_the_process_is_user_65532_of_its_own_account(self, overlay):
        self.assertEqual(overlay.pod["securityContext"]["runAsUser"], 65532)
        self.assertEqual(overlay.pod["serviceAccountName"], "cloud-portfolio")
        self.assertIs(overlay.pod["enableServiceLinks"], False)

    @for_all
    def test_the_autoscaler_keeps_two_to_ten_at_seventy_percent(self, overlay):
        spec = overlay.get("HorizontalPodAutoscaler")["spec"]
        self.assertEqual(spec["scaleTargetRef"], {"apiVersion": "apps/v1", "kind": "Deployment", "name": "cloud-portfolio"})
        self.assertEqual((spec["minReplicas"], spec["maxReplicas"]), (2, 10))
        target = {"type": "Utilization", "averageUtilization": 70}
        self.assertEqual(spec["metrics"], [{"type": "Resource", "resource": {"name": "cpu", "target": target}}])
        down = spec["behavior"]["scaleDown"]
        self.assertGreaterEqual(down["stabilizationWindowSeconds"], 300)
        self.assertEqual(down["policies"], [{"type": "Pods", "value": 1, "periodSeconds": 60}])

    @for_all
    def test_one_pod_at_a_time_may_be_evicted(self, overlay):
        spec = overlay.get("PodDisruptionBudget")["spec"]
        self.assertEqual((spec["maxUnavailable"], spec["selector"]), (1, {"matchLabels": LABELS}))


class Configuration(unittest.TestCase):
    @for_all
    def test_region_and_bucket_are_configured_and_secrets_are_not(self, overlay):
        config = overlay.config
        where = ("us-east-1", "cloud-portfolio-storage")
        if overlay.name == "aws-replica":
            where = ("eu-west-1", "cloud-portfolio-storage-replica")
        self.assertEqual((config["AWS_REGION"], config["BUCKET_NAME"]), where)
        self.assertFalse([name for name in config if re.search("SECRET|KEY_ID|TOKEN", name) and not name.endswith("_FILE")])

    @for_all
    def test_every_setting_is_one_that_the_program_has(self, overlay):
        table = (ROOT / "src/config/settings.rs").read_text()
        known = set(re.findall(r'(?:setting|secret)\(\s*"([A-Z0-9_]+)"', table))
        for name in overlay.config:
            if name == "METRICS_PORT" and name not in known:
                self.skipTest("this build has no METRICS_PORT")
            self.assertIn(name.removesuffix("_FILE"), known)

    def test_the_program_takes_the_configuration(self):
        binary = os.environ.get("CLOUD_PORTFOLIO_BIN")
        if not binary:
            self.skipTest("CLOUD_PORTFOLIO_BIN is not set")
        with tempfile.TemporaryDirectory() as folder:
            key = pathlib.Path(folder, "key")
            key.write_text("only-for-this-test")
            for overlay in OVERLAYS:
                env = {k: str(key) if k.endswith("_FILE") else v for k, v in overlay.config.items()}
                for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
                    if f"{name}_FILE" not in env:
                        env[name] = "only-for-this-test"
                with self.subTest(overlay=overlay.name):
                    done = subprocess.run([binary, "check-config"], env=env, capture_output=True, text=True, timeout=10)
                    self.assertEqual(done.returncode, 0, done.stderr)

    def test_no_secret_is_rendered_but_the_placeholder_of_the_local_minio(self):
        for overlay in OVERLAYS:
            with self.subTest(overlay=overlay.name):
                self.assertEqual(len(overlay.all("Secret")), 1 if overlay.name == "local" else 0)
        template = (ROOT / "manifests/base/secret.example.yaml").read_text()
        self.assertRegex(template, r'(?m)^  AWS_SECRET_ACCESS_KEY: ""$')

    def test_nothing_that_looks_like_a_key_is_in_the_manifests(self):
        for path in (ROOT / "manifests").rglob("*"):
            if path.is_file():
                self.assertNotRegex(path.read_text(errors="replace"), r"\b(AKIA|ASIA)[A-Z0-9]{16}\b", str(path))


class Network(unittest.TestCase):
    @for_all
    def test_port_80_leads_to_5000_and_clients_stay_where_they_are(self, overlay):
        spec = overlay.get("Service")["spec"]
        self.assertEqual(spec["type"], "NodePort" if overlay.name == "local" else "LoadBalancer")
        self.assertEqual(spec["sessionAffinity"], "ClientIP")
        (port,) = spec["ports"]
        self.assertEqual((port["port"], port["targetPort"]), (80, "http"))
        self.assertEqual(spec["externalTrafficPolicy"], "Cluster" if overlay.name == "local" else "Local")

    @for_all
    def test_nothing_is_allowed_in_the_namespace_by_default(self, overlay):
        spec = overlay.get("NetworkPolicy", "default-deny")["spec"]
        self.assertEqual(spec, {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})
        self.assertEqual(rules(overlay, {"app": "something-else"}, "ingress"), [])

    @for_all
    def test_what_comes_in_comes_to_5000(self, overlay):
        open_to_all = [rule for rule in rules(overlay, LABELS, "ingress") if not rule.get("from")]
        self.assertEqual(open_to_all, [{"ports": [{"protocol": TCP, "port": 5000}]}])

    @for_all
    def test_what_goes_out_is_dns_and_https(self, overlay):
        ports = {(p["protocol"], p["port"]) for rule in rules(overlay, LABELS, "egress") for p in rule["ports"]}
        # MinIO; the agent of Pod Identity.
        more = {(TCP, 9000)} if overlay.name == "local" else {(TCP, 80)} if overlay.name.startswith("aws") else set()
        self.assertEqual(ports, {(UDP, 53), (TCP, 53), (TCP, 443)} | more)
        for rule in rules(overlay, LABELS, "egress"):
            self.assertTrue(rule["to"], "a rule without `to` leads everywhere")

    @for_all
    def test_https_leads_to_public_addresses_only(self, overlay):
        for address in ("52.216.1.1", "2600:1f00::1", "172.15.255.255", "172.32.0.1"):
            self.assertTrue(may_send(overlay, LABELS, address, TCP, 443), address)
        inside = ("10.96.0.1", "172.16.0.1", "172.31.255.1", "192.168.1.1", "100.64.0.1", "127.0.0.1")
        for address in (*inside, "169.254.169.254", "169.254.170.2", "fd00:ec2::254", "fe80::1"):
            for port in (443, 80, 53):
                self.assertFalse(may_send(overlay, LABELS, address, TCP, port), (address, port))
        self.assertFalse(may_send(overlay, LABELS, "52.216.1.1", TCP, 80))
        self.assertFalse(may_send(overlay, LABELS, "8.8.8.8", UDP, 53))

    @for_all
    def test_dns_is_the_clusters_own(self, overlay):
        (rule,) = [r for r in rules(overlay, LABELS, "egress") if {"protocol": UDP, "port": 53} in r["ports"]]
        self.assertEqual({(p["protocol"], p["port"]) for p in rule["ports"]}, {(UDP, 53), (TCP, 53)})
        peers = [peer for peer in rule["to"] if "ipBlock" not in peer]
        self.assertEqual([peer["namespaceSelector"] for peer in peers], [{"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}])
        self.assertTrue(selects(peers[0]["podSelector"], {"k8s-app": "kube-dns"}))


class Access(unittest.TestCase):
    @for_all
    def test_no_role_reads_secrets_or_gains_rights(self, overlay):
        self.assertEqual([o["kind"] for o in overlay.objects if o["kind"].startswith("ClusterRole")], [])
        for role in overlay.all("Role"):
            for rule in role["rules"]:
                with self.subTest(role=role["metadata"]["name"], rule=json.dumps(rule)):
                    named = set(rule["resources"]) | set(rule["verbs"]) | set(rule["apiGroups"])
                    forbidden = {"*", "secrets", "escalate", "bind", "impersonate", "pods/exec", "pods/attach", "pods/portforward", "serviceaccounts/token"}
                    self.assertEqual(named & forbidden, set())

    @for_all
    def test_the_viewer_only_reads(self, overlay):
        verbs = {v for rule in overlay.get("Role", "cloud-portfolio-viewer")["rules"] for v in rule["verbs"]}
        self.assertEqual(verbs, {"get", "list", "watch"})

    @for_all
    def test_the_deployer_changes_what_is_there_and_starts_nothing_else(self, overlay):
        for rule in overlay.get("Role", "cloud-portfolio-deployer")["rules"]:
            writes = set(rule["verbs"]) - {"get", "list", "watch"}
            if rule["resources"] == ["configmaps"]:
                self.assertEqual(writes, {"create", "patch"})
            elif writes:
                self.assertEqual((writes, rule["resourceNames"]), ({"patch"}, ["cloud-portfolio"]))
                allowed = {"deployments", "deployments/scale", "horizontalpodautoscalers", "poddisruptionbudgets"}
                self.assertLessEqual(set(rule["resources"]), allowed)

    @for_all
    def test_roles_belong_to_groups_of_this_project(self, overlay):
        for binding in overlay.all("RoleBinding"):
            self.assertEqual(binding["roleRef"]["name"], binding["metadata"]["name"])
            (subject,) = binding["subjects"]
            self.assertEqual(subject["kind"], "Group")
            self.assertIn(subject["name"], ["cloud-portfolio:deployers", "cloud-portfolio:viewers"])


if __name__ == "__main__":
    unittest.main()
