#!/usr/bin/env python3
"""Load on gromatic serve, and what it costs. Each task starts a server of its own and prints a line of JSON.

    bench/serve/load.py connections [--number 1000]   slow readers, half-sent bodies, clients that go: memory, CPU
    bench/serve/load.py together [--clients 16]       questions on one ready picture, at once and one after another
    bench/serve/load.py health                        how long /health takes meanwhile
    bench/serve/load.py soak [--seconds 1200]         mixed requests, 14.4 a second: growth of memory, descriptors, threads

--gromatic PROGRAM (default build/release/gromatic), --model MODEL (default: the embedded one), --picture FILE.
connections and soak fail (exit 1) where the server does not come back to where it was.
"""
import argparse
import base64
import http.client
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCENES = os.path.join(ROOT, "tests", "data", "world", "scenes", "images")
RATE = 17280 / 1200  # requests a second: a day of one every five seconds, in 20 minutes
QUESTIONS = ["What is in the picture?", "Where is the largest thing?", "What is on the left?", "What is on the right?",
             "Describe the picture.", "What colours are there?", "What is in the middle?", "How many things are there?",
             "What is at the top?", "What is at the bottom?", "Is there an animal?", "Is there something to eat?",
             "What is the smallest thing?", "Give me a concise description of the image.", "Name all things.",
             "What is behind the others?"]


class Server:
    def __init__(self, options, *more):
        args = [options.gromatic, "serve", "--port", "0", "--quiet", *more]
        if options.model:
            args += ["-m", options.model]
        self.process = subprocess.Popen(args, stderr=subprocess.PIPE, text=True)
        self.port = None
        for line in self.process.stderr:
            found = re.search(r"listening on http://[^:]*:(\d+)", line)
            self.port = int(found.group(1)) if found else self.port
            if "ready" in line:
                break
        else:
            sys.exit("the server did not start")
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=600)

    def request(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        try:
            data = None if body is None else json.dumps(body).encode()
            connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def state(self):
        """Memory in MiB, descriptors, threads, seconds of CPU."""
        pid = self.process.pid
        with open(f"/proc/{pid}/status") as file:
            fields = dict(line.split(":", 1) for line in file)
        with open(f"/proc/{pid}/stat") as file:
            times = file.read().rpartition(")")[2].split()
        return {"mib": round(int(fields["VmRSS"].split()[0]) / 1024, 1), "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
                "threads": int(fields["Threads"]), "cpu": (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")}

    def wait_idle(self, seconds=600):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not any(slot["is_processing"] for slot in json.loads(self.request("GET", "/slots")[1])):
                return
            time.sleep(0.05)

    def stop(self):
        self.process.terminate()
        return self.process.wait(timeout=120)


def encoded(path):
    with open(path, "rb") as file:
        return base64.b64encode(file.read()).decode()


def talk(image, question, **more):
    url = image if image.startswith("sha256:") else "data:image/any;base64," + image
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": question},
                                                      {"type": "image_url", "image_url": {"url": url}}]}], **more}


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


# ---- connections ----


def head(path, size):
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n".encode()


def open_one(server, kind, body):
    s = server.connect()
    if kind == "reader":  # asks for much and reads a byte
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
        s.recv(1)
    elif kind == "half":
        s.sendall(head("/v1/detect", len(body)) + body[:len(body) // 2])
    elif kind == "leaver":  # its request is complete, and it does not wait
        s.sendall(head("/v1/chat/completions", len(body)) + body)
    return s


def connections(options):
    server = Server(options)
    image = encoded(options.picture)
    body = json.dumps(talk(image, QUESTIONS[0])).encode()
    server.request("POST", "/v1/chat/completions", talk(image, QUESTIONS[0]))
    before = server.state()
    kinds = ["reader", "half", "leaver", "silent"]
    opened = [open_one(server, kinds[i % 4], body) for i in range(options.number)]
    time.sleep(1)
    during = server.state()
    health = time.perf_counter()
    status = server.request("GET", "/health")[0]
    health = time.perf_counter() - health
    for s in opened:
        s.close()
    time.sleep(1)
    first = server.state()
    time.sleep(1)
    after = server.state()
    answered = server.request("POST", "/v1/detect", {"image": image})[0]
    result = {"task": "connections", "number": options.number, "before": before, "during": during, "after": after,
              "cpu_share_after_a_second": round(after["cpu"] - first["cpu"], 3), "health": status, "health_s": round(health, 4),
              "then": answered, "exit": server.stop()}
    print(json.dumps(result))
    left = after["descriptors"] - before["descriptors"]
    return status == answered == 200 and left <= 2 and result["cpu_share_after_a_second"] < 0.05


# ---- together ----


def ask(server, image, question, tokens, out):
    """Appends (tokens, seconds until the first word)."""
    began = time.perf_counter()
    s = server.connect()
    body = json.dumps(talk(image, question, stream=True, max_tokens=tokens, stream_options={"include_usage": True})).encode()
    s.sendall(head("/v1/chat/completions", len(body)).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + body)
    first, data = None, b""
    while piece := s.recv(65536):
        data += piece
        if first is None and b'"content":"' in data:
            first = time.perf_counter() - began
    s.close()
    used = re.search(rb'"completion_tokens":\s*(\d+)', data)
    out.append((int(used.group(1)) if used else 0, first if first is not None else time.perf_counter() - began))


def at_once(server, image, questions, tokens):
    got = []
    threads = [threading.Thread(target=ask, args=(server, image, q, tokens, got)) for q in questions]
    began = time.perf_counter()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return got, time.perf_counter() - began


def measure(got, seconds):
    return {"tokens": sum(n for n, _ in got), "seconds": round(seconds, 3),
            "tokens_a_second": round(sum(n for n, _ in got) / seconds, 2),
            "first_word_median_s": round(statistics.median(f for _, f in got), 3)}


def together(options):
    server = Server(options)
    image = encoded(options.picture)
    questions = [QUESTIONS[i % len(QUESTIONS)] for i in range(options.clients)]
    ask(server, image, QUESTIONS[0], 1, [])  # now the picture is ready
    alone, began = [], time.perf_counter()
    for question in questions:
        ask(server, image, question, options.tokens, alone)
    alone = measure(alone, time.perf_counter() - began)
    all_at_once = measure(*at_once(server, image, questions, options.tokens))
    server.stop()
    print(json.dumps({"task": "together", "clients": options.clients, "one_after_another": alone, "at_once": all_at_once,
                      "times": round(all_at_once["tokens_a_second"] / alone["tokens_a_second"], 2)}))
    return True


# ---- health ----


def health(options):
    server = Server(options)
    images = [encoded(os.path.join(SCENES, name)) for name in sorted(os.listdir(SCENES))[:options.clients]]
    over, seconds = threading.Event(), []

    def load(image):
        while not over.is_set():
            ask(server, image, random.choice(QUESTIONS), options.tokens, [])

    threads = [threading.Thread(target=load, args=(image,)) for image in images]
    for t in threads:
        t.start()
    end = time.monotonic() + min(options.seconds, 60)
    while time.monotonic() < end:
        began = time.perf_counter()
        assert server.request("GET", "/health")[0] == 200
        seconds.append(time.perf_counter() - began)
        time.sleep(0.05)
    over.set()
    for t in threads:
        t.join()
    server.stop()
    print(json.dumps({"task": "health", "clients": options.clients, "asked": len(seconds),
                      "median_ms": round(1e3 * statistics.median(seconds), 2),
                      "p99_ms": round(1e3 * percentile(seconds, 0.99), 2), "max_ms": round(1e3 * max(seconds), 2)}))
    return True


# ---- soak ----


def leave(server, body):
    data = json.dumps(body).encode()
    s = server.connect()
    s.sendall(head("/v1/chat/completions", len(data)) + data)
    time.sleep(random.random() * 0.1)
    s.close()
    return 0


def mixed(server, images, rng):
    """One request of the mix; its status (0: the client went)."""
    image = rng.choice(images)
    return rng.choice([
        lambda: server.request("POST", "/v1/detect", {"image": image})[0],
        lambda: server.request("POST", "/v1/ground", {"image": image, "phrases": ["a dog", "a crown"]})[0],
        lambda: server.request("POST", "/v1/describe", {"image": image, "boxes": [[10, 10, 90, 90]], "max_tokens": 12})[0],
        lambda: server.request("POST", "/v1/classify", {"image": image, "classes": ["a dog", "a crown", "a car"], "crops": 4})[0],
        lambda: server.request("POST", "/v1/label", {"image": image, "classes": ["a dog", "a crown"], "crops": 2})[0],
        lambda: server.request("POST", "/v1/chat/completions", talk(image, rng.choice(QUESTIONS), max_tokens=12))[0],
        lambda: server.request("POST", "/v1/chat/completions", talk(image, rng.choice(QUESTIONS), max_tokens=12, stream=True))[0],
        lambda: leave(server, talk(image, rng.choice(QUESTIONS))),
        lambda: server.request("POST", "/v1/detect", {"image": image[:400]})[0],
        lambda: server.request("GET", "/metrics")[0],
    ])()


def soak(options):
    server = Server(options, "--memory", "64M")
    images = [encoded(os.path.join(SCENES, name)) for name in sorted(os.listdir(SCENES))[:options.pictures]]
    for image in images:  # every picture and every kind of work is known before memory is looked at
        at_once(server, image, QUESTIONS, 12)
        for _ in range(10):
            mixed(server, [image], random.Random(image))
    server.wait_idle()
    idle = server.state()
    counts, lock, number = {}, threading.Lock(), [0]
    wanted = round(RATE * options.seconds)
    began = time.monotonic()

    def client(seed):
        rng = random.Random(seed)
        while True:
            with lock:
                mine = number[0]
                number[0] += 1
            if mine >= wanted:
                return
            time.sleep(max(0, began + mine / RATE - time.monotonic()))
            status = mixed(server, images, rng)
            with lock:
                counts[status] = counts.get(status, 0) + 1

    threads = [threading.Thread(target=client, args=(n,)) for n in range(options.clients)]
    for t in threads:
        t.start()
    time.sleep(options.seconds / 10)  # minute 2 of 20
    early = server.state()
    for t in threads:
        t.join()
    seconds = time.monotonic() - began
    server.wait_idle()
    time.sleep(1)
    late = server.state()
    growth = round(100 * (late["mib"] / early["mib"] - 1), 2)
    code = server.stop()
    bad = sum(n for status, n in counts.items() if status >= 500)
    print(json.dumps({"task": "soak", "requests": wanted, "seconds": round(seconds, 1), "by_status": counts, "idle": idle, "early": early,
                      "late": late, "growth_percent": growth, "exit": code}))
    return code == 0 and bad == 0 and growth <= options.growth and late["threads"] == idle["threads"] and \
        late["descriptors"] <= idle["descriptors"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = {"connections": connections, "together": together, "health": health, "soak": soak}
    parser.add_argument("task", choices=tasks)
    parser.add_argument("--gromatic", default=os.path.join(ROOT, "build", "release", "gromatic"))
    parser.add_argument("--model")
    parser.add_argument("--picture", default=os.path.join(SCENES, "064.jpg"))
    parser.add_argument("--number", type=int, default=1000, help="connections")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=64, help="most tokens of an answer")
    parser.add_argument("--seconds", type=float, default=1200)
    parser.add_argument("--pictures", type=int, default=16, help="soak: how many there are")
    parser.add_argument("--growth", type=float, default=2, help="soak: per cent that memory may grow by; it settles within a minute, so a short run wants more")
    options = parser.parse_args()
    sys.exit(0 if tasks[options.task](options) else 1)


if __name__ == "__main__":
    main()
