"""What the documents name is there: files, scripts, overlays, and objects that kubectl is asked for."""

import re
import unittest

from rendered import NAMES, ROOT, Overlay

DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "manifests").rglob("README.md"))]


TEXTS = {path: path.read_text() for path in DOCS}


class Docs(unittest.TestCase):
    def about(self, path):
        return self.subTest(document=str(path.relative_to(ROOT)))

    def test_links_lead_to_files(self):
        for path, text in TEXTS.items():
            with self.about(path):
                for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
                    if "://" not in link:
                        self.assertTrue((path.parent / link).exists(), link)

    def test_scripts_and_folders_of_manifests_are_there(self):
        for path, text in TEXTS.items():
            with self.about(path):
                for name in re.findall(r"\b(?:scripts|manifests|benches)/[\w./-]*\w", text):
                    self.assertTrue((ROOT / name).exists(), name)

    def test_the_readme_leads_to_every_document(self):
        text = (ROOT / "README.md").read_text()
        for path in DOCS[1:]:
            self.assertIn(f"]({path.relative_to(ROOT)})", text)

    def test_deploys_are_of_overlays_that_are_there(self):
        for path, text in TEXTS.items():
            with self.about(path):
                for name in re.findall(r"(?m)^scripts/deploy (?:--switch )?([\w-]+)", text):
                    self.assertIn(name, NAMES)

    def test_kubectl_is_asked_for_what_the_manifests_have(self):
        there = {(one["kind"].lower(), one["metadata"]["name"]) for name in NAMES for one in Overlay(name).objects}
        for path, text in TEXTS.items():
            with self.about(path):
                for line in re.findall(r"kubectl -n (.*)", text):
                    self.assertTrue(line.startswith("cloud-portfolio "), line)
                    for kind, name in re.findall(r"\b(deployment|service|serviceaccount)[/ ]([a-z][\w-]*)", line):
                        self.assertIn((kind, name), there, line)


if __name__ == "__main__":
    unittest.main()
