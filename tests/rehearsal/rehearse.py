"""Ends things as in docs/disaster-recovery.md, and measures until they work again.

Run by scripts/rehearse: rehearse.py WORK [JSON].
"""

import base64
import datetime
import json
import os
import pathlib
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from replicas import Balancer, Clients, Replica, request, wait

RESTORE = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "restore"
FILES = 2000
# Seconds; those of the document.
AT_MOST = {"pod": 60, "node": 180, "cluster": 1800, "data": 600}
TUS = {"Tus-Resumable": "1.0.0"}


def all_of(work, items):
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(work, items))


def kill_and_replace(balancer, replicas, gone):
    """Kills these under load, lets the others serve for a while, starts them again; the figures."""
    clients = Clients(balancer.port)
    wait("some traffic", lambda: clients.answers > 50)
    clients.gap = 0.0
    before, answers = clients.failed, clients.answers
    for replica in gone:
        replica.kill()
    # How long the cluster needs to start others no rehearsal on one machine can tell.
    wait("the balancer", lambda: balancer.up() == 3 - len(gone))
    wait("traffic without them", lambda: clients.answers > answers + 300)
    began = time.monotonic()
    for replica in gone:
        replica.start()
    wait("readiness", lambda: all(replica.is_ready() for replica in gone))
    seconds = time.monotonic() - began
    wait("the balancer", lambda: balancer.up() == 3)
    answers = clients.answers
    wait("traffic after it", lambda: clients.answers > answers + 300)
    clients.end()
    return {"seconds": seconds, "gap": clients.gap, "failed": clients.failed - before,
            "lost": clients.lost(balancer.port), "of": len(clients.stored)}


def begin_upload(port, body):
    metadata = "filename " + base64.b64encode(b"open.bin").decode()
    status, headers, _ = request(
        port, "POST", "/uploads", body[:6_000_000],
        {**TUS, "Upload-Length": str(len(body)), "Upload-Metadata": metadata,
         "Content-Type": "application/offset+octet-stream"}, timeout=60)
    assert status == 201, status
    return headers["Location"]


def go_on(port, path, body):
    """Finishes it; how many acknowledged bytes were gone."""
    _, headers, _ = request(port, "HEAD", path, headers=TUS)
    offset = int(headers["Upload-Offset"])
    status, _, _ = request(
        port, "PATCH", path, body[offset:],
        {**TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"},
        timeout=60)
    assert status == 204, status
    assert request(port, "GET", "/files/open.bin", timeout=60)[2] == body
    return 6_000_000 - offset


def lose_the_cluster(work, replicas, files):
    """All at once; then three new ones, which know nothing but their settings."""
    body = random.randbytes(20_000_000)
    path = begin_upload(replicas[0].port, body)
    for replica in replicas:
        replica.kill()
    began = time.monotonic()
    fresh = [Replica(work) for _ in range(3)]
    for replica in fresh:
        replica.start()
    wait("readiness", lambda: all(replica.is_ready() for replica in fresh))
    seconds = time.monotonic() - began
    port = fresh[1].port
    lost = sum(all_of(
        lambda name: request(port, "GET", f"/files/{name}")[::2] != (200, files[name]), files))
    return fresh, {"seconds": seconds, "lost": lost, "of": len(files),
                   "upload_bytes_lost": go_on(port, path, body)}


def lose_the_data(work, port, files):
    """Everything is deleted through the API, and brought back."""
    at = datetime.datetime.now(datetime.timezone.utc).isoformat()
    # S3 dates by whole seconds elsewhere; MinIO by milliseconds.
    time.sleep(0.01)
    names = list(files)
    for start in range(0, len(names), 1000):
        keys = json.dumps({"keys": names[start:start + 1000]})
        status, _, _ = request(port, "POST", "/files?delete", keys,
                               {"Content-Type": "application/json"}, timeout=120)
        assert status == 200, status
    assert request(port, "GET", f"/files/{names[0]}")[0] == 404
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, RESTORE, "--prefix", "data/", "--at", at, "--apply"],
        cwd=work, check=True, capture_output=True, text=True, timeout=600)
    seconds = time.monotonic() - began
    report = json.loads(done.stdout)
    lost = sum(all_of(
        lambda name: request(port, "GET", f"/files/{name}")[::2] != (200, files[name]), names))
    return {"seconds": seconds, "restored": report["copied"], "lost": lost, "of": len(files)}


def main():
    work = pathlib.Path(sys.argv[1])
    replicas = [Replica(work) for _ in range(3)]
    balancer = Balancer(work, [replica.port for replica in replicas])
    try:
        for replica in replicas:
            replica.start()
        wait("readiness", lambda: all(replica.is_ready() for replica in replicas))
        files = {f"data/{i % 20}/{i}.bin": random.randbytes(4096) for i in range(FILES)}
        all_of(lambda name: request(replicas[0].port, "PUT", f"/files/{name}", files[name]), files)
        wait("the balancer", lambda: balancer.up() == 3)
        figures = {
            "pod": kill_and_replace(balancer, replicas, replicas[:1]),
            "node": kill_and_replace(balancer, replicas, replicas[:2]),
        }
        replicas, figures["cluster"] = lose_the_cluster(work, replicas, files)
        figures["data"] = lose_the_data(work, replicas[0].port, files)
    finally:
        for replica in replicas:
            if replica.process and replica.process.poll() is None:
                replica.kill()
        balancer.end()

    rows = [("what is lost", "ready again", "longest pause", "requests failed", "files lost")]
    for name, title in (("pod", "1 of 3 replicas"), ("node", "2 of 3 replicas"),
                        ("cluster", "all, new ones on the bucket"), ("data", f"{FILES:,} files")):
        row = figures[name]
        rows.append((
            title,
            f"{row['seconds']:.2f} s",
            f"{row['gap']:.2f} s" if "gap" in row else "",
            f"{row['failed']}" if "failed" in row else "",
            f"{row['lost']} of {row['of']:,}",
        ))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("| " + " | ".join(text.ljust(width) for text, width in zip(row, widths)) + " |")
        if row is rows[0]:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    print("an upload of 20 MB went on at a new replica; acknowledged bytes lost:",
          figures["cluster"]["upload_bytes_lost"])
    if len(sys.argv) > 2:
        pathlib.Path(sys.argv[2]).write_text(json.dumps(figures, indent=2) + "\n")
    slow = [name for name, row in figures.items() if row["seconds"] > AT_MOST[name]]
    lost = [name for name, row in figures.items() if row["lost"]]
    if slow or lost or figures["cluster"]["upload_bytes_lost"]:
        sys.exit(f"too slow: {slow}; lost files: {lost}")


if __name__ == "__main__":
    main()
