"""What an API server refuses before it looks at the meaning: unknown kinds and fields, names,
labels, references to what is not there."""

import re
import unittest

import kubernetes_validate
from kubernetes_validate.utils import all_versions, major_minor

from rendered import NAMES, OPERATORS, Overlay, containers

VERSIONS = sorted({major_minor(one) for one in all_versions()}, key=lambda v: int(v.split(".")[1]))[-3:]
LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


class Schema(unittest.TestCase):
    def test_every_object_fits_the_schemas_of_the_three_newest_versions(self):
        self.assertEqual(len(VERSIONS), 3)
        for name in NAMES:
            for one in Overlay(name).objects:
                if one["apiVersion"].startswith(OPERATORS):
                    continue
                for version in VERSIONS:
                    with self.subTest(overlay=name, kind=one["kind"], version=version):
                        kubernetes_validate.validate(one, version, strict=True)

    def test_only_one_overlay_needs_an_operator(self):
        having = [n for n in NAMES if any(o["apiVersion"].startswith(OPERATORS) for o in Overlay(n).objects)]
        self.assertEqual(having, ["aws-secrets-manager"])

    def test_names_and_labels_are_valid_and_no_object_is_there_twice(self):
        for name in NAMES:
            seen = set()
            for one in Overlay(name).objects:
                meta = one["metadata"]
                with self.subTest(overlay=name, kind=one["kind"], name=meta["name"]):
                    key = (one["apiVersion"], one["kind"], meta["name"])
                    self.assertNotIn(key, seen)
                    seen.add(key)
                    self.assertRegex(meta["name"], f"^{NAME.pattern}$")
                    if one["kind"] != "Namespace":
                        self.assertEqual(meta["namespace"], "cloud-portfolio")
                    for value in meta.get("labels", {}).values():
                        self.assertRegex(value, f"^{LABEL.pattern}$")
                    for value in meta.get("annotations", {}).values():
                        self.assertIsInstance(value, str)

    def test_what_pods_refer_to_comes_before_them_or_is_made_by_hand(self):
        by_hand = {"base": {"cloud-portfolio-s3"}, "monitoring": {"cloud-portfolio-s3"}}
        for name in NAMES:
            overlay, there = Overlay(name), set()
            for one in overlay.objects:
                kind, meta = one["kind"], one["metadata"]
                there.add((kind, meta["name"]))
                if kind != "Deployment":
                    continue
                spec = one["spec"]["template"]["spec"]
                asked = {("ServiceAccount", spec.get("serviceAccountName", "default"))}
                for container in containers(spec):
                    for e in container.get("envFrom", []):
                        asked |= {("ConfigMap", e["configMapRef"]["name"])} if "configMapRef" in e else set()
                        asked |= {("Secret", e["secretRef"]["name"])} if "secretRef" in e else set()
                    for e in container.get("env", []):
                        if "secretKeyRef" in e.get("valueFrom", {}):
                            asked.add(("Secret", e["valueFrom"]["secretKeyRef"]["name"]))
                    mounts = {m["name"] for m in container.get("volumeMounts", [])}
                    self.assertLessEqual(mounts, {v["name"] for v in spec["volumes"]})
                for volume in spec.get("volumes", []):
                    if "secret" in volume and not volume["secret"].get("optional"):
                        asked.add(("Secret", volume["secret"]["secretName"]))
                    if "persistentVolumeClaim" in volume:
                        asked.add(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
                there.add(("ServiceAccount", "default"))
                there |= {("Secret", e["spec"]["target"]["name"]) for e in overlay.all("ExternalSecret")}
                there |= {("Secret", secret) for secret in by_hand.get(name, ())}
                with self.subTest(overlay=name, deployment=meta["name"]):
                    self.assertEqual(asked - there, set())

    def test_services_and_policies_name_ports_and_pods_that_are_there(self):
        for name in NAMES:
            overlay = Overlay(name)
            for one in overlay.all("Service"):
                with self.subTest(overlay=name, service=one["metadata"]["name"]):
                    pods = [s for _, labels, s in overlay.pods() if one["spec"]["selector"].items() <= labels.items()]
                    self.assertEqual(len(pods), 1)
                    named = {p["name"] for c in pods[0]["containers"] for p in c["ports"]}
                    self.assertLessEqual({p["targetPort"] for p in one["spec"]["ports"]}, named)
            for one in overlay.all("Deployment"):
                labels = one["spec"]["template"]["metadata"]["labels"]
                self.assertLessEqual(one["spec"]["selector"]["matchLabels"].items(), labels.items())


if __name__ == "__main__":
    unittest.main()
