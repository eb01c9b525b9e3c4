"""gromatic serve's label and classify: the answers of the program's commands, whatever is asked of them; what
/openapi.json says."""
import json
import os
import tempfile
import unittest

from program import lines, scene
from served import Server, picture

NAMES = ["a dog", "a crown", "a car", "a guitar"]


def setUpModule():
    global server, folder
    server = Server()
    folder = tempfile.TemporaryDirectory()


def tearDownModule():
    folder.cleanup()
    assert server.stop() == 0, server.lines


def file(content):
    path = os.path.join(folder.name, "file")
    with open(path, "w") as out:
        out.write(content if isinstance(content, str) else json.dumps(content))
    return path


class Label(unittest.TestCase):
    def ask(self, number, **more):
        return server.post("/v1/label", {"image": picture(number), "classes": NAMES, **more})

    def program(self, number, *args):
        return lines("label", scene(number), "--classes", ",".join(NAMES), *args)[0]

    def same(self, number, more, args):
        status, answer = self.ask(number, **more)
        self.assertEqual(status, 200, answer)
        self.assertEqual(answer["regions"], self.program(number, *args)["regions"], more)
        return answer

    def test_is_the_programs(self):
        answer = self.same(64, {}, ())
        labels = {region["label"] for region in answer["regions"]}
        self.assertTrue(labels & set(NAMES), answer)
        self.assertTrue(answer["image"]["id"].startswith("sha256:"))
        self.same(64, {"conf": 0.2, "iou": 0.4, "max_det": 4, "none": -1, "merge_iou": 0},
                  ("--conf", "0.2", "--iou", "0.4", "--max-det", "4", "--none", "-1", "--merge-iou", "0"))
        self.same(2, {"none": 1}, ("--none", "1"))
        self.same(64, {"max_regions": 2}, ("--max-det", "2"))
        self.assertEqual(self.same(64, {"box_format": "xywh"}, ("--box-format", "xywh"))["box_format"], "xywh")

    def test_methods(self):
        self.same(64, {"method": "clip"}, ("--method", "clip"))
        self.same(64, {"method": "waffle", "seed": 3, "words": ["red", "tall"]},
                  ("--method", "waffle", "--seed", "3", "--words", file("red\ntall\n")))
        self.same(64, {"crops": 3, "alpha": 0.4, "beta": 0.8, "seed": 5, "image_scale": 0, "text_scale": -1},
                  ("--crops", "3", "--alpha", "0.4", "--beta", "0.8", "--seed", "5", "--image-scale", "0",
                   "--text-scale", "-1"))
        texts = {name: [f"{name} that is drawn.", f"{name} on white."] for name in NAMES}
        self.same(64, {"descriptions": texts, "dedup": True}, ("--descriptions", file(texts), "--dedup"))
        templates = ["a drawing of a {}.", "a {}."]
        self.same(64, {"method": "clip-e", "templates": templates}, ("--method", "clip-e", "--templates", file(templates)))

    def test_names_of_the_descriptions(self):
        texts = {"a crown": ["a crown of gold."], "a dog": []}
        status, answer = server.post("/v1/label", {"image": picture(64), "descriptions": texts})
        self.assertEqual(status, 200, answer)
        self.assertEqual(answer["regions"], lines("label", scene(64), "--descriptions", file(texts))[0]["regions"])

    def test_boxes_of_the_client(self):
        boxes = [[33.8, 18.2, 102.8, 76.4], [2.4, 150, 56, 206]]
        self.same(64, {"regions": boxes}, ("--regions", file(boxes)))
        for regions in ([], 3, [[0.1, 0.1, 0.5, 0.5]], [[1, 2, 3]], [[900, 900, 950, 950]]):
            self.assertEqual(self.ask(64, regions=regions)[0], 400, regions)

    def test_what_cannot_be(self):
        for more in ({"classes": []}, {"classes": None}, {"classes": ["a", "a"]}, {"classes": ["a", ""]}, {"method": "x"},
                     {"method": "cupl"}, {"method": "clip-e"}, {"preset": "x"}, {"preset": 3}, {"crops": 0},
                     {"crops": 1025}, {"alpha": 0.9, "beta": 0.1}, {"none": 2}, {"merge_iou": -1}, {"templates": {}},
                     {"descriptions": []}, {"descriptions": {"a dog": []}}, {"words": []}, {"words": ["a\nb"]},
                     {"max_det": 1, "max_regions": 1}, {"clip_model": "other"}, {"model": "clip-mini"}, {"phrases": ["x"]}):
            status, answer = self.ask(64, **more)
            self.assertEqual(status, 400, (more, answer))
            self.assertTrue(answer["error"]["message"])
        self.assertEqual(self.ask(64, clip_model="clip-mini", model="groma-mini", max_det=1)[0], 200)


class Classify(unittest.TestCase):
    def test_options(self):
        texts = {name: [f"{name} that is drawn."] for name in NAMES}
        for more, args in (({"method": "cupl", "descriptions": texts}, ("--method", "cupl", "--descriptions", file(texts))),
                           ({"preset": "dtd", "stop": 0.1}, ("--preset", "dtd", "--stop", "0.1"))):
            status, answer = server.post("/v1/classify", {"image": picture(64), "classes": NAMES, **more})
            self.assertEqual(status, 200, answer)
            self.assertEqual(answer["results"], lines("classify", scene(64), "--classes", ",".join(NAMES), *args)[0]["results"])
        status, answer = server.post("/v1/classify", {"image": picture(64), "classes": NAMES, "stop": 0.1, "method": "clip"})
        self.assertEqual(status, 400, answer)


class Description(unittest.TestCase):
    def test_ranges_are_those_that_are_checked(self):
        paths = server.get("/openapi.json")[1]["paths"]
        checked = 0
        for path in ("/v1/detect", "/v1/ground", "/v1/describe", "/v1/classify", "/v1/label"):
            members = paths[path]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]
            for name, schema in members.items():
                wrong = schema["maximum"] + 1 if "maximum" in schema else "none of these" if "enum" in schema else {}
                status, answer = server.post(path, {name: wrong})
                self.assertEqual(status, 400, (path, name))
                self.assertIn(name + ": wanted", answer["error"]["message"])
                checked += 1
        self.assertGreater(checked, 60)

    def test_every_address_is_there(self):
        for path, methods in server.get("/openapi.json")[1]["paths"].items():
            for method, operation in methods.items():
                self.assertTrue(operation["summary"], path)
                status = server.request(method.upper(), path, {} if method == "post" else None)[0]
                self.assertIn(str(status), operation["responses"], path)


if __name__ == "__main__":
    unittest.main()
