"""gromatic serve as Label Studio's ML backend: what it asks for and what it may be sent. The real one is in
tests/python/test_label_studio.py."""
import base64
import struct
import tempfile
import unittest

from program import lines, scene
from served import Server, picture

BOXES = """<View><Image name="img" value="$image"/><RectangleLabels name="box" toName="img">
  <Label value="Fuchs" predicted_values="fox"/><Label value="crown"/><Label value="bus" alias="Bus"/>
  <Label value="Obst" predicted_values="green apple, grapes"/>
</RectangleLabels></View>"""
CHOICES = """<View><Image name="img" value="$image"/><Choices name="what" toName="img">
  <Choice value="a dog"/><Choice value="a crown"/><Choice value="a car"/></Choices></View>"""
TAXONOMY = """<View><Image name="img" value="$image"/><Taxonomy name="what" toName="img">
  <Choice value="animals"><Choice value="a dog"/></Choice>
  <Choice value="things"><Choice value="gold, and red" predicted_values="a crown"/><Choice value="a car"/></Choice>
  </Taxonomy></View>"""
# Classes as the program takes them, and what they are called in BOXES.
NAMES = {"fox": "Fuchs", "crown": "crown", "bus": "Bus", "green apple": "Obst", "grapes": "Obst"}
TEXT = '<View><Image name="img" value="$image"/><TextArea name="words" toName="img"/></View>'


def setUpModule():
    global server
    server = Server()


def tearDownModule():
    assert server.stop() == 0, server.lines


def data(number):
    return "data:image/any;base64," + picture(number)


def tasks(*numbers):
    return [{"id": n, "data": {"image": data(n)}} for n in numbers]


def predict(config, asked, context=None, **more):
    body = {"tasks": asked, "label_config": config, "project": "1.1764547200", "model_version": None,
            "params": {"login": None, "password": None, "context": context}, **more}
    return server.post("/ls/predict", body)


def corners(result):
    v, w, h = result["value"], result["original_width"], result["original_height"]
    x, y = v["x"] * w / 100, v["y"] * h / 100
    return [x, y, x + v["width"] * w / 100, y + v["height"] * h / 100]


class State(unittest.TestCase):
    def test_health_versions_metrics(self):
        for path in ("/ls/", "/ls/health"):
            self.assertEqual(server.get(path), (200, {"status": "UP", "model_class": "gromatic"}))
        self.assertEqual(server.get("/ls/versions?project=1.5"), (200, {"versions": ["groma-mini+clip-mini"]}))
        self.assertEqual(server.get("/ls/metrics"), (200, {}))

    def test_setup_and_webhook(self):
        setup = {"project": "1.2", "schema": BOXES, "hostname": "http://localhost:8080", "access_token": "a" * 40,
                 "extra_params": None}
        self.assertEqual(server.post("/ls/setup", setup), (200, {"model_version": "groma-mini+clip-mini"}))
        self.assertEqual(server.post("/ls/webhook", {"action": "ANNOTATION_CREATED", "project": {"id": 1}}),
                         (201, {"result": None, "status": "ok"}))
        self.assertEqual(server.post("/ls/webhook", {"action": "TASKS_CREATED"}), (200, {"status": "Unknown event"}))
        status, answer = server.post("/ls/webhook", {"action": "START_TRAINING"})
        self.assertEqual(status, 400)
        self.assertIn("does not train", answer["error"]["message"])
        for wrong in ({"schema": ""}, {"schema": 5}, {"hostname": "ftp://x"}, {"hostname": "http://u@x"},
                      {"access_token": "a b"}, {"access_token": "a\r\nX: y"}, {"extra_params": {"a": 1}},
                      {"project": "x" * 64}):
            self.assertEqual(server.post("/ls/setup", {**setup, **wrong})[0], 400, wrong)


class Answers(unittest.TestCase):
    def test_boxes_are_those_of_label(self):
        numbers = (3, 64, 65)  # PNG, JPEG, WebP
        status, answer = predict(BOXES, tasks(*numbers))
        self.assertEqual(status, 200, answer)
        ids, labels = [], set()
        for number, got in zip(numbers, answer["results"], strict=True):
            self.assertEqual(got["model_version"], "groma-mini+clip-mini")
            program = lines("label", "--classes", ",".join(NAMES), scene(number))[0]
            wanted = [r for r in program["regions"] if r["label"] is not None]
            self.assertEqual(len(got["result"]), len(wanted))
            labels |= {r["label"] for r in wanted}
            for result, region in zip(got["result"], wanted):
                self.assertEqual((result["from_name"], result["to_name"], result["type"]),
                                 ("box", "img", "rectanglelabels"))
                self.assertEqual((result["original_width"], result["original_height"], result["image_rotation"]),
                                 (program["image"]["width"], program["image"]["height"], 0))
                self.assertEqual(result["value"]["rectanglelabels"], [NAMES[region["label"]]])
                self.assertAlmostEqual(result["score"], region["score"] * region["label_score"], delta=2e-6)
                for a, b in zip(corners(result), region["box"]):
                    self.assertAlmostEqual(a, b, delta=0.011)
                ids.append(result["id"])
        self.assertGreater(len(labels), 3)
        self.assertEqual(len(set(ids)), len(ids))

    def test_threshold(self):
        asked = tasks(3, 64)
        found = [r for one in predict(BOXES, asked)[1]["results"] for r in one["result"]]
        scores = sorted(r["score"] for r in found)
        cut = round((scores[0] + scores[-1]) / 2, 3)
        self.assertTrue(scores[0] < cut < scores[-1])
        high = BOXES.replace('name="box"', f'name="box" model_score_threshold="{str(cut)[1:]}"')
        kept = [r for one in predict(high, asked)[1]["results"] for r in one["result"]]
        self.assertEqual([r["value"] for r in kept], [r["value"] for r in found if r["score"] >= cut])

    def test_choices_are_those_of_classify(self):
        program = lines("classify", "--classes", "a dog,a crown,a car", scene(64))[0]["results"]
        got = predict(CHOICES, tasks(64))[1]["results"][0]
        self.assertEqual(got["result"][0]["value"], {"choices": [program[0]["label"]]})
        self.assertEqual(got["result"][0]["type"], "choices")
        self.assertAlmostEqual(got["result"][0]["score"], program[0]["score"], delta=1e-5)
        several = CHOICES.replace('toName="img">', 'toName="img" choice="multiple" model_score_threshold="0.0001">')
        chosen = predict(several, tasks(64))[1]["results"][0]["result"][0]["value"]["choices"]
        self.assertEqual(set(chosen), {r["label"] for r in program if r["score"] >= 0.0001})
        none = CHOICES.replace('toName="img">', 'toName="img" model_score_threshold="1">')
        self.assertEqual(predict(none, tasks(64))[1]["results"][0]["result"], [])

    def test_taxonomy_has_the_path(self):
        got = predict(TAXONOMY, tasks(64))[1]["results"][0]["result"][0]
        program = lines("classify", "--classes", "a dog,a crown,a car", scene(64))[0]["results"][0]
        paths = {"a dog": ["animals", "a dog"], "a crown": ["things", "gold, and red"], "a car": ["things", "a car"]}
        self.assertEqual(got["value"], {"taxonomy": [paths[program["label"]]]})
        self.assertEqual(got["type"], "taxonomy")

    def test_text_is_the_caption(self):
        got = predict(TEXT, tasks(64))[1]["results"][0]
        self.assertEqual(got["result"][0]["value"], {"text": [lines("caption", scene(64))[0]["text"]]})
        self.assertEqual(got["result"][0]["type"], "textarea")
        self.assertIsNone(got["score"])

    def test_several_tags_and_pictures(self):
        config = ('<View><Header value="x"/><Image name="a" value="$one"/><Image name="b" value="$more.two"/>'
                  '<Text name="t" value="$text"/><Choices name="mood" toName="t"><Choice value="good"/></Choices>'
                  '<TextArea name="wa" toName="a"/><TextArea name="wb" toName="b"/></View>')
        task = {"id": 1, "data": {"one": data(64), "more": {"two": data(3)}, "text": "words"}}
        got = predict(config, [task])[1]["results"][0]["result"]
        self.assertEqual([(r["from_name"], r["value"]["text"][0]) for r in got],
                         [("wa", lines("caption", scene(64))[0]["text"]), ("wb", lines("caption", scene(3))[0]["text"])])

    def test_a_turned_picture(self):
        exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # orientation 6
        with open(scene(64), "rb") as file:
            plain = file.read()
        turned = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:]
        with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
            file.write(turned)
            file.flush()
            program = lines("label", "--classes", ",".join(NAMES), "--none", "-1", file.name)[0]
        address = "data:image/jpeg;base64," + base64.b64encode(turned).decode()
        got = predict(BOXES, [{"id": 1, "data": {"image": address}}])[1]["results"][0]["result"]
        size = lines("detect", scene(64))[0]["image"]
        boxes = [region["box"] for region in program["regions"]]
        for result in got:
            self.assertEqual((result["original_width"], result["original_height"]), (size["height"], size["width"]))
            near = min(max(abs(a - b) for a, b in zip(corners(result), box)) for box in boxes)
            self.assertLess(near, 0.011)
        self.assertGreater(len(got), 0)


class Drawn(unittest.TestCase):
    CONFIG = BOXES.replace("<RectangleLabels", '<TextArea name="say" toName="img" perRegion="true"/>'
                           '<Choices name="kind" toName="img" perRegion="true"><Choice value="a crown"/>'
                           '<Choice value="a car"/></Choices><RectangleLabels smart="true"')

    def drawn(self, box, number=64, **more):
        image = lines("detect", scene(number))[0]["image"]
        w, h = image["width"], image["height"]
        value = {"x": 100 * box[0] / w, "y": 100 * box[1] / h, "width": 100 * (box[2] - box[0]) / w,
                 "height": 100 * (box[3] - box[1]) / h, "rotation": 0, **more.pop("value", {})}
        return {"id": "x", "type": "rectanglelabels", "from_name": "box", "to_name": "img", "value": value, **more}

    def ask(self, *drawn):
        return predict(self.CONFIG, tasks(64), {"result": list(drawn)})

    def test_a_box_is_moved_to_its_region(self):
        regions = lines("label", "--classes", ",".join(NAMES), scene(64))[0]["regions"]
        region = next(r for r in regions if r["label"] is not None)
        box = region["box"]
        loose = [box[0] - 4, box[1] + 3, box[2] + 3, box[3] + 4]
        status, answer = self.ask(self.drawn(loose))
        self.assertEqual(status, 200, answer)
        by_type = {r["type"]: r for r in answer["results"][0]["result"]}
        self.assertEqual(len(by_type), 3)
        for result in by_type.values():
            self.assertEqual(result["id"], by_type["rectanglelabels"]["id"])
            for a, b in zip(corners(result), box):
                self.assertAlmostEqual(a, b, delta=0.011)
        self.assertEqual(by_type["rectanglelabels"]["value"]["rectanglelabels"], [NAMES[region["label"]]])
        words = lines("describe", scene(64), "--box", ",".join(str(c) for c in box))[0]["results"][0]["text"]
        self.assertEqual(by_type["textarea"]["value"]["text"], [words])

    def test_the_users_label_and_box_stay(self):
        box = [1, 1, 9, 9]  # near no region
        answer = self.ask(self.drawn(box, value={"rectanglelabels": ["Fuchs"]}))[1]["results"][0]["result"]
        self.assertEqual(answer[0]["value"]["rectanglelabels"], ["Fuchs"])
        for a, b in zip(corners(answer[0]), box):
            self.assertAlmostEqual(a, b, delta=0.011)

    def test_what_is_not_wanted_and_what_is_wrong(self):
        box = [10, 10, 60, 60]
        for mark in (False, 0):
            self.assertEqual(self.ask(self.drawn(box, is_positive=mark))[1]["results"][0]["result"], [])
        for mark in (True, 1):
            self.assertEqual(len(self.ask(self.drawn(box, is_positive=mark))[1]["results"][0]["result"]), 3)
        wrong = [self.drawn(box, type="keypointlabels"), self.drawn(box, from_name="other"), {}, 5,
                 self.drawn(box, value={"rotation": 5}), self.drawn(box, value={"x": "1"}),
                 self.drawn(box, value={"x": 500}), self.drawn(box, value={"width": 0})]
        for one in wrong:
            status, answer = self.ask(one)
            self.assertEqual((status, answer["error"]["code"]), (400, "bad_argument"), one)
            self.assertIn("params.context.result", answer["error"]["message"])
        self.assertEqual(predict(BOXES, tasks(1, 2), {"result": [self.drawn(box)]})[0], 400)
        self.assertEqual(predict(BOXES, tasks(64), {"result": 5})[0], 400)


class Refused(unittest.TestCase):
    def test_one_bad_task_leaves_the_others(self):
        mixed = tasks(64) + [
            {"id": 7, "data": {}}, {"id": 8, "data": {"image": 5}}, {"id": "nine", "data": {"image": "data:,x"}},
            {"id": 10, "data": {"image": "data:image/png;base64," + base64.b64encode(b"no picture").decode()}},
            {"id": 11, "data": {"image": "sha256:" + 64 * "0"}},
            {"id": 12, "data": {"image": data(64)[:2000]}},
            {"id": 13, "data": {"image": "file:///etc/passwd"}},
            {"id": 14, "data": {"image": "images/a.jpg"}},
        ] + tasks(3)
        status, answer = predict(TEXT, mixed)
        self.assertEqual((status, len(answer["results"])), (200, len(mixed)))
        for one in (answer["results"][0], answer["results"][-1]):
            self.assertEqual(len(one["result"]), 1)
        names = ("task 7", "task 8", "task number 4", "task 10", "task 11", "task 12", "task 13", "task 14")
        for one, name in zip(answer["results"][1:-1], names, strict=True):
            self.assertEqual(list(one), ["error"])
            self.assertTrue(one["error"].startswith(name + ": "), one)

    def test_configurations(self):
        label = '<RectangleLabels name="b" toName="i"><Label value="a"/></RectangleLabels>'
        image = '<Image name="i" value="$image"/>'
        wrong = {
            "no XML": "line 1", "<View>": "line 1", "": "label_config", "<View/>": "nothing to answer",
            f"<View>{label}</View>": "nothing to answer",
            f'<View><Image name="i"/>{label}</View>': "nothing to answer",
            f'<View><Audio name="i" value="$image"/>{label}</View>': "nothing to answer",
            f'<View>{image}<RectangleLabels name="b" toName="i"/></View>': "no <Label>",
            f'<View>{image}<Choices name="b" toName="i" value="$x"/></View>': "no <Choice>",
            f'<View>{image}<RectangleLabels toName="i"><Label value="a"/></RectangleLabels></View>': "without a name",
            f'<View>{image}<RectangleLabels name="b" toName="i"><Label/></RectangleLabels></View>': "without a value",
            "<View>" + image + label.replace("</R", '<Label value="a"/></R') + "</View>": "'a' twice",
            "<View>" + image + label.replace("name", 'model_score_threshold="2" name') + "</View>": "from 0 to 1",
            "<View>" + image + label.replace("name", 'model_score_threshold="x" name') + "</View>": "from 0 to 1",
            "<View>" * 65 + "</View>" * 65: "nested deeper",
            f'<View>{image}{label * 65}</View>': "more than 64 tags",
            f'<View>{image * 65}{label}</View>': "more than 64 <Image>",
            f'<View>{image}<RectangleLabels name="b" toName="i">' + '<Label value="a"/>' * 1025 + "</RectangleLabels></View>":
                "more than 1024",
            f'<View>{image}{label}<!--{"x" * 262144}--></View>': "at most 262144",
            f'<View>{image}<Choices name="c" toName="i"><Choice value="a"><Choice value="b"/></Choice></Choices></View>':
                "wanted a <Taxonomy>",
            f'<View>{image}<Choices name="c" toName="i"><Taxonomy name="t" toName="i"/></Choices></View>':
                "<Taxonomy> within <Choices>",
            f'<!DOCTYPE View [<!ENTITY a "{"a" * 99}">]><View>{image}{label}</View>': "document type",
            f'<!DOCTYPE View SYSTEM "file:///etc/passwd"><View>{image}{label}</View>': "document type",
            f"<View>{image}{label}&undeclared;</View>": "undefined entity",
        }
        for config, message in wrong.items():
            status, answer = predict(config, tasks(3))
            self.assertEqual(status, 400, config[:200])
            self.assertIn(message, answer["error"]["message"], config[:200])
            if config:
                self.assertEqual(server.post("/ls/setup", {"project": "1", "schema": config})[0], 400)

    def test_bodies(self):
        one = tasks(3)
        for body in ({}, {"tasks": one}, {"tasks": one, "label_config": 5}, {"label_config": TEXT},
                     {"tasks": [], "label_config": TEXT}, {"tasks": {}, "label_config": TEXT},
                     {"tasks": [5], "label_config": TEXT}, {"tasks": [{"data": 5}], "label_config": TEXT},
                     {"tasks": [{"data": {}}] * 1025, "label_config": TEXT},
                     {"tasks": one, "label_config": TEXT, "project": 5}, {"tasks": one, "label_config": TEXT, "params": 5},
                     {"tasks": one, "label_config": TEXT, "params": {"login": "me", "password": "x"}}):
            status, answer = server.post("/ls/predict", body)
            self.assertEqual(status, 400, str(body)[:200])
            self.assertTrue(answer["error"]["message"])
        for path in ("/ls/predict", "/ls/setup", "/ls/webhook"):
            self.assertEqual(server.request("POST", path, b"[")[0], 400)
            self.assertEqual(server.get(path)[0], 405)

    def test_the_log_has_the_reason(self):
        own = Server()
        own.post("/ls/setup", {"project": "1", "schema": "<View/>"})
        own.post("/ls/predict", {"tasks": [{"id": 5, "data": {}}], "label_config": TEXT})
        own.stop()
        log = "".join(own.lines)
        self.assertRegex(log, r"ls setup: label_config: line 1: found nothing to answer")
        self.assertRegex(log, r"ls predict: task 5: found no data.image")


if __name__ == "__main__":
    unittest.main()
