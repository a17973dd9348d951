"""An upload portal in front of S3 as it is usually written with Flask and boto3: what this project
replaces, as a peer for its load harness. Run by gunicorn, with 2 workers of 4 threads each:

    gunicorn --workers 2 --threads 4 --timeout 60 app:app

Settings are those of the project: BUCKET_NAME, AWS_REGION, and what boto3 reads by itself
(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL_S3).
"""

import logging
import os

import boto3
from boto3.exceptions import S3UploadFailedError
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from flask import Flask, jsonify, render_template, request
from werkzeug.utils import secure_filename

logging.basicConfig(
    level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
)

BUCKET = os.environ["BUCKET_NAME"]

# One client for each worker process: gunicorn imports this after it has forked, and a client may be
# shared by threads. Four requests at once, each with the transfer manager's ten connections for
# the parts of a large file, and room to spare.
s3 = boto3.client(
    "s3",
    region_name=os.environ.get("AWS_REGION", "us-east-1"),
    config=Config(max_pool_connections=50, s3={"addressing_style": "path"}),
)

app = Flask(__name__)


@app.get("/")
def index():
    return render_template("index.html")


@app.get("/health")
def health():
    return jsonify(status="ok")


@app.get("/ready")
def ready():
    # Asks S3 nothing: several probes a minute of every replica would be calls to pay for.
    return jsonify(status="ready")


@app.get("/files")
def list_files():
    limit = request.args.get("limit", default=1000, type=int)
    query = {
        "Bucket": BUCKET,
        "Prefix": request.args.get("prefix", ""),
        "MaxKeys": max(1, min(limit, 1000)),
    }
    if cursor := request.args.get("cursor"):
        query["ContinuationToken"] = cursor
    page = s3.list_objects_v2(**query)
    files = [
        {
            "key": item["Key"],
            "size": item["Size"],
            "etag": item["ETag"].strip('"'),
            "last_modified": item["LastModified"].isoformat(),
        }
        for item in page.get("Contents", [])
    ]
    return jsonify(files=files, cursor=page.get("NextContinuationToken"))


@app.post("/upload")
def upload():
    files = [file for file in request.files.getlist("file") if file.filename]
    if not files:
        return jsonify(error="There is no file in the form."), 400
    prefix = request.args.get("prefix", request.form.get("prefix", "")).strip("/")
    stored = []
    for file in files:
        name = secure_filename(file.filename)
        if not name:
            return jsonify(error="That file name cannot be used."), 400
        key = f"{prefix}/{name}" if prefix else name
        # boto3 closes the file when it has sent it.
        size = file.stream.seek(0, os.SEEK_END)
        file.stream.seek(0)
        s3.upload_fileobj(
            file.stream, BUCKET, key, ExtraArgs={"ContentType": file.mimetype}
        )
        stored.append({"key": key, "size": size})
    return jsonify(files=stored), 201


@app.errorhandler(BotoCoreError)
@app.errorhandler(ClientError)
@app.errorhandler(S3UploadFailedError)
def store_failed(error):
    app.logger.error("S3: %s", error)
    return jsonify(error="The store failed."), 502
