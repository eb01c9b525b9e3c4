"""gromatic serve as an ML backend of the real Label Studio, with its own data base: attach, predict, read back."""
import base64
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import requests

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))
from program import lines, scene  # noqa: E402
from served import Server  # noqa: E402

TOKEN = "0123456789abcdef0123456789abcdef01234567"
KEY = "a-key-of-the-test"
NAMES = ["fox", "bus", "crown", "green apple", "grapes"]
BOXES = """<View><Image name="img" value="$image"/><RectangleLabels name="box" toName="img" smart="true">
  <Label value="fox"/><Label value="Bus" predicted_values="bus"/><Label value="crown"/>
  <Label value="Obst" predicted_values="green apple, grapes"/></RectangleLabels></View>"""
SHOWN = {"fox": "fox", "bus": "Bus", "crown": "crown", "green apple": "Obst", "grapes": "Obst"}
OTHERS = """<View><Image name="img" value="$image"/>
  <Choices name="what" toName="img"><Choice value="crown"/><Choice value="bus"/></Choices>
  <Taxonomy name="tree" toName="img"><Choice value="things"><Choice value="crown"/><Choice value="bus"/></Choice></Taxonomy>
  <TextArea name="words" toName="img"/></View>"""


def data_folder():
    return tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class LabelStudio:
    def __init__(self):
        self.port, self.folder = free_port(), data_folder()
        self.address = f"http://localhost:{self.port}"
        env = dict(os.environ, LABEL_STUDIO_BASE_DATA_DIR=self.folder, LABEL_STUDIO_HOST=self.address,
                   LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN="true", USE_DEFAULT_BANNED_SUBNETS="false", COLLECT_ANALYTICS="false",
                   LATEST_VERSION_CHECK="false", SENTRY_DSN="", FRONTEND_SENTRY_DSN="", DEBUG="false")
        program = pathlib.Path(sys.executable).parent / "label-studio"
        self.log = open(os.path.join(self.folder, "log"), "w+")
        self.process = subprocess.Popen(
            [program, "start", "--no-browser", "--port", str(self.port), "--data-dir", self.folder, "--username",
             "a@example.com", "--password", "words-of-the-test", "--user-token", TOKEN], env=env, stdout=self.log,
            stderr=subprocess.STDOUT)
        self.session = requests.Session()
        self.session.headers["Authorization"] = "Token " + TOKEN
        for _ in range(1100):
            try:
                if self.session.get(self.address + "/health", timeout=5).ok:
                    return
            except requests.RequestException:
                pass
            assert self.process.poll() is None, self.read_log()
            time.sleep(1)
        raise AssertionError(self.read_log())

    def read_log(self):
        self.log.seek(0)
        return self.log.read()

    def call(self, method, path, wanted=(200, 201), **kwargs):
        answer = self.session.request(method, self.address + path, timeout=300, **kwargs)
        assert answer.status_code in wanted, (path, answer.status_code, answer.text[:2000], self.read_log()[-3000:])
        return answer.json()

    def project(self, config):
        return self.call("POST", "/api/projects", json={"title": "test", "label_config": config})["id"]

    def attach(self, project, **more):
        body = {"url": f"http://127.0.0.1:{server.port}/ls", "project": project, "title": "gromatic",
                "auth_method": "BASIC_AUTH", "basic_auth_user": "any", "basic_auth_pass": KEY, **more}
        return self.call("POST", "/api/ml", json=body)

    def predict(self, project):
        """{task's picture: its predictions}"""
        self.call("POST", f"/api/dm/actions?id=retrieve_tasks_predictions&project={project}",
                  json={"selectedItems": {"all": True, "excluded": []}})
        tasks = self.call("GET", f"/api/tasks?project={project}&fields=all&page_size=100")["tasks"]
        return {task["data"]["image"]: (task["id"], task["predictions"]) for task in tasks}

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
        self.log.close()
        shutil.rmtree(self.folder)


def setUpModule():
    global studio, server, keys
    studio = LabelStudio()
    keys = tempfile.NamedTemporaryFile("w", suffix=".keys")
    keys.write(KEY + "\n")
    keys.flush()
    server = Server("--api-key-file", keys.name, "--allow-url-hosts", f"localhost:{studio.port}")
    server.key = KEY


def tearDownModule():
    server.stop()
    studio.stop()
    keys.close()


def upload(project, *numbers):
    files = [(f"file{n}", (os.path.basename(scene(n)), open(scene(n), "rb"))) for n in numbers]
    studio.call("POST", f"/api/projects/{project}/import", files=files)
    for _, (_, file) in files:
        file.close()


def corners(result):
    v, w, h = result["value"], result["original_width"], result["original_height"]
    x, y = v["x"] * w / 100, v["y"] * h / 100
    return [x, y, x + v["width"] * w / 100, y + v["height"] * h / 100]


class Backend(unittest.TestCase):
    def test_boxes(self):
        project = studio.project(BOXES)
        upload(project, 3, 65)  # PNG, WebP: /data/upload/...
        with open(scene(64), "rb") as file:
            inside = "data:image/jpeg;base64," + base64.b64encode(file.read()).decode()
        studio.call("POST", f"/api/projects/{project}/import", json=[{"image": inside}, {"image": "/data/upload/none.jpg"}])
        backend = studio.attach(project, is_interactive=True)
        self.assertEqual(backend["model_version"], "groma-mini+clip-mini")
        self.assertEqual(studio.call("GET", f"/api/ml/{backend['id']}")["readable_state"], "Connected")
        self.assertEqual(studio.call("GET", f"/api/ml/{backend['id']}/versions")["versions"], ["groma-mini+clip-mini"])
        found = studio.predict(project)
        self.assertEqual(len(found), 4)
        labels = set()
        for address, (task, predictions) in found.items():
            if address.endswith("none.jpg"):
                self.assertEqual(predictions, [])  # and the others have theirs
                continue
            number = 64 if address == inside else 3 if "003" in address else 65
            program = lines("label", "--classes", ",".join(NAMES), scene(number))[0]
            regions = [r for r in program["regions"] if r["label"] is not None]
            self.assertEqual(len(predictions), 1)
            self.assertEqual(predictions[0]["model_version"], "groma-mini+clip-mini")
            self.assertEqual(len(predictions[0]["result"]), len(regions))
            for result, region in zip(predictions[0]["result"], regions):
                self.assertEqual(result["value"]["rectanglelabels"], [SHOWN[region["label"]]])
                self.assertAlmostEqual(result["score"], region["score"] * region["label_score"], delta=1e-5)
                for a, b in zip(corners(result), region["box"]):
                    self.assertAlmostEqual(a, b, delta=0.011)
                labels.add(region["label"])
            if number == 64:
                self.draw(backend["id"], task, regions[0])
        self.assertGreater(len(labels), 2)
        self.assertIn("none.jpg", "".join(name for name in found))
        self.assertRegex(studio.read_log(), r"task \d+: localhost answered \d+, wanted 200")

    def draw(self, backend, task, region):
        """A box that the user draws loosely around a region is moved to it."""
        drawn = {"id": "x", "type": "rectanglelabels", "from_name": "box", "to_name": "img", "is_positive": True,
                 "original_width": 224, "original_height": 224, "image_rotation": 0}
        image = lines("detect", scene(64))[0]["image"]
        x1, y1, x2, y2 = (c + d for c, d in zip(region["box"], (-3, -3, 3, 3)))
        w, h = image["width"] / 100, image["height"] / 100
        drawn["value"] = {"x": x1 / w, "y": y1 / h, "width": (x2 - x1) / w, "height": (y2 - y1) / h, "rotation": 0,
                          "rectanglelabels": ["fox"]}
        answer = studio.call("POST", f"/api/ml/{backend}/interactive-annotating",
                             json={"task": task, "context": {"result": [drawn]}})
        result = answer["data"]["result"][0]
        for a, b in zip(corners(result), region["box"]):
            self.assertAlmostEqual(a, b, delta=0.011)
        self.assertEqual(result["value"]["rectanglelabels"], ["fox"])

    def test_choices_taxonomy_text(self):
        project = studio.project(OTHERS)
        upload(project, 64)
        studio.attach(project)
        (_, predictions), = studio.predict(project).values()
        by_name = {r["from_name"]: r for r in predictions[0]["result"]}
        best = lines("classify", "--classes", "crown,bus", scene(64))[0]["results"][0]
        self.assertEqual(by_name["what"]["value"], {"choices": [best["label"]]})
        self.assertAlmostEqual(by_name["what"]["score"], best["score"], delta=1e-5)
        self.assertEqual(by_name["tree"]["value"], {"taxonomy": [["things", best["label"]]]})
        self.assertEqual(by_name["words"]["value"], {"text": [lines("caption", scene(64))[0]["text"]]})

    def test_only_words(self):
        project = studio.project(OTHERS[:OTHERS.index("<Choices")] + '<TextArea name="words" toName="img"/></View>')
        upload(project, 64)
        studio.attach(project)
        (_, predictions), = studio.predict(project).values()
        self.assertEqual(predictions[0]["result"][0]["value"], {"text": [lines("caption", scene(64))[0]["text"]]})

    def test_a_personal_access_token(self):
        project = studio.project(OTHERS)
        upload(project, 64)
        (task,) = studio.call("GET", f"/api/tasks?project={project}&fields=all")["tasks"]
        token = studio.call("POST", "/api/token/")["token"]
        os.environ.update(LABEL_STUDIO_URL=studio.address, LABEL_STUDIO_API_KEY=token)
        try:
            own = Server("--allow-url-hosts", f"localhost:{studio.port}")
        finally:
            del os.environ["LABEL_STUDIO_URL"], os.environ["LABEL_STUDIO_API_KEY"]
        answer = own.post("/ls/predict", {"tasks": [task], "label_config": OTHERS})[1]
        own.stop()
        self.assertEqual(len(answer["results"][0]["result"]), 3, answer)

    def test_refused(self):
        body = {"url": f"http://127.0.0.1:{server.port}/ls", "title": "x", "auth_method": "BASIC_AUTH",
                "basic_auth_user": "any", "basic_auth_pass": KEY}
        nothing = studio.project("<View></View>")
        answer = studio.call("POST", "/api/ml", (400,), json={**body, "project": nothing})
        self.assertIn("might be incompatible with the current labeling configuration", json.dumps(answer))
        answer = studio.call("POST", "/api/ml", (400,),
                             json={**body, "project": studio.project(BOXES), "basic_auth_pass": "another"})
        self.assertIn("401", json.dumps(answer))


if __name__ == "__main__":
    unittest.main()
