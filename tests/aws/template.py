"""Reads the templates in manifests/aws as CloudFormation would: parameters, conditions, Sub, Ref.

    template.py policy [--bucket B] [--key-prefix P] [--allow-version-deletion]

prints the policy of identity.yaml as JSON, the one that MinIO is given too; `restore-policy` the one
for scripts/restore.
"""

import argparse
import json
import pathlib
import re

import yaml

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "manifests" / "aws"
PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::AccountId": "123456789012",
    "AWS::Region": "us-east-1",
}
NOTHING = object()


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, made long."""


def _short(loader, tag, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if tag == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {tag if tag in ("Ref", "Condition") else f"Fn::{tag}": value}


Loader.add_multi_constructor("!", _short)


class Template:
    """One file, with these parameters; those left out have their defaults."""

    def __init__(self, name, **parameters):
        self.text = (FOLDER / name).read_text()
        self.body = yaml.load(self.text, Loader)
        self.parameters = {
            key: str(parameters.pop(key, spec.get("Default", "")))
            for key, spec in self.body["Parameters"].items()
        }
        assert not parameters, f"{name} has no parameters {sorted(parameters)}"

    def resources(self, kind=None):
        """Name to resource of those that these parameters make."""
        return {
            name: resource
            for name, resource in self.body["Resources"].items()
            if (kind is None or resource["Type"] == kind)
            and ("Condition" not in resource or self._condition(resource["Condition"]))
        }

    def properties(self, name):
        return self.resolve(self.body["Resources"][name]["Properties"])

    def resolve(self, value):
        if isinstance(value, list):
            items = [self.resolve(item) for item in value]
            return [item for item in items if item is not NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name, argument), = value.items()
            if name == "Ref":
                return self._ref(argument)
            if name == "Fn::GetAtt":
                return f"{argument[0]}.{argument[1]}"
            if name == "Fn::Sub":
                return re.sub(r"\$\{([^}!]+)\}", lambda m: str(self._ref(m[1])), argument)
            if name == "Fn::If":
                condition, yes, no = argument
                return self.resolve(yes if self._condition(condition) else no)
        items = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in items.items() if item is not NOTHING}

    def _ref(self, name):
        if name == "AWS::NoValue":
            return NOTHING
        return self.parameters.get(name) if name in self.parameters else PSEUDO.get(name, name)

    def _condition(self, condition):
        if isinstance(condition, str):
            return self._condition(self.body["Conditions"][condition])
        (name, argument), = condition.items()
        if name == "Condition":
            return self._condition(argument)
        if name == "Fn::Equals":
            return self.resolve(argument[0]) == self.resolve(argument[1])
        results = [self._condition(item) for item in argument]
        return {"Fn::Not": not results[0], "Fn::Or": any(results), "Fn::And": all(results)}[name]


def policy(bucket, key_prefix="", allow_version_deletion=False, name="Policy"):
    template = Template(
        "identity.yaml",
        BucketName=bucket,
        KeyPrefix=key_prefix,
        AllowVersionDeletion="true" if allow_version_deletion else "false",
    )
    return template.properties(name)["PolicyDocument"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["policy", "restore-policy"])
    parser.add_argument("--bucket", default="cloud-portfolio-storage")
    parser.add_argument("--key-prefix", default="")
    parser.add_argument("--allow-version-deletion", action="store_true")
    given = parser.parse_args()
    name = {"policy": "Policy", "restore-policy": "RestorePolicy"}[given.what]
    document = policy(given.bucket, given.key_prefix, given.allow_version_deletion, name)
    print(json.dumps(document, indent=2))
