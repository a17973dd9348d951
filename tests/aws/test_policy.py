"""The policy of identity.yaml on MinIO, as users who have it: what it allows, what it refuses.

Run by scripts/aws-test, which makes the users: cloud-portfolio-plain with the policy as it is by
default, cloud-portfolio-prefix with KEY_PREFIX in/ and the right to delete versions.
"""

import os
import random
import unittest

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

BUCKET = os.environ["BUCKET_NAME"]
PASSWORD = os.environ["AWS_SECRET_ACCESS_KEY"]


def client(user, password=PASSWORD):
    return boto3.client(
        "s3",
        endpoint_url=os.environ["AWS_ENDPOINT_URL_S3"],
        region_name=os.environ["AWS_REGION"],
        aws_access_key_id=user,
        aws_secret_access_key=password,
        config=Config(s3={"addressing_style": "path"}, connect_timeout=5, read_timeout=30),
    )


ADMIN = client(os.environ["ADMIN_AWS_ACCESS_KEY_ID"], os.environ["ADMIN_AWS_SECRET_ACCESS_KEY"])
PLAIN = client("cloud-portfolio-plain")
PREFIX = client("cloud-portfolio-prefix")
# Below a name of this run's own: it may be repeated on the same MinIO.
HERE = f"policy-{random.randbytes(8).hex()}/"
TEMPORARY = ".cloud-portfolio/uploads/x/state"


class Policy(unittest.TestCase):
    def refused(self, call, **arguments):
        with self.assertRaises(ClientError, msg=f"{call.__name__} {arguments}") as caught:
            call(**arguments)
        code = caught.exception.response["ResponseMetadata"]["HTTPStatusCode"]
        self.assertEqual(code, 403, f"{call.__name__}: {caught.exception}")

    def put(self, key, s3=ADMIN):
        return s3.put_object(Bucket=BUCKET, Key=key, Body=b"x", Tagging="a=b" if s3 is ADMIN else "")

    def test_all_that_the_program_does_is_allowed(self):
        at = {"Bucket": BUCKET, "Key": HERE + "file"}
        first = PLAIN.put_object(**at, Body=b"first", IfNoneMatch="*")["VersionId"]
        PLAIN.put_object(**at, Body=b"second")
        PLAIN.list_objects_v2(Bucket=BUCKET, Prefix=HERE)
        PLAIN.list_object_versions(Bucket=BUCKET, Prefix=HERE)
        PLAIN.head_object(**at)
        self.assertEqual(PLAIN.get_object(**at, VersionId=first)["Body"].read(), b"first")
        self.put(HERE + "tagged")
        source = {"Bucket": BUCKET, "Key": HERE + "tagged"}
        PLAIN.copy_object(Bucket=BUCKET, Key=HERE + "copy", CopySource=source)
        tags = ADMIN.get_object_tagging(Bucket=BUCKET, Key=HERE + "copy")["TagSet"]
        self.assertEqual(tags, [{"Key": "a", "Value": "b"}])
        source = {**source, "Key": HERE + "file", "VersionId": first}
        PLAIN.copy_object(**at, CopySource=source)
        upload = PLAIN.create_multipart_upload(**at)["UploadId"]
        part = PLAIN.upload_part(**at, UploadId=upload, PartNumber=1, Body=b"part")
        PLAIN.upload_part_copy(**at, UploadId=upload, PartNumber=2, CopySource=source)
        PLAIN.list_parts(**at, UploadId=upload)
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        PLAIN.complete_multipart_upload(**at, UploadId=upload, MultipartUpload=parts)
        upload = PLAIN.create_multipart_upload(**at)["UploadId"]
        PLAIN.abort_multipart_upload(**at, UploadId=upload)
        PLAIN.delete_object(**at)

    def test_what_is_not_there_is_a_404_and_no_403(self):
        for s3, key in ((PLAIN, HERE + "none"), (PREFIX, "in/none")):
            with self.assertRaises(ClientError) as caught:
                s3.head_object(Bucket=BUCKET, Key=key)
            self.assertEqual(caught.exception.response["ResponseMetadata"]["HTTPStatusCode"], 404)

    def test_a_temporary_object_goes_for_good_and_a_file_does_not(self):
        version = self.put(TEMPORARY, PLAIN)["VersionId"]
        PLAIN.delete_object(Bucket=BUCKET, Key=TEMPORARY, VersionId=version)
        left = ADMIN.list_object_versions(Bucket=BUCKET, Prefix=TEMPORARY)
        self.assertNotIn("Versions", left)
        version = self.put(HERE + "kept", PLAIN)["VersionId"]
        marker = PLAIN.delete_object(Bucket=BUCKET, Key=HERE + "kept")["VersionId"]
        for each in (version, marker):
            self.refused(PLAIN.delete_object, Bucket=BUCKET, Key=HERE + "kept", VersionId=each)
        left = ADMIN.list_object_versions(Bucket=BUCKET, Prefix=HERE + "kept")
        self.assertEqual((len(left["Versions"]), len(left["DeleteMarkers"])), (1, 1))

    def test_with_the_option_a_file_goes_for_good_below_the_key_prefix_only(self):
        version = self.put("in/file", PREFIX)["VersionId"]
        PREFIX.delete_object(Bucket=BUCKET, Key="in/file", VersionId=version)
        version = self.put("out/file")["VersionId"]
        self.refused(PREFIX.delete_object, Bucket=BUCKET, Key="out/file", VersionId=version)
        for call in (PREFIX.get_object, PREFIX.put_object, PREFIX.delete_object):
            self.refused(call, Bucket=BUCKET, Key="out/file")

    def test_the_bucket_itself_cannot_be_touched(self):
        self.refused(PLAIN.delete_bucket, Bucket=BUCKET)
        self.refused(PLAIN.get_bucket_policy, Bucket=BUCKET)
        self.refused(PLAIN.put_bucket_policy, Bucket=BUCKET, Policy="{}")
        self.refused(PLAIN.delete_bucket_policy, Bucket=BUCKET)
        suspended = {"Status": "Suspended"}
        self.refused(
            PLAIN.put_bucket_versioning, Bucket=BUCKET, VersioningConfiguration=suspended)
        self.refused(PLAIN.get_bucket_versioning, Bucket=BUCKET)
        self.refused(PLAIN.delete_bucket_lifecycle, Bucket=BUCKET)
        self.refused(PLAIN.delete_bucket_encryption, Bucket=BUCKET)
        self.refused(PLAIN.list_multipart_uploads, Bucket=BUCKET)
        self.refused(PLAIN.create_bucket, Bucket="policy-new")
        self.assertEqual(ADMIN.get_bucket_versioning(Bucket=BUCKET)["Status"], "Enabled")

    def test_another_bucket_cannot_be_touched(self):
        ADMIN.create_bucket(Bucket="policy-other")
        self.addCleanup(ADMIN.delete_bucket, Bucket="policy-other")
        ADMIN.put_object(Bucket="policy-other", Key="a", Body=b"x")
        self.addCleanup(ADMIN.delete_object, Bucket="policy-other", Key="a")
        self.refused(PLAIN.list_objects_v2, Bucket="policy-other")
        for call in (PLAIN.get_object, PLAIN.put_object, PLAIN.delete_object):
            self.refused(call, Bucket="policy-other", Key="a")
        source = {"Bucket": "policy-other", "Key": "a"}
        self.refused(PLAIN.copy_object, Bucket=BUCKET, Key=HERE + "a", CopySource=source)
        names = [each["Name"] for each in PLAIN.list_buckets()["Buckets"]]
        self.assertEqual(names, [BUCKET])

    def test_tags_cannot_be_removed(self):
        self.put(HERE + "tags", PLAIN)
        self.refused(PLAIN.delete_object_tagging, Bucket=BUCKET, Key=HERE + "tags")


if __name__ == "__main__":
    unittest.main(verbosity=2)
