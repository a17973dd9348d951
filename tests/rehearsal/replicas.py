"""Replicas of the program behind haproxy, and clients that never stop writing and reading."""

import contextlib
import http.client
import os
import pathlib
import random
import signal
import socket
import subprocess
import threading
import time

MANIFEST = pathlib.Path(__file__).resolve().parents[2] / "manifests" / "base" / "config.env"
# What a pod gets from its node, and never from the manifest.
OWN = {"HOST": "127.0.0.1", "PORT": "0", "RUST_LOG": "info"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def settings():
    """Those of the manifests, but for where S3 is and which port is free."""
    found = {}
    if MANIFEST.exists():
        for line in MANIFEST.read_text().splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.partition("=")
                found[name] = value
    s3 = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    return {**found, **s3, "BUCKET_NAME": os.environ["BUCKET_NAME"], **OWN}


def request(port, method, path, body=None, headers=None, timeout=10):
    """Status, headers and body of one request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    with contextlib.closing(connection):
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def wait(what, condition, pause=0.002, limit=60):
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(pause)


class Replica:
    def __init__(self, work, port=None):
        self.port = port or free_port()
        self.work, self.process = work, None

    def start(self):
        log = open(self.work / f"replica-{self.port}.log", "ab")
        with log:
            self.process = subprocess.Popen(
                [os.environ["CLOUD_PORTFOLIO_BIN"]], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, env={**settings(), "PORT": str(self.port)})

    def is_ready(self):
        try:
            return request(self.port, "GET", "/ready", timeout=1)[0] == 200
        except OSError:
            return False

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Balancer:
    """haproxy with the checks of the manifests' readiness probe, but each second and without mercy:
    what a Service does when a pod's end is known. It repeats nothing."""

    def __init__(self, work, ports):
        self.port, self.stats = free_port(), work / "haproxy.sock"
        servers = "\n".join(
            f"  server r{port} 127.0.0.1:{port} check inter 1s fall 1 rise 1" for port in ports)
        config = work / "haproxy.cfg"
        config.write_text(f"""
global
  maxconn 1000
  stats socket {self.stats}
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  retries 0
frontend portal
  bind 127.0.0.1:{self.port}
  default_backend replicas
backend replicas
  balance roundrobin
  option httpchk GET /ready
{servers}
""")
        self.process = subprocess.Popen(
            ["haproxy", "-db", "-q", "-f", config], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def up(self):
        """How many replicas get requests."""
        with socket.socket(socket.AF_UNIX) as stats:
            try:
                stats.connect(str(self.stats))
            except OSError:
                return -1
            stats.sendall(b"show stat\n")
            lines = stats.makefile().read().splitlines()
        return sum(line.startswith("replicas,r") and ",UP," in line for line in lines)

    def end(self):
        self.process.terminate()
        self.process.wait()


class Clients:
    """Three of them, each storing a new file and reading it back, again and again."""

    def __init__(self, port):
        self.port = port
        self.stored, self.failed, self.answers = {}, 0, 0
        self.gap = 0.0
        self._last, self._end, self._lock = time.monotonic(), threading.Event(), threading.Lock()
        self.threads = [threading.Thread(target=self._run) for _ in range(3)]
        for thread in self.threads:
            thread.start()

    def _run(self):
        while not self._end.is_set():
            name, body = f"clients/{random.randbytes(8).hex()}", random.randbytes(2000)
            try:
                status = request(self.port, "PUT", f"/files/{name}", body)[0]
                if status == 201:
                    with self._lock:
                        self.stored[name] = body
                    status, _, got = request(self.port, "GET", f"/files/{name}")
                    assert status != 200 or got == body, f"{name} came back as something else"
            except (OSError, http.client.HTTPException):
                status = 0
            with self._lock:
                now = time.monotonic()
                if status in (200, 201):
                    self.gap = max(self.gap, now - self._last)
                    self._last = now
                    self.answers += 1
                else:
                    self.failed += 1
            self._end.wait(0.01)

    def end(self):
        self._end.set()
        for thread in self.threads:
            thread.join()

    def lost(self, port):
        """How many of the files that were acknowledged are not there, or not the same."""
        return sum(request(port, "GET", f"/files/{name}")[::2] != (200, body)
                   for name, body in self.stored.items())
