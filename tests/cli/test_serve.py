"""gromatic serve: its answers are those of the program, in the forms that clients expect."""
import hashlib
import json
import os
import signal
import tempfile
import threading
import time
import unittest

from program import DATA, lines, run, scene
from served import Server, events, message, picture

CAPTION = "Give me a concise description of the image."


def setUpModule():
    global server
    server = Server()


def tearDownModule():
    assert server.stop() == 0, server.lines


class State(unittest.TestCase):
    def test_health_models_props_slots(self):
        self.assertEqual(server.get("/health"), (200, {"status": "ok"}))
        self.assertEqual(server.get("/v1/health"), (200, {"status": "ok"}))
        models = server.get("/v1/models")[1]
        self.assertEqual([m["id"] for m in models["data"]], ["groma-mini", "clip-mini"])
        self.assertIn("image", models["data"][0]["architecture"]["input_modalities"])
        props = server.get("/props")[1]
        self.assertTrue(props["modalities"]["vision"])
        self.assertEqual(props["total_slots"], 16)
        self.assertEqual(len(server.get("/slots")[1]), 16)

    def test_metrics_count(self):
        server.post("/v1/detect", {"image": picture(3)})
        text = server.request("GET", "/metrics")[2].decode()
        values = dict(line.split() for line in text.splitlines() if not line.startswith("#"))
        self.assertGreater(float(values["gromatic_requests_total"]), 0)
        self.assertGreater(float(values["gromatic_scenes"]), 0)
        self.assertEqual(float(values["gromatic_running"]), 0)


class Ours(unittest.TestCase):
    def same(self, answer, program, *members):
        for member in members:
            self.assertEqual(answer[member], program[member])

    def test_detect_is_the_programs(self):
        for number in (0, 1, 2):  # PNG, JPEG, WebP
            status, answer = server.post("/v1/detect", {"image": picture(number), "conf": 0.3})
            self.assertEqual(status, 200, answer)
            self.same(answer, lines("detect", scene(number), "--conf", "0.3")[0], "regions")

    def test_ground_is_the_programs(self):
        body = {"image": picture(64), "phrases": ["a dog", "a crown"], "all": True, "box_format": "xywh"}
        program = lines("ground", "--all", "--box-format", "xywh", "--phrase", "a dog", "--phrase", "a crown", scene(64))[0]
        self.same(server.post("/v1/ground", body)[1], program, "results", "box_format")

    def test_describe_is_the_programs(self):
        body = {"image": picture(64), "boxes": [[33.8, 18.2, 102.8, 76.4], [2.4, 150, 56, 206]], "raw": True}
        program = lines("describe", scene(64), "--raw", "--box", "33.8,18.2,102.8,76.4", "--box", "2.4,150,56,206")[0]
        self.same(server.post("/v1/describe", body)[1], program, "results")

    def test_classify_is_the_programs(self):
        for method in ("wca", "clip", "wca-released"):
            body = {"image": picture(64), "classes": ["a dog", "a crown", "a car"], "method": method, "top": 2}
            status, answer = server.post("/v1/classify", body)
            self.assertEqual(status, 200, answer)
            program = lines("classify", scene(64), "--classes", "a dog,a crown,a car", "--method", method, "--top", "2")[0]
            self.same(answer, program, "results", "notice")
        for more in ({"method": "cupl"}, {"method": 1}, {"classes": []}, {"classes": ["a", "a"]}, {"top": -1}):
            body = {"image": picture(64), "classes": ["a dog", "a crown"], **more}
            self.assertEqual(server.post("/v1/classify", body)[0], 400, more)

    def test_detection_as_localai(self):
        found = server.post("/v1/detection", {"image": picture(64), "prompt": "a crown"})[1]["detections"]
        program = lines("ground", "--all", scene(64), "a crown")[0]["results"][0]["regions"]
        self.assertEqual(len(found), len(program))
        x1, y1, x2, y2 = program[0]["box"]
        best = found[0]
        for value, wanted in ((best["x"], x1), (best["y"], y1), (best["width"], x2 - x1), (best["height"], y2 - y1)):
            self.assertAlmostEqual(value, wanted, delta=0.011)  # the program rounds each edge to 1/100
        self.assertEqual(best["class_name"], "a crown")

    def test_multipart(self):
        with open(scene(64), "rb") as file:
            data = file.read()
        body = (b'--b\r\nContent-Disposition: form-data; name="phrases"\r\n\r\n["a crown"]\r\n'
                b'--b\r\nContent-Disposition: form-data; name="image"; filename="x.jpg"\r\n\r\n' + data +
                b"\r\n--b--\r\n")
        status, _, answer = server.request("POST", "/v1/ground", body,
                                           {"Content-Type": "multipart/form-data; boundary=b"})
        self.assertEqual(status, 200, answer)
        self.same(json.loads(answer), lines("ground", scene(64), "a crown")[0], "results")

    def test_an_id_stands_for_the_picture(self):
        with open(scene(64), "rb") as file:
            wanted = "sha256:" + hashlib.sha256(file.read()).hexdigest()
        first = server.post("/v1/detect", {"image": picture(64)})[1]
        self.assertEqual(first["image"]["id"], wanted)
        again = server.post("/v1/detect", {"image": wanted})[1]
        self.assertEqual(again, first)
        self.assertEqual(server.post("/v1/detect", {"image": "sha256:" + 64 * "0"})[0], 404)


class Chat(unittest.TestCase):
    def ask(self, messages, **more):
        return server.post("/v1/chat/completions", {"messages": messages, **more})

    def test_whole(self):
        program = lines("caption", scene(64))[0]
        status, answer = self.ask([message(CAPTION, 64)], model="groma-mini")
        self.assertEqual(status, 200, answer)
        choice = answer["choices"][0]
        self.assertEqual(choice["message"]["content"], program["text"])
        self.assertEqual(choice["message"]["grounding"], program["grounding"])
        self.assertEqual(choice["finish_reason"], "stop")
        usage = answer["usage"]
        self.assertEqual(usage["total_tokens"], usage["prompt_tokens"] + usage["completion_tokens"])
        self.assertEqual(self.ask([message(CAPTION, 64)])[1]["choices"], answer["choices"])

    def test_streamed_is_the_whole_in_pieces(self):
        whole = self.ask([message(CAPTION, 64)])[1]["choices"][0]["message"]
        body = {"messages": [message(CAPTION, 64)], "stream": True, "stream_options": {"include_usage": True}}
        status, headers, raw = server.request("POST", "/v1/chat/completions", body)
        self.assertEqual((status, headers["Content-Type"]), (200, "text/event-stream"))
        chunks = events(raw)
        self.assertEqual(chunks[-1], "[DONE]")
        self.assertEqual(chunks[-2]["choices"], [])
        self.assertGreater(chunks[-2]["usage"]["completion_tokens"], 0)
        deltas = [c["choices"][0]["delta"] for c in chunks[:-2]]
        self.assertEqual("".join(d.get("content", "") for d in deltas), whole["content"])
        self.assertEqual([g for d in deltas for g in d.get("grounding", [])], whole["grounding"])
        self.assertEqual(chunks[-3]["choices"][0]["finish_reason"], "stop")
        # A phrase comes as soon as it is closed: after its own words and before the next ones.
        first = next(i for i, d in enumerate(deltas) if "grounding" in d)
        said = "".join(d.get("content", "") for d in deltas[:first])
        self.assertEqual(len(said.encode()), whole["grounding"][0]["span"][1])

    def test_turns(self):
        first = self.ask([message(CAPTION, 64)])[1]["choices"][0]["message"]
        talk = [message(CAPTION, 64), first, message("What is in the picture?")]
        status, answer = self.ask(talk)
        self.assertEqual(status, 200, answer)
        program = lines("chat", scene(64), "-p", CAPTION, "-p", "What is in the picture?")[1]
        self.assertEqual(answer["choices"][0]["message"]["content"], program["text"])

    def test_stop_length_and_grounding(self):
        whole = self.ask([message(CAPTION, 64)])[1]["choices"][0]["message"]["content"]
        cut = self.ask([message(CAPTION, 64)], stop=[" and", "zebra"])[1]["choices"][0]
        self.assertEqual(cut["message"]["content"], whole.split(" and")[0])
        self.assertEqual(cut["finish_reason"], "stop")
        short = self.ask([message(CAPTION, 64)], max_tokens=3)[1]
        self.assertEqual(short["choices"][0]["finish_reason"], "length")
        self.assertEqual(short["usage"]["completion_tokens"], 3)
        plain = self.ask([message(CAPTION, 64)], grounding=False)[1]["choices"][0]["message"]
        self.assertEqual(plain["content"], lines("chat", scene(64), "--no-grounding", "-p", CAPTION)[0]["text"])

    def test_never_a_blind_answer(self):
        for messages in ([message(CAPTION)], [], "x", [message(CAPTION, 64), message(CAPTION, 64)],
                         [message("", 64)], [{"role": "robot", "content": "x"}],
                         [{"role": "user", "content": [{"type": "input_audio"}]}],
                         [message(CAPTION, 64)] + [{"role": "assistant", "content": "x"}],
                         [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": u}}
                                                       for u in (picture(1), picture(2))]}]):
            status, answer = self.ask(messages)
            self.assertEqual(status, 400, messages)
            self.assertEqual(answer["error"]["type"], "invalid_request_error")
        status, answer = self.ask([message(CAPTION, 64)], model="gpt-4o")
        self.assertEqual((status, answer["error"]["code"]), (400, "model_not_found"))


class Faults(unittest.TestCase):
    def test_pictures(self):
        with open(scene(1), "rb") as file:
            cut = file.read()[:2000]
        import base64
        for image, status in (("x", 400), ("data:image/png,abc", 400), (base64.b64encode(b"GIF89a" * 9).decode(), 400),
                              (base64.b64encode(cut).decode(), 400), ("http://127.0.0.1/x.png", 400),
                              ("file:///etc/passwd", 400), ("/etc/passwd", 400), (7, 400), ("", 400)):
            got, answer = server.post("/v1/detect", {"image": image})
            self.assertEqual(got, status, answer)
            self.assertIn("message", answer["error"])
        self.assertEqual(server.post("/v1/detect", {})[0], 400)

    def test_members(self):
        for more in ({"conf": 2}, {"conf": "x"}, {"box_format": "abc"}, {"raw": 1}, {"model": 3}):
            self.assertEqual(server.post("/v1/detect", {"image": picture(1), **more})[0], 400, more)
        for boxes in (None, [], [[1, 2, 3]], [[1, 2, 3, "x"]], [[0.1, 0.1, 0.5, 0.5]], [[900, 900, 950, 950]], 5):
            self.assertEqual(server.post("/v1/describe", {"image": picture(1), "boxes": boxes})[0], 400, boxes)
        for phrases in (None, [], [""], [" "], [3], {"a": 1}, ["x"] * 1025, ["a\0b"]):
            self.assertEqual(server.post("/v1/ground", {"image": picture(1), "phrases": phrases})[0], 400, phrases)

    def test_members_that_are_not_known(self):
        for path, more in (("detect", {"phrases": ["x"]}), ("detect", {"max_tokens": 5}), ("ground", {"phrases": ["x"], "max_dets": 1}),
                           ("describe", {"boxes": [[1, 2, 90, 90]], "classes": ["x"]}),
                           ("classify", {"classes": ["a", "b"], "conf": 0.5})):
            status, answer = server.post("/v1/" + path, {"image": picture(1), **more})
            self.assertEqual(status, 400, more)
            self.assertIn(f"'{list(more)[-1]}'", answer["error"]["message"])
            self.assertIn("it takes image, model", answer["error"]["message"])
        self.assertEqual(server.post("/v1/detection", {"image": picture(1), "prompt": ["a", "b"]})[0], 400)
        for more in ({"max_tokens": 2.5}, {"seed": 0.5}):
            body = {"image": picture(1), "boxes": [[1, 2, 90, 90]], **more}
            self.assertEqual(server.post("/v1/describe", body)[0], 400, more)

    def test_model_of_classify_is_the_clip(self):
        body = {"image": picture(1), "classes": ["a", "b"], "method": "clip"}
        self.assertEqual(server.post("/v1/classify", {**body, "model": "clip-mini"})[0], 200)
        status, answer = server.post("/v1/classify", {**body, "model": "groma-mini"})
        self.assertEqual((status, answer["error"]["code"]), (400, "model_not_found"))

    def test_forms(self):
        def part(name, content, more=b""):
            return b'--b\r\nContent-Disposition: form-data; name="' + name + b'"' + more + b"\r\n\r\n" + content + b"\r\n"

        with open(scene(1), "rb") as file:
            image = part(b"image", file.read(), b'; filename="x"')
        many = b"[" + b"1," * 60000 + b"1]"
        for parts, words in ((part(b"\xff", b"1") + image, "UTF-8"), (part(b"model", b"groma-mini\0x") + image, "zero byte"),
                             (part(b"conf", b"0.5") + part(b"json", b'{"conf": 0.4}') + image, "in another part too"),
                             (part(b"a", many) + part(b"b", many) + image, "100000 values"),
                             (part(b"image", picture(1).encode()) + image, "wanted one of them")):
            status, _, answer = server.request("POST", "/v1/detect", parts + b"--b--\r\n",
                                               {"Content-Type": "multipart/form-data; boundary=b"})
            self.assertEqual(status, 400, words)
            self.assertIn(words, json.loads(answer)["error"]["message"])
        talk = part(b"messages", json.dumps([message(CAPTION, 64)]).encode()) + image
        status, _, answer = server.request("POST", "/v1/chat/completions", talk + b"--b--\r\n",
                                           {"Content-Type": "multipart/form-data; boundary=b"})
        self.assertEqual(status, 400, answer)

    def test_bodies(self):
        deep = b'{"image":' + b"[" * 65 + b"]" * 65 + b"}"
        many = b'{"image":[' + b"1," * 100001 + b"1]}"
        for body in (b"", b"{", b"[]", b"\xff", b'{"a":1,"a":2}', deep, many):
            status, _, answer = server.request("POST", "/v1/detect", body, {"Content-Type": "application/json"})
            self.assertEqual(status, 400, body[:20])
            self.assertEqual(json.loads(answer)["error"]["code"], "bad_argument")
        for body in (b"", b"--b", b"--b\r\n", b"--b\r\n\r\n", b"--b\r\nContent-Disposition: form-data; name=x\r\n\r\n1"):
            status, _, _ = server.request("POST", "/v1/detect", body, {"Content-Type": "multipart/form-data; boundary=b"})
            self.assertEqual(status, 400, body)

    def test_addresses(self):
        self.assertEqual(server.get("/nothing")[0], 404)
        self.assertEqual(server.get("/v1/detect")[0], 405)
        status, headers, _ = server.request("GET", "/v1/ground")
        self.assertEqual((status, headers["Allow"]), (405, "POST"))
        self.assertIn("send POST", server.get("/v1/ground")[1]["error"]["message"])
        self.assertEqual(server.post("/health", {})[0], 405)

    def test_options_that_cannot_be(self):
        for args, words in ((("--host", "0.0.0.0"), "--api-key-file"), (("--port", str(server.port)), "taken by another"),
                            (("--api-key-file", "/nothing"), "--api-key-file"), (("--memory", "x"), "--memory"),
                            (("x.jpg",), "wanted options only"), (("--slots", "0"), "from 1 to 256"),
                            (("--port", "65536"), "from 0 to 65535"), (("--unix", "x" * 200), "at most")):
            self.assertIn(words, run("serve", *args, code=2)[1])
        run("serve", "--port", "0", "-m", os.path.join(DATA, "nothing.gguf"), code=3)


if __name__ == "__main__":
    unittest.main()
