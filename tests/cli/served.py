"""served.py - a gromatic serve of a test's own, and requests to it."""
import base64
import http.client
import json
import os
import re
import socket
import subprocess
import time

from program import GROMATIC, scene


class Server:
    """`gromatic serve` on a free port; ready when the constructor returns."""

    def __init__(self, *args):
        env = dict(os.environ, NO_COLOR="1")
        self.process = subprocess.Popen([GROMATIC, "serve", "--port", "0", *args], stderr=subprocess.PIPE, env=env,
                                        text=True)
        self.lines, self.port, self.key = [], None, None
        for line in self.process.stderr:
            self.lines.append(line)
            found = re.search(r"listening on http://[^:]*:(\d+)", line)
            if found:
                self.port = int(found.group(1))
            if "ready" in line:
                return
        raise AssertionError("".join(self.lines))

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def request(self, method, path, body=None, headers=None):
        """(status, headers, bytes)"""
        headers = dict(headers or {})
        if self.key:
            headers.setdefault("Authorization", "Bearer " + self.key)
        if body is not None and not isinstance(body, bytes):
            body, headers = json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
        connection = self.connection()
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def get(self, path, **kwargs):
        status, _, body = self.request("GET", path, **kwargs)
        return status, json.loads(body)

    def post(self, path, body, **kwargs):
        status, _, answer = self.request("POST", path, body, **kwargs)
        return status, json.loads(answer)

    def raw(self, text):
        """What the server answers to these bytes until it closes, or for two seconds."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=2) as s:
            s.sendall(text)
            out = b""
            try:
                while piece := s.recv(65536):
                    out += piece
            except OSError:
                pass
            return out

    def wait_idle(self, seconds):
        """Whether no slot computes any more within that time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not any(slot["is_processing"] for slot in self.get("/slots")[1]):
                return True
            time.sleep(0.02)
        return False

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        rest = self.process.communicate(timeout=60)[1]
        self.lines.append(rest)
        return self.process.returncode


def picture(number):
    with open(scene(number), "rb") as file:
        return base64.b64encode(file.read()).decode()


def message(text, number=None):
    parts = [{"type": "text", "text": text}]
    if number is not None:
        parts.append({"type": "image_url", "image_url": {"url": "data:image/any;base64," + picture(number)}})
    return {"role": "user", "content": parts}


def events(body):
    """The data of server-sent events; the last one is "[DONE]"."""
    found = [block[6:] for block in body.decode().split("\n\n") if block.startswith("data: ")]
    return [json.loads(data) if data != "[DONE]" else data for data in found]
