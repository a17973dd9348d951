"""Pod Security's profile `restricted` (kubernetes.io/docs/concepts/security/pod-security-standards),
and what goes beyond it, for every pod of every overlay."""

import unittest

from rendered import NAMES, Overlay, containers

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def every_pod():
    for name in NAMES:
        for workload, _, spec in Overlay(name).pods():
            yield f"{name}/{workload}", spec


class Restricted(unittest.TestCase):
    def test_the_namespace_enforces_it_and_warns_of_what_is_to_come(self):
        for name in NAMES:
            with self.subTest(overlay=name):
                labels = Overlay(name).get("Namespace")["metadata"]["labels"]
                at = {k.removeprefix("pod-security.kubernetes.io/"): v for k, v in labels.items()}
                self.assertEqual([at["enforce"], at["warn"], at["audit"]], ["restricted"] * 3)
                self.assertRegex(at["enforce-version"], r"^v1\.\d+$")
                self.assertEqual([at["warn-version"], at["audit-version"]], ["latest"] * 2)

    def test_no_pod_shares_anything_with_its_node(self):
        for pod, spec in every_pod():
            with self.subTest(pod=pod):
                for field in ("hostNetwork", "hostPID", "hostIPC"):
                    self.assertFalse(spec.get(field, False))
                for volume in spec.get("volumes", []):
                    self.assertLessEqual(set(volume) - {"name"}, VOLUMES)
                for container in containers(spec):
                    self.assertFalse([p for p in container.get("ports", []) if p.get("hostPort")])
                    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                        self.assertNotIn("host", container.get(probe, {}).get("httpGet", {}))

    def test_every_pod_runs_as_nobody_in_particular_under_seccomp(self):
        for pod, spec in every_pod():
            with self.subTest(pod=pod):
                self.assertIs(spec["securityContext"]["runAsNonRoot"], True)
                # As a number: kubelet cannot tell a name's.
                self.assertGreater(spec["securityContext"]["runAsUser"], 0)
                self.assertEqual(spec["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
                self.assertNotIn("sysctls", spec["securityContext"])
                for container in containers(spec):
                    for field in ("runAsNonRoot", "runAsUser", "seccompProfile", "procMount", "seLinuxOptions"):
                        self.assertNotIn(field, container["securityContext"])

    def test_no_container_can_gain_anything(self):
        for pod, spec in every_pod():
            for container in containers(spec):
                with self.subTest(pod=pod, container=container["name"]):
                    context = container["securityContext"]
                    self.assertIs(context["allowPrivilegeEscalation"], False)
                    self.assertIs(context["readOnlyRootFilesystem"], True)
                    self.assertFalse(context.get("privileged", False))
                    self.assertEqual(context["capabilities"], {"drop": ["ALL"]})

    def test_no_pod_has_a_token_of_the_clusters_api(self):
        for pod, spec in every_pod():
            with self.subTest(pod=pod):
                self.assertIs(spec["automountServiceAccountToken"], False)
        for name in NAMES:
            for account in Overlay(name).all("ServiceAccount"):
                self.assertIs(account["automountServiceAccountToken"], False)

    def test_every_container_is_bounded_and_its_image_is_of_a_version(self):
        for pod, spec in every_pod():
            for container in containers(spec):
                with self.subTest(pod=pod, container=container["name"]):
                    self.assertEqual(set(container["resources"]["limits"]), {"cpu", "memory"})
                    self.assertEqual(set(container["resources"]["requests"]), {"cpu", "memory"})
                    self.assertRegex(container["image"], r":[^:]+$")
                    self.assertNotRegex(container["image"], ":latest$")


if __name__ == "__main__":
    unittest.main()
