"""A real S3 server on 127.0.0.1, and a line to it whose bytes are counted, and which can be cut."""

import logging
import os
import socket
import threading
from contextlib import contextmanager, suppress

import av
import boto3
import fsspec
import httpx
import numpy as np
from moto.server import ThreadedMotoServer

BUCKET = "drives"
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}


class Line:
    """A TCP line to a server: counts what comes down it, and can be cut after so many bytes."""

    def __init__(self, to):
        self._to = to
        self.bytes_down = 0
        self.cut_after = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def is_cut(self):
        return self.cut_after is not None and self.bytes_down >= self.cut_after

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self.is_cut:
                near.close()
                continue
            far = socket.create_connection(self._to)
            for one, other, counts in ((near, far, False), (far, near, True)):
                threading.Thread(target=self._pass_on, args=(one, other, counts), daemon=True).start()

    def _pass_on(self, one, other, counts):
        with suppress(OSError):
            while content := one.recv(1 << 14):
                if counts:
                    self.bytes_down += len(content)
                if self.is_cut:
                    break
                other.sendall(content)
        for each in (one, other):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self):
        self._listener.close()


class Store:
    """A bucket on a server, and the line by which this process and its children reach it."""

    def __init__(self, to, line):
        self.line = line
        self._server = url = f"http://{to[0]}:{to[1]}"
        self.client = boto3.client(
            "s3",
            endpoint_url=url,
            aws_access_key_id="somebody",
            aws_secret_access_key="secret",
            region_name="us-east-1",
        )
        self.client.create_bucket(Bucket=BUCKET)
        self.url = f"s3://{BUCKET}"

    def put(self, path, key):
        """Put a file there; returns its address."""
        self.client.upload_file(str(path), BUCKET, key)
        return f"{self.url}/{key}"

    def keys(self, prefix=""):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", ())]

    @contextmanager
    def refusing(self):
        """For a while the server knows nobody's credentials."""
        self._allow("0")
        try:
            yield
        finally:
            self._allow("inf")

    def _allow(self, calls):
        httpx.post(f"{self._server}/moto-api/reset-auth", content=calls).raise_for_status()

    def read(self, key):
        return self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()


@contextmanager
def serving_store():
    """Start a server; the environment names it, as for any user."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    httpx.post(f"http://{host}:{port}/moto-api/reset").raise_for_status()  # servers of one process share their content
    try:
        with reaching((host, port)) as store:
            yield store
    finally:
        server.stop()


@contextmanager
def reaching(server):
    """Make a bucket on a server, given by its host and port, and let the environment name the line to it."""
    # What fsspec has opened before goes to the server of then; and nobody waits for a dead one as long as by default.
    s3 = fsspec.get_filesystem_class("s3")
    s3.clear_instance_cache()
    fsspec.config.conf["s3"] = {"config_kwargs": {"retries": {"max_attempts": 1}}}
    retries, s3.retries = s3.retries, 2
    line = Line(server)
    before = dict(os.environ)
    os.environ.update(_CREDENTIALS, AWS_ENDPOINT_URL=f"http://{line.address[0]}:{line.address[1]}")
    try:
        yield Store(server, line)
    finally:
        fsspec.config.conf.pop("s3")
        s3.retries = retries
        os.environ.clear()
        os.environ.update(before)
        line.close()


def write_noise(path, seconds=60, *, front=False):
    """Write a video of some 250 kB for each second, a key frame every second; its index in front, or at its end."""
    pixels = np.random.default_rng(0).integers(0, 255, (45, 80, 3), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    with av.open(str(path), "w", options={"movflags": "faststart"} if front else {}) as container:
        stream = container.add_stream("libx264", rate=15, options={"preset": "ultrafast", "g": "15"})
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 640, 360, "yuv420p", 2_000_000
        for number in range(15 * seconds):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.roll(pixels, 3 * number, axis=1)), "rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
