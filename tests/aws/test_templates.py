"""The templates of manifests/aws: what they say, and what becomes of them in moto's CloudFormation.

Run by scripts/aws-test, which starts moto's server and sets AWS_ENDPOINT_URL to it.
"""

import fnmatch
import json
import os
import unittest
import urllib.request

import boto3
from botocore.exceptions import ClientError
from template import FOLDER, Template, policy

BUCKET = "cloud-portfolio-storage"
# What moto's CloudFormation does not make. The tests make these by the service's own call, from the
# template's properties, where moto has one; else they read what the template says.
NOT_IN_MOTO = {
    "AWS::S3::BucketPolicy": "by PutBucketPolicy",
    "AWS::CloudWatch::Alarm": "by PutMetricAlarm",
    "AWS::SecretsManager::Secret": "by CreateSecret",
    "AWS::SecretsManager::RotationSchedule": "the function's steps are run one by one",
    "AWS::Lambda::Permission": "read only",
    "AWS::EKS::PodIdentityAssociation": "read only",
}
# And of what it makes it leaves these properties out; those of a bucket are put by S3's own calls.
NOT_OF_THESE_IN_MOTO = {
    "AWS::S3::Bucket": "VersioningConfiguration, PublicAccessBlockConfiguration, OwnershipControls, "
    "LifecycleConfiguration; MetricsConfigurations and ReplicationConfiguration (read only)",
    "AWS::IAM::User": "ManagedPolicyArns (read only)",
    "AWS::IAM::Role": "ManagedPolicyArns, Policies (read only)",
}
CALLS = {name: boto3.client(name) for name in (
    "cloudformation", "s3", "iam", "secretsmanager", "cloudwatch", "lambda", "logs")}
S3, IAM, SECRETS = CALLS["s3"], CALLS["iam"], CALLS["secretsmanager"]


def deploy(name, **parameters):
    """A stack of the file, and what moto said of it: logical id to physical id."""
    stack = name.removesuffix(".yaml") + f"-{len(deployed)}"
    deployed.append(stack)
    CALLS["cloudformation"].create_stack(
        StackName=stack,
        TemplateBody=(FOLDER / name).read_text(),
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    state = CALLS["cloudformation"].describe_stacks(StackName=stack)["Stacks"][0]
    assert state["StackStatus"] == "CREATE_COMPLETE", state
    made = CALLS["cloudformation"].describe_stack_resources(StackName=stack)["StackResources"]
    # What moto does not make it lists without a name.
    made = {e["LogicalResourceId"]: e["PhysicalResourceId"] for e in made if "PhysicalResourceId" in e}
    for logical, resource in Template(name, **parameters).resources().items():
        kind = resource["Type"]
        assert (logical in made) != (kind in NOT_IN_MOTO), f"{logical}, a {kind}, in moto: {made}"
    return made


deployed = []


def lifecycle(rules):
    """Rules in CloudFormation's words, in those of S3's API."""
    for rule in rules:
        api = {"ID": rule["Id"], "Status": rule["Status"], "Filter": {"Prefix": rule["Prefix"]}}
        if "ExpirationInDays" in rule:
            api["Expiration"] = {"Days": int(rule["ExpirationInDays"])}
        if "ExpiredObjectDeleteMarker" in rule:
            assert "ExpirationInDays" not in rule, "S3 takes no rule with both"
            api["Expiration"] = {"ExpiredObjectDeleteMarker": True}
        if "NoncurrentVersionExpiration" in rule:
            days = rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
            api["NoncurrentVersionExpiration"] = {"NoncurrentDays": int(days)}
        if "AbortIncompleteMultipartUpload" in rule:
            days = rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
            api["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": int(days)}
        if "Transitions" in rule:
            api["Transitions"] = [
                {"Days": each["TransitionInDays"], "StorageClass": each["StorageClass"]}
                for each in rule["Transitions"]
            ]
            api["NoncurrentVersionTransitions"] = [
                {"NoncurrentDays": each["TransitionInDays"], "StorageClass": each["StorageClass"]}
                for each in rule["NoncurrentVersionTransitions"]
            ]
        yield api


def fill_bucket(name, properties, policy_document):
    """What moto's CloudFormation leaves out of a bucket: see NOT_OF_THESE_IN_MOTO."""
    S3.put_bucket_versioning(
        Bucket=name, VersioningConfiguration=properties["VersioningConfiguration"])
    S3.put_public_access_block(
        Bucket=name,
        PublicAccessBlockConfiguration=properties["PublicAccessBlockConfiguration"])
    S3.put_bucket_ownership_controls(
        Bucket=name, OwnershipControls=properties["OwnershipControls"])
    S3.put_bucket_lifecycle_configuration(
        Bucket=name,
        LifecycleConfiguration={
            "Rules": list(lifecycle(properties["LifecycleConfiguration"]["Rules"]))})
    S3.put_bucket_policy(Bucket=name, Policy=json.dumps(policy_document))


class Case(unittest.TestCase):
    """Each begins with an empty account."""

    def setUp(self):
        url = os.environ["AWS_ENDPOINT_URL"] + "/moto-api/reset"
        urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=10).close()


class Storage(Case):
    def setUp(self):
        super().setUp()
        for file, bucket in (("storage.yaml", BUCKET), ("replica.yaml", f"{BUCKET}-replica")):
            deploy(file)
            template = Template(file)
            document = template.properties("BucketPolicy")["PolicyDocument"]
            fill_bucket(bucket, template.properties("Bucket"), document)
        self.buckets = [BUCKET, f"{BUCKET}-replica"]

    def test_a_bucket_is_private_versioned_and_encrypted(self):
        for name in self.buckets:
            self.assertEqual(S3.get_bucket_versioning(Bucket=name)["Status"], "Enabled")
            rules = S3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]
            default = rules["Rules"][0]["ApplyServerSideEncryptionByDefault"]
            self.assertEqual(default["SSEAlgorithm"], "AES256")
            block = S3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
            self.assertEqual(list(block.values()), [True] * 4)
            owner = S3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]
            self.assertEqual(owner["Rules"], [{"ObjectOwnership": "BucketOwnerEnforced"}])

    def test_a_bucket_refuses_all_but_tls(self):
        for name in self.buckets:
            document = json.loads(S3.get_bucket_policy(Bucket=name)["Policy"])
            tls = next(s for s in document["Statement"] if s["Sid"] == "OnlyTls")
            self.assertEqual((tls["Effect"], tls["Action"], tls["Principal"]), ("Deny", "s3:*", "*"))
            self.assertEqual(tls["Condition"], {"Bool": {"aws:SecureTransport": "false"}})
            self.assertEqual(
                tls["Resource"], [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"])

    def test_lifecycle_keeps_files_readable_and_uploads_resumable(self):
        for name in self.buckets:
            rules = S3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
            rules = {rule["ID"]: rule for rule in rules}
            self.assertEqual(len(rules), 5)
            tiers = rules["tiers"]["Transitions"] + rules["tiers"]["NoncurrentVersionTransitions"]
            instant = {"INTELLIGENT_TIERING", "STANDARD_IA", "ONEZONE_IA", "GLACIER_IR"}
            self.assertLessEqual({tier["StorageClass"] for tier in tiers}, instant)
            temporary = rules["temporary"]
            self.assertEqual(temporary["Filter"]["Prefix"], ".cloud-portfolio/")
            # UPLOAD_EXPIRY_SECONDS is 7 days.
            self.assertGreater(temporary["Expiration"]["Days"], 7)
            self.assertEqual(temporary["NoncurrentVersionExpiration"]["NoncurrentDays"], 1)
            self.assertEqual(
                rules["expired-delete-markers"]["Expiration"], {"ExpiredObjectDeleteMarker": True})
            multiparts = rules["incomplete-multiparts"]["AbortIncompleteMultipartUpload"]
            self.assertGreater(multiparts["DaysAfterInitiation"], 7)
            old = rules["old-versions"]["NoncurrentVersionExpiration"]
            self.assertEqual(old["NoncurrentDays"], 90)
            for expires in rules.values():
                days = "Days" in expires.get("Expiration", {})
                self.assertTrue(not days or expires["ID"] == "temporary", "files never expire")

    def test_the_replica_has_the_rules_of_the_bucket(self):
        both = [Template(f).properties("Bucket") for f in ("storage.yaml", "replica.yaml")]
        for name in ("LifecycleConfiguration", "BucketEncryption", "VersioningConfiguration",
                     "PublicAccessBlockConfiguration", "OwnershipControls", "MetricsConfigurations"):
            self.assertEqual(both[0][name], both[1][name])

    def test_a_key_prefix_moves_the_temporary_prefix_too(self):
        rules = Template("storage.yaml", KeyPrefix="a/b/").properties("Bucket")
        rules = {r["Id"]: r["Prefix"] for r in rules["LifecycleConfiguration"]["Rules"]}
        self.assertEqual(rules.pop("temporary"), "a/b/.cloud-portfolio/")
        self.assertEqual(set(rules.values()), {"a/b/"})

    def test_replication_is_made_only_when_it_is_asked_for(self):
        self.assertNotIn("ReplicationConfiguration", Template("storage.yaml").properties("Bucket"))
        arn = "arn:aws:s3:::elsewhere"
        made = deploy("storage.yaml", BucketName="replicated", ReplicaBucketArn=arn)
        self.assertIn("ReplicationRole", made)
        template = Template("storage.yaml", BucketName="replicated", ReplicaBucketArn=arn)
        rule, = template.properties("Bucket")["ReplicationConfiguration"]["Rules"]
        self.assertEqual(rule["Destination"], {"Bucket": arn})
        self.assertEqual(rule["DeleteMarkerReplication"], {"Status": "Enabled"})
        role, = template.properties("ReplicationRole")["Policies"]
        targets = [s["Resource"] for s in role["PolicyDocument"]["Statement"]]
        self.assertEqual(
            targets, ["arn:aws:s3:::replicated", "arn:aws:s3:::replicated/*", f"{arn}/*"])
        trust, = template.properties("ReplicationRole")["AssumeRolePolicyDocument"]["Statement"]
        self.assertEqual(trust["Principal"], {"Service": "s3.amazonaws.com"})
        self.assertNotIn("Condition", trust)


class Identity(Case):
    def document(self, made):
        arn = made["Policy"]
        version = IAM.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        return IAM.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]

    def test_the_user_has_the_policy_that_minio_is_given(self):
        made = deploy("identity.yaml")
        self.assertEqual(made["User"], "cloud-portfolio-app")
        self.assertTrue(made["Policy"].endswith(":policy/CloudPortfolioS3Policy"))
        user = Template("identity.yaml").properties("User")
        self.assertEqual(user["ManagedPolicyArns"], ["Policy"])
        self.assertEqual(self.document(made), policy(BUCKET))
        self.assertEqual(IAM.list_access_keys(UserName="cloud-portfolio-app")["AccessKeyMetadata"], [])
        with self.assertRaises(ClientError):
            IAM.get_login_profile(UserName="cloud-portfolio-app")

    def test_the_policy_is_for_one_bucket_and_has_no_wildcard_action(self):
        restore = policy(BUCKET, name="RestorePolicy")
        for each in (policy(BUCKET), policy(BUCKET, "in/", True), restore):
            for statement in each["Statement"]:
                actions = statement["Action"]
                actions = [actions] if isinstance(actions, str) else actions
                for action in actions:
                    self.assertRegex(action, r"^s3:[A-Za-z]+$")
                where = statement.get("Resource") or statement["NotResource"]
                where = where.removeprefix("arn:aws:s3:::")
                self.assertIn(where.split("/")[0], [BUCKET])

    def test_versions_go_for_good_only_below_the_temporary_prefix_unless_it_is_asked_for(self):
        def may_delete(document, key):
            arn = f"arn:aws:s3:::{BUCKET}/{key}"
            about = [s for s in document["Statement"] if "s3:DeleteObjectVersion" in s["Action"]]
            allow, = (s for s in about if s["Effect"] == "Allow")
            deny, = (s for s in about if s["Effect"] == "Deny")
            allowed = fnmatch.fnmatchcase(arn, allow["Resource"])
            self.assertEqual(allowed, fnmatch.fnmatchcase(arn, deny["NotResource"]))
            return allowed

        self.assertTrue(may_delete(policy(BUCKET), ".cloud-portfolio/uploads/x/state"))
        self.assertFalse(may_delete(policy(BUCKET), "report.pdf"))
        self.assertTrue(may_delete(policy(BUCKET, "in/"), "in/.cloud-portfolio/x"))
        self.assertFalse(may_delete(policy(BUCKET, "in/"), ".cloud-portfolio/x"))
        asked = self.document(deploy("identity.yaml", AllowVersionDeletion="true"))
        self.assertTrue(may_delete(asked, "report.pdf"))
        self.assertEqual(asked, policy(BUCKET, "", True))

    def test_a_second_stack_with_another_bucket_stands_beside_the_first(self):
        deploy("identity.yaml")
        bucket = f"{BUCKET}-replica"
        made = deploy("identity.yaml", BucketName=bucket, NameSuffix="-replica")
        self.assertEqual(made["User"], "cloud-portfolio-app-replica")
        self.assertEqual(self.document(made), policy(bucket))

    def trust(self, **parameters):
        made = deploy("identity.yaml", CreateUser="false", **parameters)
        self.assertNotIn("User", made)
        role = IAM.get_role(RoleName=made["Role"])["Role"]
        template = Template("identity.yaml", CreateUser="false", **parameters)
        self.assertEqual(template.properties("Role")["ManagedPolicyArns"], ["Policy"])
        statement, = role["AssumeRolePolicyDocument"]["Statement"]
        return statement

    def test_irsa_trusts_one_service_account_of_one_cluster(self):
        provider = "oidc.eks.us-east-1.amazonaws.com/id/ABC"
        arn = f"arn:aws:iam::123456789012:oidc-provider/{provider}"
        trust = self.trust(OidcProviderArn=arn, OidcProvider=provider)
        self.assertEqual(trust["Action"], "sts:AssumeRoleWithWebIdentity")
        self.assertEqual(trust["Principal"], {"Federated": arn})
        self.assertEqual(trust["Condition"], {"StringEquals": {
            f"{provider}:sub": "system:serviceaccount:cloud-portfolio:cloud-portfolio",
            f"{provider}:aud": "sts.amazonaws.com",
        }})

    def test_pod_identity_trusts_the_agent_and_names_the_service_account(self):
        trust = self.trust(PodIdentityCluster="production")
        self.assertEqual(trust["Principal"], {"Service": "pods.eks.amazonaws.com"})
        self.assertEqual(trust["Action"], ["sts:AssumeRole", "sts:TagSession"])
        template = Template("identity.yaml", PodIdentityCluster="production")
        association = template.properties("PodIdentity")
        self.assertEqual(association["ServiceAccount"], "cloud-portfolio")
        self.assertEqual(association["ClusterName"], "production")

    def test_a_second_role_for_one_account_of_a_cluster_waits_without_an_association(self):
        second = {"NameSuffix": "-b", "PodIdentityCluster": "c", "PodIdentityAssociation": "false"}
        template = Template("identity.yaml", **second)
        self.assertEqual(template.properties("Role")["RoleName"], "cloud-portfolio-pod-b")
        self.assertNotIn("PodIdentity", template.resources())


class Secret(Case):
    def test_rotation_makes_keys_that_work_and_keeps_the_ones_before_for_one_period(self):
        S3.create_bucket(Bucket="rotated")
        names = {"UserName": "rotated", "BucketName": "rotated"}
        IAM.create_user(UserName="rotated")
        made = deploy("secret.yaml", **names)
        function = CALLS["lambda"].get_function(FunctionName=made["Rotator"])["Configuration"]
        self.assertEqual(function["Handler"], "index.handler")
        template = Template("secret.yaml", **names)
        secret = template.properties("Secret")
        arn = SECRETS.create_secret(
            Name=secret["Name"], SecretString=secret["SecretString"])["ARN"]
        schedule = template.properties("Rotation")
        self.assertEqual(schedule["RotationRules"]["AutomaticallyAfterDays"], "30")
        self.assertTrue(schedule["RotateImmediatelyOnUpdate"])

        # Lambda runs this text; here it is run in its place.
        rotator = template.properties("Rotator")
        os.environ.update(rotator["Environment"]["Variables"])
        self.addCleanup(os.environ.pop, "BUCKET")
        scope = {}
        exec(compile(rotator["Code"]["ZipFile"], "index.py", "exec"), scope)

        def keys():
            listed = IAM.list_access_keys(UserName="rotated")["AccessKeyMetadata"]
            return {each["AccessKeyId"] for each in listed}

        def current():
            value = SECRETS.get_secret_value(SecretId=arn, VersionStage="AWSCURRENT")
            return json.loads(value["SecretString"])

        in_use = []
        for time in range(3):
            # Twice each: Secrets Manager repeats a step that it has no answer to.
            token = f"{time:032d}"
            for step in ("createSecret", "setSecret", "testSecret", "finishSecret"):
                for _ in range(2):
                    event = {"SecretId": arn, "ClientRequestToken": token, "Step": step}
                    scope["handler"](event, None)
            in_use.append(current()["AWS_ACCESS_KEY_ID"])
            self.assertEqual(keys(), set(in_use[-2:]))
            self.assertEqual(len(current()["AWS_SECRET_ACCESS_KEY"]), 40)
        self.assertEqual(len(set(in_use)), 3)

    def test_the_function_and_who_reads_may_touch_one_user_and_one_secret(self):
        template = Template("secret.yaml")
        policies = [template.properties("RotatorRole")["Policies"][0], template.properties("ReaderPolicy")]
        for statement in [s for p in policies for s in p["PolicyDocument"]["Statement"]]:
            self.assertNotEqual(statement["Resource"], "*")
            self.assertFalse([a for a in statement["Action"] if "*" in a])


class SecondStack(Case):
    def test_every_stack_but_a_buckets_may_stand_beside_another_of_its_kind(self):
        # What an account or a region has once. A Lambda::Permission only refers to one.
        unique = {"ManagedPolicyName", "UserName", "RoleName", "FunctionName", "LogGroupName",
                  "AlarmName", "DashboardName", "Name"}
        for file, count in (("identity.yaml", 4), ("secret.yaml", 5), ("observability.yaml", 4)):
            names = []
            for more in ({}, {"NameSuffix": "-b"}):
                if file == "identity.yaml":
                    # An account of a cluster has one association.
                    first = "true" if not more else "false"
                    more = {**more, "PodIdentityCluster": "c", "PodIdentityAssociation": first}
                template = Template(file, **more)
                deploy(file, **more)
                names.append([
                    value for logical, resource in template.resources().items()
                    for key, value in template.properties(logical).items()
                    if key in unique and resource["Type"] != "AWS::Lambda::Permission"])
            self.assertEqual(len(names[0]), count, names[0])
            self.assertEqual([f"{name}-b" for name in names[0]], names[1])

    def test_the_second_secret_is_of_the_second_user(self):
        template = Template("secret.yaml", NameSuffix="-b")
        rotator = template.properties("Rotator")["Environment"]["Variables"]
        user = Template("identity.yaml", NameSuffix="-b").properties("User")["UserName"]
        self.assertEqual(rotator["USER"], user)
        statements = template.properties("RotatorRole")["Policies"][0]["PolicyDocument"]["Statement"]
        self.assertTrue(statements[0]["Resource"].endswith(f":user/{user}"))
        reader = template.properties("ReaderPolicy")["PolicyDocument"]["Statement"][0]["Resource"]
        self.assertTrue(reader.endswith(template.properties("Secret")["Name"] + "-??????"))


def typed(alarm):
    """A parameter is text, where the call wants a number."""
    return {**alarm, "Threshold": float(alarm["Threshold"])}


class Observability(Case):
    def test_alarms_and_dashboard_read_the_metrics_that_the_bucket_has(self):
        topic = "arn:aws:sns:us-east-1:123456789012:on-call"
        deploy("observability.yaml", AlarmTopicArn=topic)
        template = Template("observability.yaml", AlarmTopicArn=topic)
        for name in template.resources("AWS::CloudWatch::Alarm"):
            CALLS["cloudwatch"].put_metric_alarm(**typed(template.properties(name)))
        alarms = CALLS["cloudwatch"].describe_alarms(AlarmNamePrefix="cloud-portfolio-s3-")
        alarms = {each["AlarmName"]: each for each in alarms["MetricAlarms"]}
        self.assertEqual(
            set(alarms), {f"cloud-portfolio-s3-{kind}" for kind in ("4xx", "5xx", "latency")})
        metrics = Template("storage.yaml").properties("Bucket")["MetricsConfigurations"]
        wanted = {"BucketName": BUCKET, "FilterId": metrics[0]["Id"]}
        for alarm in alarms.values():
            self.assertEqual(alarm["AlarmActions"], [topic])
            sources = [m["MetricStat"]["Metric"] for m in alarm.get("Metrics", [])
                       if "MetricStat" in m] or [alarm]
            for source in sources:
                self.assertEqual({d["Name"]: d["Value"] for d in source["Dimensions"]}, wanted)
        body = CALLS["cloudwatch"].get_dashboard(DashboardName="cloud-portfolio")["DashboardBody"]
        titles = [each["properties"]["title"] for each in json.loads(body)["widgets"]]
        self.assertEqual(len(titles), 5)
        self.assertIn("Errors", titles)


if __name__ == "__main__":
    print("not in moto's CloudFormation:")
    for kind, instead in NOT_IN_MOTO.items():
        print(f"  {kind}: {instead}")
    print("left out of what moto's CloudFormation makes:")
    for kind, properties in NOT_OF_THESE_IN_MOTO.items():
        print(f"  {kind}: {properties}")
    unittest.main(verbosity=2)
