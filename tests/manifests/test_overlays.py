"""What each overlay adds to the base."""

import base64
import re
import unittest

import yaml

from rendered import ROOT, Overlay, may_send, rules

LABELS = {"app.kubernetes.io/name": "cloud-portfolio"}
MINIO = {"app.kubernetes.io/name": "minio"}
TCP = "TCP"


class Local(unittest.TestCase):
    overlay = Overlay("local")

    def test_the_page_is_on_a_port_of_the_node(self):
        (port,) = self.overlay.get("Service")["spec"]["ports"]
        self.assertEqual(port["nodePort"], 30500)

    def test_s3_is_the_minio_beside_it(self):
        self.assertEqual(self.overlay.config["AWS_ENDPOINT_URL_S3"], "http://minio:9000")
        (port,) = self.overlay.get("Service", "minio")["spec"]["ports"]
        self.assertEqual(port["port"], 9000)
        spec = self.overlay.get("Deployment", "minio")["spec"]
        self.assertEqual(spec["strategy"], {"type": "Recreate"})
        (bucket,) = spec["template"]["spec"]["initContainers"]
        self.assertEqual(bucket["command"], ["mkdir", "-p", "/data/" + self.overlay.config["BUCKET_NAME"]])

    def test_only_the_program_gets_to_minio_and_minio_to_nobody(self):
        to_pods = [r for r in rules(self.overlay, LABELS, "egress") if any("podSelector" in p and "namespaceSelector" not in p for p in r["to"])]
        port = [{"protocol": TCP, "port": 9000}]
        self.assertEqual(to_pods, [{"to": [{"podSelector": {"matchLabels": MINIO}}], "ports": port}])
        self.assertEqual(rules(self.overlay, MINIO, "ingress"), [{"from": [{"podSelector": {"matchLabels": LABELS}}], "ports": port}])
        self.assertEqual(rules(self.overlay, MINIO, "egress"), [])

    def test_both_have_the_same_keys_and_the_password_is_a_placeholder(self):
        (secret,) = self.overlay.all("Secret")
        name = secret["metadata"]["name"]
        self.assertIn({"secretRef": {"name": name}}, self.overlay.container["envFrom"])
        env = {e["name"]: e for e in self.overlay.get("Deployment", "minio")["spec"]["template"]["spec"]["containers"][0]["env"]}
        for setting, key in [("MINIO_ROOT_USER", "AWS_ACCESS_KEY_ID"), ("MINIO_ROOT_PASSWORD", "AWS_SECRET_ACCESS_KEY")]:
            self.assertEqual(env[setting]["valueFrom"]["secretKeyRef"], {"name": name, "key": key})
        password = base64.b64decode(secret["data"]["AWS_SECRET_ACCESS_KEY"]).decode()
        self.assertEqual(password, "set-a-password-of-your-own")


class Aws(unittest.TestCase):
    overlay, keys = Overlay("aws"), Overlay("aws-secrets-manager")

    def test_the_account_has_a_role_and_the_pods_have_no_keys(self):
        account = self.overlay.get("ServiceAccount")
        self.assertRegex(account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"], r"^arn:aws:iam::\d{12}:role/\S+$")
        self.assertIs(account["automountServiceAccountToken"], False)
        self.assertFalse([e for e in self.overlay.container["envFrom"] if "secretRef" in e])

    def test_the_replicas_overlay_differs_in_bucket_region_and_role_alone(self):
        replica = Overlay("aws-replica")
        template = yaml.load((ROOT / "manifests/aws/replica.yaml").read_text(), yaml.BaseLoader)
        self.assertEqual(replica.config["BUCKET_NAME"], template["Parameters"]["BucketName"]["Default"])
        role = "eks.amazonaws.com/role-arn"
        roles = [one.get("ServiceAccount")["metadata"]["annotations"][role] for one in (self.overlay, replica)]
        self.assertEqual(f"{roles[0]}-replica", roles[1])
        (old,), (new,) = (one.all("ConfigMap") for one in (self.overlay, replica))
        text = yaml.safe_dump([one for one in replica.objects if one["kind"] != "ConfigMap"])
        text = text.replace(new["metadata"]["name"], old["metadata"]["name"]).replace(roles[1], roles[0])
        self.assertEqual(yaml.safe_load(text), [one for one in self.overlay.objects if one["kind"] != "ConfigMap"])
        changed = {k for k in old["data"] | new["data"] if old["data"].get(k) != new["data"].get(k)}
        self.assertEqual(changed, {"BUCKET_NAME", "AWS_REGION"})

    def test_the_region_is_the_buckets_and_not_the_one_that_eks_gives_pods_with_a_role(self):
        for overlay in (self.overlay, self.keys, Overlay("aws-replica")):
            (config,) = overlay.all("ConfigMap")
            region, = (each for each in overlay.container["env"] if each["name"] == "AWS_REGION")
            wanted = {"name": config["metadata"]["name"], "key": "AWS_REGION"}
            self.assertEqual(region["valueFrom"]["configMapKeyRef"], wanted)

    def test_pod_identitys_agent_is_reached_and_the_nodes_metadata_is_not(self):
        for address in ("169.254.170.23", "fd00:ec2::23"):
            self.assertTrue(may_send(self.overlay, LABELS, address, TCP, 80), address)
        for address in ("169.254.169.254", "169.254.170.2", "169.254.170.24", "fd00:ec2::254"):
            self.assertFalse(may_send(self.overlay, LABELS, address, TCP, 80), address)

    def test_the_load_balancer_is_a_network_one_that_keeps_addresses_and_asks_ready(self):
        prefix = "service.beta.kubernetes.io/aws-load-balancer-"
        all_of_it = self.overlay.get("Service")["metadata"]["annotations"]
        at = {k.removeprefix(prefix): v for k, v in all_of_it.items()}
        self.assertEqual((at["type"], at["nlb-target-type"]), ("external", "ip"))
        self.assertEqual((at["healthcheck-protocol"], at["healthcheck-path"]), ("http", "/ready"))
        attributes = dict(pair.split("=") for pair in at["target-group-attributes"].split(","))
        self.assertEqual(attributes["preserve_client_ip.enabled"], "true")
        self.assertEqual(attributes["stickiness.type"], "source_ip")

    def test_a_pod_leaves_no_sooner_than_the_load_balancer_lets_go_of_it(self):
        self.assertGreaterEqual(int(self.overlay.config["WITHDRAW_SECONDS"]), 120)
        labels = self.overlay.get("Namespace")["metadata"]["labels"]
        self.assertEqual(labels["elbv2.k8s.aws/pod-readiness-gate-inject"], "enabled")

    def test_keys_of_secrets_manager_arrive_as_files(self):
        for kind in ("ExternalSecret", "SecretStore"):
            self.assertEqual([one["apiVersion"] for one in self.keys.all(kind)], ["external-secrets.io/v1"])
        secret = self.keys.get("ExternalSecret", "cloud-portfolio-s3")["spec"]
        store = self.keys.get("SecretStore", secret["secretStoreRef"]["name"])["spec"]
        self.assertEqual(store["provider"]["aws"]["service"], "SecretsManager")
        self.assertEqual(store["provider"]["aws"]["region"], self.keys.config["AWS_REGION"])
        mounts = {m["name"]: m["mountPath"] for m in self.keys.container["volumeMounts"]}
        volumes = {v["name"]: v["secret"]["secretName"] for v in self.keys.pod["volumes"]}
        self.assertEqual(volumes["s3"], secret["target"]["name"])
        for one in secret["data"]:
            self.assertEqual(self.keys.config[f"{one['secretKey']}_FILE"], f"{mounts['s3']}/{one['secretKey']}")
        self.assertNotIn("annotations", self.keys.get("ServiceAccount")["metadata"])

    def test_the_secret_is_the_one_that_the_template_makes(self):
        template = ROOT / "manifests/aws/secret.yaml"
        if not template.exists():
            self.skipTest("manifests/aws is not there")
        text = template.read_text()
        name = re.search(r"SecretName:\n\s+Type: String\n\s+Default: (\S+)", text).group(1)
        for one in self.keys.get("ExternalSecret", "cloud-portfolio-s3")["spec"]["data"]:
            self.assertEqual(one["remoteRef"], {"key": name, "property": one["secretKey"]})
            self.assertIn(f'"{one["secretKey"]}"', text)


class Monitoring(unittest.TestCase):
    overlay = Overlay("monitoring")

    def test_metrics_are_on_a_port_of_their_own(self):
        self.assertEqual(self.overlay.config["METRICS_PORT"], "9464")
        ports = {port["name"]: port["containerPort"] for port in self.overlay.container["ports"]}
        self.assertEqual(ports, {"http": 5000, "metrics": 9464})
        annotations = self.overlay.get("Deployment")["spec"]["template"]["metadata"]["annotations"]
        self.assertEqual(annotations["prometheus.io/port"], "9464")
        self.assertNotIn(9464, [p["port"] for p in self.overlay.get("Service")["spec"]["ports"]])

    def test_only_the_namespace_monitoring_may_scrape_them(self):
        (rule,) = [r for r in rules(self.overlay, LABELS, "ingress") if {"protocol": TCP, "port": 9464} in r["ports"]]
        label = {"kubernetes.io/metadata.name": "monitoring"}
        self.assertEqual(rule, {"from": [{"namespaceSelector": {"matchLabels": label}}], "ports": [{"protocol": TCP, "port": 9464}]})

    def test_the_pod_monitor_names_a_port_and_pods_that_are_there(self):
        monitor = yaml.safe_load((ROOT / "manifests/components/monitoring/pod-monitor.yaml").read_text())
        self.assertEqual(monitor["spec"]["selector"], {"matchLabels": LABELS})
        self.assertEqual([one["port"] for one in monitor["spec"]["podMetricsEndpoints"]], ["metrics"])


if __name__ == "__main__":
    unittest.main()
