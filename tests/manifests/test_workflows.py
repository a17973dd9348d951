"""What every workflow keeps to, besides what actionlint knows."""

import re
import unittest

import yaml

from rendered import ROOT

PATHS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PINNED = re.compile(r"^[\w.-]+/[\w./-]+@[0-9a-f]{40}$")
# What may be written in `permissions`, by workflow.
WRITES = {"deploy": {"id-token"}}


class Workflows(unittest.TestCase):
    def each(self):
        self.assertLessEqual({"audit", "deploy", "image", "test"}, {path.stem for path in PATHS})
        for path in PATHS:
            with self.subTest(workflow=path.stem):
                yield path.stem, yaml.safe_load(path.read_text())

    def test_no_workflow_may_write_more_than_it_needs(self):
        for name, flow in self.each():
            self.assertEqual(flow["permissions"], {"contents": "read"})
            for job in flow["jobs"].values():
                asked = job.get("permissions", {})
                self.assertEqual({k for k, v in asked.items() if v == "write"}, WRITES.get(name, set()))

    def test_every_job_ends_and_every_run_waits_for_its_like(self):
        for name, flow in self.each():
            self.assertIn("group", flow["concurrency"])
            if name in ("deploy", "image"):
                self.assertIs(flow["concurrency"]["cancel-in-progress"], False)
            for job in flow["jobs"].values():
                # Another workflow's jobs have limits of their own.
                if not job.get("uses", "").startswith("./"):
                    self.assertLessEqual(job["timeout-minutes"], 90)

    def test_no_image_is_made_of_what_was_not_tested(self):
        for name, flow in self.each():
            if name == "image":
                self.assertEqual(flow["jobs"]["image"]["needs"], "test")
                self.assertEqual(flow["jobs"]["test"]["uses"], "./.github/workflows/test.yml")

    def test_actions_are_pinned_by_commit_and_keep_no_credentials(self):
        for _, flow in self.each():
            for job in flow["jobs"].values():
                for step in job.get("steps", []):
                    if "uses" in step:
                        self.assertRegex(step["uses"], PINNED)
                    if step.get("uses", "").startswith("actions/checkout@"):
                        self.assertIs(step["with"]["persist-credentials"], False)

    def test_nothing_from_outside_is_pasted_into_a_script(self):
        for _, flow in self.each():
            for job in flow["jobs"].values():
                for step in job.get("steps", []):
                    self.assertNotIn("${{", step.get("run", ""))

    def test_secrets_are_in_environments_and_not_in_runs_of_pull_requests(self):
        for path in PATHS:
            text = path.read_text()
            if "secrets." in text:
                self.assertNotIn("pull_request", text)
                self.assertIn("environment:", text)

    def test_the_image_is_built_by_the_toolchain_that_was_tested(self):
        channel = re.search('channel = "(.+)"', (ROOT / "rust-toolchain.toml").read_text())[1]
        self.assertIn(f"/rust:{channel}-slim-", (ROOT / "Dockerfile.scratch").read_text())

    def test_every_overlay_but_the_one_for_a_laptop_can_be_deployed(self):
        flow = yaml.load((ROOT / ".github/workflows/deploy.yml").read_text(), yaml.BaseLoader)
        overlays = {path.name for path in (ROOT / "manifests/overlays").iterdir() if not path.name.startswith(".")}
        options = flow["on"]["workflow_dispatch"]["inputs"]["overlay"]["options"]
        self.assertEqual(set(options), overlays - {"local"} | {"base"})

    def test_the_image_is_for_both_architectures_with_what_is_said_of_it(self):
        text = (ROOT / ".github/workflows/image.yml").read_text()
        for part in ("linux/amd64,linux/arm64", "--sbom=true", "--provenance=mode=max", "Dockerfile.scratch"):
            self.assertIn(part, text)


if __name__ == "__main__":
    unittest.main()
