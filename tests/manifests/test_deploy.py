"""scripts/deploy, with a kubectl that writes down what it is asked and fails where it is told to."""

import os
import pathlib
import subprocess
import tempfile
import unittest

import yaml

from rendered import ROOT, Overlay

IMAGE = "docker.io/someone/cloud-container-portfolio@sha256:" + "0123456789abcdef" * 4
KUBECTL = r"""#!/usr/bin/env bash
echo "$*" >>"$STATE/calls"
case "$*" in
  *'get deployment/'*revision*) printf '%s' "${REVISION-3}" ;;
  *'get deployment/'*configMapRef*) printf settings-1 ;;
  *'get configmap/settings-1'*BUCKET_NAME*) printf '%s' "${BUCKET-cloud-portfolio-storage}" ;;
  *'get serviceaccount/cloud-portfolio'*role-arn*)
    if [ -e "$STATE/applied.yaml" ] && [ ! -e "$STATE/account" ]; then
      printf '%s' "${NEW_ROLE-}"
    else
      printf '%s' "${ROLE-}"
    fi ;;
  *'view-last-applied serviceaccount/cloud-portfolio'*) printf '%s' "${ACCOUNT-}"; [ -n "${ACCOUNT-}" ] ;;
  'apply -f -') cat >"$STATE/account" ;;
  'kustomize '*) "$KUSTOMIZE" build "$2" ;;
  *'get deployment/'*replicas*) printf '%s' "${REPLICAS-7}" ;;
  'apply -k '*' --dry-run=server') exit "${REFUSED:-0}" ;;
  'apply -k '*) "$KUSTOMIZE" build "$3" >"$STATE/applied.yaml"; exit "${APPLY:-0}" ;;
  *'rollout undo'*) touch "$STATE/undone" ;;
  *'rollout status'*) [ -e "$STATE/undone" ] || exit "${ROLLOUT:-0}" ;;
esac
"""


class Deploy(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.state = pathlib.Path(folder.name)
        kubectl = self.state / "kubectl"
        kubectl.write_text(KUBECTL)
        kubectl.chmod(0o755)

    def deploy(self, overlay="aws", image=IMAGE, *more, **env):
        env = os.environ | {"STATE": str(self.state), "PATH": f"{self.state}:{os.environ['PATH']}"} | env
        command = [ROOT / "scripts/deploy", *more, overlay, image]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        self.assertEqual(list((ROOT / "manifests/overlays").glob(".deploy-*")), [])
        return done

    @property
    def calls(self):
        path = self.state / "calls"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def undone(self):
        return [call for call in self.calls if "rollout undo" in call]

    def applied(self):
        for one in yaml.safe_load_all((self.state / "applied.yaml").read_text()):
            if one["kind"] == "Deployment" and one["metadata"]["name"] == "cloud-portfolio":
                return one["spec"]

    def test_the_digest_is_applied_and_the_autoscalers_number_is_kept(self):
        for overlay in ("base", "aws", "aws-replica", "aws-secrets-manager", "local", "monitoring"):
            done = self.deploy(overlay, BUCKET=Overlay(overlay).config["BUCKET_NAME"])
            self.assertEqual(done.returncode, 0, done.stderr)
            spec = self.applied()
            self.assertEqual(spec["template"]["spec"]["containers"][0]["image"], IMAGE)
            self.assertEqual(spec["replicas"], 7)
        self.assertEqual(self.undone, [])

    def test_a_deploy_during_a_failover_does_not_undo_it(self):
        replica = "cloud-portfolio-storage-replica"
        done = self.deploy("aws", BUCKET=replica)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("--switch", done.stderr)
        self.assertNotIn("apply -k", " ".join(self.calls))
        self.assertEqual(self.deploy("aws-replica", BUCKET=replica).returncode, 0)
        self.assertEqual(self.deploy("aws", IMAGE, "--switch", BUCKET=replica).returncode, 0)

    def test_a_switch_that_fails_gives_the_account_its_role_back_before_its_pods(self):
        for role, given in (("arn:old", "=arn:old"), ("", "-")):
            with self.subTest(role=role):
                for left in self.state.iterdir():
                    if left.name != "kubectl":
                        left.unlink()
                done = self.deploy("aws-replica", IMAGE, "--switch", ROLLOUT="1", ROLE=role, NEW_ROLE="arn:new")
                self.assertNotEqual(done.returncode, 0)
                back = [call for call in self.calls if "annotate" in call or "undo" in call]
                self.assertEqual(len(back), 2, back)
                self.assertTrue(back[0].endswith(f"serviceaccount/cloud-portfolio eks.amazonaws.com/role-arn{given}"), back)

    def test_a_switch_that_fails_applies_the_account_as_it_was_applied_before(self):
        # Annotated only, it would differ from what was applied last, and deployers may not change it.
        account = "kind: ServiceAccount"
        more = {"ROLLOUT": "1", "ROLE": "arn:old", "NEW_ROLE": "arn:new", "ACCOUNT": account}
        done = self.deploy("aws-replica", IMAGE, "--switch", **more)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual((self.state / "account").read_text().strip(), account)
        self.assertNotIn("annotate", " ".join(self.calls))
        self.assertEqual(len(self.undone), 1)
        self.assertLess(self.calls.index("apply -f -"), self.calls.index(self.undone[0]))

    def test_the_first_one_has_three_replicas(self):
        self.assertEqual(self.deploy(REVISION="", REPLICAS="").returncode, 0)
        self.assertEqual(self.applied()["replicas"], 3)

    def test_a_rollout_that_fails_is_taken_back_to_what_ran_before(self):
        done = self.deploy(ROLLOUT="1")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("what ran before serves again", done.stderr)
        self.assertEqual(self.undone, ["-n cloud-portfolio rollout undo deployment/cloud-portfolio --to-revision=3"])
        # And it is waited for.
        self.assertIn("rollout status", self.calls[-1])

    def test_what_the_cluster_refuses_changes_nothing(self):
        done = self.deploy(REFUSED="1")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("nothing was changed", done.stderr)
        self.assertEqual([call for call in self.calls if call.startswith("apply") and "--dry-run" not in call], [])
        self.assertEqual(self.undone, [])

    def test_half_an_apply_is_taken_back_too(self):
        self.assertNotEqual(self.deploy(APPLY="1").returncode, 0)
        self.assertEqual(len(self.undone), 1)

    def test_a_first_one_that_fails_has_nothing_to_go_back_to(self):
        done = self.deploy(REVISION="", REPLICAS="", ROLLOUT="1")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("nothing to go back to", done.stderr)
        self.assertEqual(self.undone, [])

    def test_tags_and_overlays_that_are_not_there_are_refused_before_anything_is_done(self):
        for overlay, image in [("aws", "someone/app:1.0"), ("aws", "app@sha256:12"), ("nowhere", IMAGE), ("../aws", IMAGE)]:
            self.assertNotEqual(self.deploy(overlay, image).returncode, 0, (overlay, image))
        self.assertEqual(self.calls, [])


if __name__ == "__main__":
    unittest.main()
