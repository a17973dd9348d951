"""scripts/restore on MinIO: 2,000 objects with overwrites and deletes, brought back to a moment.

Run by scripts/restore-test, which starts MinIO and sets its environment.
"""

import datetime
import hashlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "restore"
BUCKET = os.environ["BUCKET_NAME"]
# The program runs as a user with no more than CloudPortfolioRestorePolicy, the tests as another.
S3 = boto3.client("s3", region_name=os.environ["AWS_REGION"],
                  aws_access_key_id=os.environ["ADMIN_AWS_ACCESS_KEY_ID"],
                  aws_secret_access_key=os.environ["ADMIN_AWS_SECRET_ACCESS_KEY"],
                  config=Config(max_pool_connections=16, connect_timeout=5, read_timeout=60))
ADMIN = {name: os.environ[f"ADMIN_{name}"] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
MIB = 1 << 20


def all_of(work, items):
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(work, items))


class Place:
    """A KEY_PREFIX of a test's own, and what ought to be there."""

    def __init__(self):
        self.key_prefix = f"restore-{random.randbytes(8).hex()}/"
        self.folder = tempfile.TemporaryDirectory()
        self.now = {}

    def put(self, key, body=None, kind="text/plain", **more):
        body = random.randbytes(100) if body is None else body
        S3.put_object(Bucket=BUCKET, Key=self.key_prefix + key, Body=body, ContentType=kind,
                      Metadata={"upload-nonce": random.randbytes(8).hex(), "of": "me"}, **more)
        self.now[key] = (hashlib.sha256(body).hexdigest(), kind, "me")

    def put_parts(self, key, body):
        at = {"Bucket": BUCKET, "Key": self.key_prefix + key}
        metadata = {"upload-nonce": random.randbytes(8).hex(), "of": "parts"}
        upload = S3.create_multipart_upload(
            **at, ContentType="video/mp4", Metadata=metadata, Tagging="a=b+c")["UploadId"]
        parts = []
        for number, start in enumerate(range(0, len(body), 5 * MIB), 1):
            part = S3.upload_part(**at, UploadId=upload, PartNumber=number,
                                  Body=body[start:start + 5 * MIB])
            parts.append({"PartNumber": number, "ETag": part["ETag"]})
        S3.complete_multipart_upload(**at, UploadId=upload, MultipartUpload={"Parts": parts})
        self.now[key] = (hashlib.sha256(body).hexdigest(), "video/mp4", "parts")

    def delete(self, key):
        S3.delete_object(Bucket=BUCKET, Key=self.key_prefix + key)
        self.now.pop(key, None)

    def moment(self):
        """A time after all that was done, and before all that will be."""
        made = [each["LastModified"] for each in self.versions().values()]
        at = max(made, default=datetime.datetime.now(datetime.timezone.utc))
        while datetime.datetime.now(datetime.timezone.utc) <= at + datetime.timedelta(seconds=0.01):
            time.sleep(0.001)
        return at.isoformat()

    def versions(self):
        """Everything that was ever there, by version."""
        found = {}
        for page in S3.get_paginator("list_object_versions").paginate(
                Bucket=BUCKET, Prefix=self.key_prefix):
            for each in page.get("Versions", []) + page.get("DeleteMarkers", []):
                found[each["Key"], each["VersionId"]] = each
        return found

    def read(self):
        """What is there."""
        keys = []
        pages = S3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=self.key_prefix)
        for page in pages:
            keys += [each["Key"] for each in page.get("Contents", [])]

        def one(key):
            got = S3.get_object(Bucket=BUCKET, Key=key)
            digest = hashlib.sha256(got["Body"].read()).hexdigest()
            return digest, got["ContentType"], got["Metadata"]["of"]

        keys_read = all_of(one, keys)
        return {key.removeprefix(self.key_prefix): value for key, value in zip(keys, keys_read)}

    def start(self, at, *more, prefix="in/"):
        command = [sys.executable, PROGRAM, "--prefix", prefix, "--at", at, *more]
        return subprocess.Popen(
            command, cwd=self.folder.name, env={**os.environ, "KEY_PREFIX": self.key_prefix},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            # What is started in the background of a script ignores it, and so would this.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))

    def run(self, at, *more, code=0, prefix="in/"):
        process = self.start(at, *more, prefix=prefix)
        out, err = process.communicate(timeout=120)
        assert process.returncode == code, (process.returncode, out, err)
        return json.loads(out) if out else err

    def state(self):
        found = list(pathlib.Path(self.folder.name).glob("restore-*.jsonl"))
        return found[0].read_text().count('"key"') if found else 0


class Restore(unittest.TestCase):
    def setUp(self):
        self.place = Place()
        self.addCleanup(self.place.folder.cleanup)

    def end_in_the_middle(self, at, number, code, least):
        """Starts it, and sends a signal as soon as so many files are done."""
        process = self.place.start(at, "--apply", "--workers", "2")
        while self.place.state() < least:
            self.assertIsNone(process.poll(), "it was done before it could be ended")
            time.sleep(0.002)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, code, err)
        return out

    def test_two_thousand_objects_come_back_also_when_it_is_killed_in_the_middle(self):
        place = self.place
        keys = [f"in/{i % 20}/{i}.txt" for i in range(1987)]
        odd = ["in/a b+c%2F&é#?.txt", "in/ünï/(1)", "in/x", "in/x.y", "in/x y", "in/tagged",
               "in/headers", "in/back-and-forth", "in/parts", "in/empty", "in/new\nline\t<&>\"'",
               "in/%41+%2B", "in/日本 語.txt"]
        all_of(place.put, keys + odd)
        place.put("in/empty", b"")
        place.put("in/tagged", Tagging="a=b")
        large = random.randbytes(11 * MIB)
        place.put_parts("in/parts", large)
        place.put("out/file")
        place.put("in/headers", b"the same")
        all_of(place.put, keys[:200])
        all_of(place.delete, keys[200:300])
        all_of(place.put, keys[200:250])
        at, then = place.moment(), dict(place.now)

        all_of(place.put, keys[100:600])
        all_of(place.put, keys[100:150])
        all_of(place.delete, keys[550:900])
        all_of(place.put, keys[850:900])
        all_of(place.put, keys[250:260])
        all_of(place.put, [f"in/new/{i}" for i in range(100)])
        for key in odd:
            place.put(key, b"the same" if key == "in/headers" else None, "text/html")
        place.delete("in/x")
        body = random.randbytes(10)
        for text in (body, b"0123456789", body):
            place.put("in/back-and-forth", text)
        for _ in range(2):
            place.delete("in/gone-twice")
        place.put("out/file")
        place.put(".cloud-portfolio/uploads/x/state")
        outside = {k: v for k, v in place.now.items() if not k.startswith("in/")}
        expected = {k: v for k, v in then.items() if k.startswith("in/")} | outside
        before_restore, damaged, before = place.moment(), dict(place.now), place.versions()

        plan = place.run(at)["plan"]
        self.assertEqual(place.versions().keys(), before.keys(), "a dry run does nothing")
        # Of 850 changed keys some were not there, and 100 are new; each odd one is another.
        wanted = {k for k in damaged.keys() | expected.keys() if damaged.get(k) != expected.get(k)}
        self.assertEqual(plan["to_copy"] + plan["to_delete"], len(wanted))
        self.assertEqual(plan["to_delete"], len([k for k in wanted if k not in expected]))

        self.end_in_the_middle(at, signal.SIGINT, 130, 50)
        self.end_in_the_middle(at, signal.SIGKILL, -signal.SIGKILL, 200)
        self.assertNotEqual(place.read(), expected)
        report = place.run(at, "--apply", "--copy-at-most", str(5 * MIB))
        self.assertEqual((report["failed"], report["stopped"]), (0, False))
        self.assertLess(report["copied"] + report["deleted"], len(wanted))
        self.assertEqual(place.read(), expected)
        for key, tag in (("in/tagged", "b"), ("in/parts", "b c")):
            tags = S3.get_object_tagging(Bucket=BUCKET, Key=place.key_prefix + key)["TagSet"]
            self.assertEqual(tags, [{"Key": "a", "Value": tag}])
        after = place.versions()
        self.assertLessEqual(before.keys(), after.keys(), "no version is ever removed")
        # Those under way when it was killed may have been made twice.
        self.assertLessEqual(len(after) - len(before), len(wanted) + 2)

        # Again it does nothing, also without what it has written down.
        for more in ((), ("--state", "another")):
            report = place.run(at, "--apply", *more)
            self.assertEqual((report["copied"], report["deleted"]), (0, 0))
        self.assertEqual(place.versions().keys(), after.keys())

        # And a restore can itself be restored.
        place.run(before_restore, "--apply", "--workers", "32")
        self.assertEqual(place.read(), damaged)

    def test_newer_files_are_kept_when_it_is_asked_for(self):
        self.place.put("in/old")
        at, then = self.place.moment(), dict(self.place.now)
        self.place.put("in/old")
        self.place.put("in/new")
        report = self.place.run(at, "--apply", "--keep-newer")
        self.assertEqual((report["copied"], report["deleted"]), (1, 0))
        self.assertEqual(self.place.read(), {**self.place.now, **then})

    def test_a_key_with_more_versions_than_a_page_comes_back(self):
        self.place.put("in/many")
        at, then = self.place.moment(), dict(self.place.now)
        all_of(lambda _: self.place.put("in/many"), range(1100))
        self.place.put("in/many")
        report = self.place.run(at, "--apply")
        self.assertEqual(report["copied"], 1)
        self.assertEqual(self.place.read(), then)

    def test_what_cannot_be_brought_back_is_told_of_and_the_rest_is(self):
        # The user's policy denies writing it.
        keys = ["in/a", "in/denied"]
        all_of(self.place.put, keys)
        at, then = self.place.moment(), dict(self.place.now)
        all_of(self.place.put, keys)
        report = self.place.run(at, "--apply", code=1)
        self.assertEqual((report["copied"], report["failed"]), (1, 1))
        failure, = report["failures"]
        self.assertEqual(failure["key"], self.place.key_prefix + "in/denied")
        self.assertIn("AccessDenied", failure["error"])
        self.assertEqual(self.place.read(), {**self.place.now, "in/a": then["in/a"]})

    def test_a_bucket_without_versions_and_wrong_calls_are_refused(self):
        name = f"restore-{random.randbytes(8).hex()}"
        S3.create_bucket(Bucket=name)
        self.addCleanup(S3.delete_bucket, Bucket=name)
        at = "2026-01-01T00:00:00Z"
        process = subprocess.run(
            [sys.executable, PROGRAM, "--prefix", "", "--at", at, "--apply"],
            env={**os.environ, "BUCKET_NAME": name, **ADMIN}, cwd=self.place.folder.name,
            capture_output=True, text=True, timeout=60)
        self.assertEqual(process.returncode, 1)
        self.assertIn("does not keep versions", process.stderr)
        process = subprocess.run(
            [sys.executable, PROGRAM, "--prefix", "", "--at", at],
            env={**os.environ, "AWS_ACCESS_KEY_ID": "nobody"}, cwd=self.place.folder.name,
            capture_output=True, text=True, timeout=60)
        self.assertEqual((process.returncode, process.stdout), (1, ""))
        self.assertIn("InvalidAccessKeyId", process.stderr)
        self.assertNotIn("Traceback", process.stderr)
        for wrong in (["2026-01-01"], ["yesterday"], ["2999-01-01T00:00:00Z"], [at, "--workers", "0"]):
            self.place.run(*wrong, code=64)

    def test_a_moment_is_the_same_in_every_zone(self):
        self.place.put("in/a")
        at, then = self.place.moment(), dict(self.place.now)
        self.place.put("in/a")
        moment = datetime.datetime.fromisoformat(at)
        east = moment.astimezone(datetime.timezone(datetime.timedelta(hours=5, minutes=30)))
        z = moment.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")
        for text, copied in ((east.isoformat(), 1), (z, 0), (z.replace("T", " ").replace("Z", "z"), 0)):
            self.assertEqual(self.place.run(text, "--apply")["copied"], copied, text)
        self.assertEqual(self.place.read(), then)
        self.assertEqual(len(list(pathlib.Path(self.place.folder.name).glob("restore-*"))), 1)

    def test_a_prefix_is_one_of_names_and_nothing_else_is_touched(self):
        for key in ("in/a", "in/ab", "in/b"):
            self.place.put(key)
        at, then = self.place.moment(), dict(self.place.now)
        for key in then:
            self.place.put(key)
        self.place.run(at, "--apply", prefix="in/a")
        self.assertEqual(
            self.place.read(), {**then, "in/b": self.place.now["in/b"]})


if __name__ == "__main__":
    assert urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL_S3"]).hostname == "127.0.0.1"
    unittest.main(verbosity=2)
