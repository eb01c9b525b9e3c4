"""The page of gromatic serve in a real browser (Debian's chromium), with the model that is built in. Nothing it does
breaks its Content-Security-Policy, and no script of it fails."""
import io
import json
import os
import re
import shutil
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree as ET
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))

from axe_playwright_python.sync_playwright import Axe  # noqa: E402
from PIL import Image  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

from program import DATA, lines, run, scene  # noqa: E402
from served import Server, picture  # noqa: E402

CHROMIUM = "/usr/bin/chromium"
EXAMPLE = scene(64)
CLASSES = ["crown", "green apple", "grapes", "pineapple"]
MARKUP = ["<b>x</b>", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg onload=alert(1)>", "</textarea><b>",
          "\"><img src=x onerror=alert(1)>", "'-alert(1)-'", "javascript:alert(1)", "<iframe src=//x>", "<a href='javascript:alert(1)'>a</a>",
          "{{7*7}}", "${alert(1)}", "<style>*{display:none}</style>", "&lt;b&gt;", "<!-- -->", "]]><x/>", "<math><mi//xlink:href='data:x'>",
          "<body onload=alert(1)>", "<input autofocus onfocus=alert(1)>", "<details open ontoggle=alert(1)>"]


def setUpModule():
    global server, playwright, browser
    server = Server()
    playwright = sync_playwright().start()
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[
        "--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"])


def tearDownModule():
    browser.close()
    playwright.stop()
    assert server.stop() == 0, server.lines


class PageTest(unittest.TestCase):
    """A page of its own for each test; fails on whatever the browser complains of."""
    options = {}
    expected = ()  # complaints that the test causes

    def setUp(self):
        self.complaints = []
        self.context = browser.new_context(viewport={"width": 1280, "height": 800}, **self.options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(8000)
        self.page.add_init_script("window.violations = []; addEventListener('securitypolicyviolation',"
                                  " (event) => violations.push(event.violatedDirective + ' ' + event.blockedURI))")
        self.page.on("console", lambda m: m.type in ("error", "warning") and self.complaints.append(f"{m.text} {m.location.get('url')}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append("dialog " + dialog.message), dialog.dismiss()))

    def tearDown(self):
        violations = self.page.evaluate("violations")
        self.context.close()
        self.assertEqual(violations, [])
        unexpected = [text for text in self.complaints if not any(part in text for part in ("/lora-adapters", *self.expected))]
        self.assertEqual(unexpected, [])

    def go(self, to=None):
        self.page.goto(f"http://127.0.0.1:{(to or server).port}/")
        return self.page

    def opened(self, *files):
        """The page with these pictures."""
        page = self.go()
        page.set_input_files("#files", [str(file) for file in files] or EXAMPLE)
        page.wait_for_selector("#photo:not([hidden])")
        page.wait_for_selector("#model option", state="attached")
        return page

    def ran(self):
        """Waits for the end of what runs."""
        self.page.wait_for_selector("#run:not([hidden])", timeout=120000)

    def until(self, script):
        """Waits until the script says true. Not wait_for_function, which the page's policy would forbid."""
        end = time.monotonic() + 60
        while not self.page.evaluate(script):
            self.assertLess(time.monotonic(), end, script)
            time.sleep(0.02)

    def do(self, task, **fields):
        self.page.check(f"input[value={task}]", force=True)
        for name, value in fields.items():
            self.page.fill("#" + name, value)
        self.page.click("#run")
        self.ran()

    def boxes(self):
        """(name, corners) of the boxes on the stage, in pixels of the picture."""
        return self.page.evaluate("""async () => {
          const { state } = await import('/page/state.js');
          return state.current.boxes.map((box) => [box.label, [box.x1, box.y1, box.x2, box.y2]]);
        }""")

    def drag(self, x1, y1, x2, y2):
        """From one pixel of the picture to another, by mouse."""
        rect = self.page.locator("#photo").bounding_box()
        scale = rect["width"] / self.page.evaluate("document.getElementById('photo').naturalWidth")
        place = lambda x, y: (rect["x"] + x * scale, rect["y"] + y * scale)  # noqa: E731
        self.page.mouse.move(*place(x1, y1))
        self.page.mouse.down()
        self.page.mouse.move(*place((x1 + x2) / 2, (y1 + y2) / 2))
        self.page.mouse.move(*place(x2, y2))
        self.page.mouse.up()

    def draw(self, *corners):
        self.page.click("#tool-draw")
        self.drag(*corners)

    def accessible(self, what):
        found = Axe().run(self.page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
        broken = [(v["id"], [n["html"][:160] for n in v["nodes"]]) for v in found.response["violations"]]
        self.assertEqual(broken, [], what)

    def saved(self, kind, **options):
        self.page.select_option("#format", kind)
        if options.get("pictures"):
            self.page.check("#with-pictures")
        with self.page.expect_download() as download:
            self.page.click("#save")
        with open(download.value.path(), "rb") as file:
            return file.read()


class Files(unittest.TestCase):
    def test_each_has_its_type_tag_and_policy(self):
        status, head, body = server.request("GET", "/")
        self.assertEqual((status, head["Content-Type"]), (200, "text/html; charset=utf-8"))
        names = re.findall(rb'(?:src|href)="(/page/[^"]+)"', body)
        self.assertGreater(len(names), 2)
        types = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml", "jpg": "image/jpeg"}
        for path in ["/page/example.jpg"] + [name.decode() for name in names]:
            status, head, body = server.request("GET", path)
            self.assertEqual((status, head["Content-Type"]), (200, types[path.rsplit(".", 1)[1]]), path)
            self.assertIn("default-src 'none'; script-src 'self'", head["Content-Security-Policy"])
            self.assertEqual(head["X-Content-Type-Options"], "nosniff")
            again = server.request("GET", path, headers={"If-None-Match": head["ETag"]})
            self.assertEqual((again[0], again[2]), (304, b""))
            self.assertEqual(server.request("GET", path, headers={"If-None-Match": '"x"'})[2], body)
        self.assertEqual(server.request("HEAD", "/")[0], 200)
        self.assertEqual(server.request("POST", "/", b"x")[0], 405)
        for path in ("/page/", "/page/none.js", "/page/../page.c", "/index.html"):
            self.assertEqual(server.request("GET", path)[0], 404, path)

    def test_it_refers_to_nothing_outside(self):
        folder = os.path.join(DATA, "..", "..", "server", "page")
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                text = file.read().replace("http://www.w3.org/2000/svg", "")
            self.assertNotRegex(text, r"https?://", name)
            self.assertNotRegex(text, r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", name)


class Answers(PageTest):
    def test_caption_streams_and_is_the_programs(self):
        page = self.go()
        page.click("#example")
        page.wait_for_selector("#photo:not([hidden])")
        page.evaluate("""() => {
          window.lengths = new Set();
          new MutationObserver(() => lengths.add(document.querySelector('.words')?.textContent.length))
            .observe(document.getElementById('answers'), {childList: true, subtree: true});
        }""")
        self.do("caption")
        program = lines("caption", EXAMPLE)[0]
        self.assertEqual(page.inner_text(".words"), program["text"])
        self.assertGreater(len(page.evaluate("[...lengths]")), 3)
        self.assertEqual(page.locator(".phrase").all_inner_texts(), [g["phrase"] for g in program["grounding"]])
        self.assertEqual(self.boxes(), [[g["phrase"], r["box"]] for g in program["grounding"] for r in g["regions"]])
        self.assertRegex(page.inner_text(".timing"), r"first word [\d.]+ s · \d+ tokens · [\d.]+ s")

    def test_phrases_and_boxes_light_each_other(self):
        page = self.opened()
        self.do("caption")
        colour = "node => getComputedStyle(node).getPropertyValue('--fill')"
        for i, phrase in enumerate(page.locator(".phrase").all()):
            phrase.hover()
            self.assertEqual(page.locator("#boxes .box.lit").count(), 1)
            self.assertEqual(page.locator("#boxes .box.lit").evaluate(colour), phrase.evaluate(colour))
            page.mouse.move(2, 2)
            self.assertEqual(page.locator(".box.lit").count(), 0)
            phrase.focus()
            lit = page.locator("#boxes .box.lit")
            self.assertEqual(lit.locator(".name").inner_text(), phrase.inner_text())
            phrase.press("Enter")
            self.assertEqual(page.locator("#list [aria-selected=true]").inner_text().split("\n")[0], phrase.inner_text())
        page.hover(".box:has-text('a crown')")
        self.assertEqual(page.locator(".phrase.lit").all_inner_texts(), ["a crown"])
        page.focus("#list li:nth-child(1)")
        self.assertEqual(page.locator(".phrase.lit").all_inner_texts(), ["Grapes"])
        self.assertEqual(page.locator("#list li.lit").count(), 1)

    def test_draw_a_box_ask_and_describe(self):
        page = self.opened()
        box = [34, 18, 103, 76]
        self.draw(*box)
        (name, corners), = self.boxes()
        self.assertEqual(name, "")
        for found, wanted in zip(corners, box):
            self.assertAlmostEqual(found, wanted, delta=1)
        given = ",".join(map(str, corners))
        page.click("#ask-about")
        self.assertEqual(page.input_value("#question"), "What is {1}?")
        page.keyboard.press("Enter")
        page.wait_for_selector(".timing")
        self.assertEqual(page.inner_text(".words"), lines("chat", EXAMPLE, "-p", "What is {1}?", "--box", given)[0]["text"])
        page.click("#describe")
        self.ran()
        told = lines("describe", EXAMPLE, "--box", given)[0]["results"][0]["text"]
        self.assertEqual(page.inner_text(".words >> nth=0"), told)
        self.assertEqual(self.boxes()[0][0], told.rstrip(". "))
        self.assertIn("drawn emoji", page.inner_text(".note >> nth=0"))

    def test_find_words(self):
        page = self.opened()
        self.do("find", phrases="a crown, an elephant\na green apple")
        program = lines("ground", EXAMPLE, "--phrase", "a crown", "--phrase", "an elephant", "--phrase", "a green apple")[0]
        wanted = [[r["phrase"], one["box"]] for r in program["results"] for one in r["regions"]]
        self.assertEqual(self.boxes(), wanted)
        page.check("#find-all")
        self.do("find", phrases="a green apple")
        self.assertGreater(len(self.boxes()), 1)

    def test_what_is_not_there_has_no_box(self):
        page = self.opened()
        answer = {"image": {"width": 280, "height": 320, "id": "sha256:0"},
                  "results": [{"phrase": "an elephant", "present": 0.03, "calibrated": True, "regions": []}], "unlike": 1.5}
        page.route("**/v1/ground", lambda route: route.fulfill(json=answer))
        self.do("find", phrases="an elephant")
        self.assertEqual(self.boxes(), [])
        self.assertEqual(page.inner_text(".nowhere"), "an elephant: not found (3 % likely there)")
        self.assertIn("unlike what the model knows (1.50)", page.inner_text(".note"))

    def test_label_and_find_everything(self):
        page = self.opened()
        self.do("label", classes=", ".join(CLASSES), least="0.2")
        answer = server.post("/v1/label", {"image": picture(64), "classes": CLASSES, "conf": 0.2})[1]
        self.assertEqual(self.boxes(), [[r["label"], r["box"]] for r in answer["regions"] if r["label"]])
        page.fill("#classes", "")
        self.assertEqual(page.inner_text("#run"), "Find everything")
        self.do("label")
        answer = server.post("/v1/detect", {"image": picture(64), "conf": 0.2})[1]
        self.assertEqual(self.boxes(), [["", r["box"]] for r in answer["regions"]])
        page.click("#undo")
        self.assertEqual({name for name, _ in self.boxes()}, set(CLASSES))

    def test_stop(self):
        page = self.opened(*(scene(i) for i in range(3)))
        page.route("**/v1/chat/completions", lambda route: None)  # never answered
        page.click("#run")
        page.click("#stop")
        self.ran()
        self.assertIn("Stopped before the first word", page.inner_text("#answers"))
        page.unroute("**/v1/chat/completions")
        page.click("#run-all")
        self.until("document.getElementById('clock').textContent.includes('2 of 3')")
        page.keyboard.press("Escape")
        self.ran()
        self.assertTrue(server.wait_idle(20))
        self.assertLess(page.locator(".mark:not([hidden])").count(), 3)

    def test_errors_are_said(self):
        self.expected = ("ERR_FAILED", "400", "Failed to load resource")
        page = self.opened()
        page.check("input[value=find]", force=True)
        page.click("#run")
        self.assertIn("Write the words", page.inner_text("#errors"))
        page.route("**/v1/**", lambda route: route.abort())
        self.do("caption")
        self.assertIn("does not answer", page.inner_text("#errors"))
        self.accessible("an error")
        page.unroute("**/v1/**")
        self.do("find", phrases=",".join(f"w{i}" for i in range(1100)))
        self.assertIn("1024", page.inner_text("#errors"))
        with tempfile.NamedTemporaryFile(suffix=".png") as broken:
            broken.write(b"no picture")
            broken.flush()
            page.set_input_files("#files", broken.name)
            page.wait_for_selector("#errors:has-text('cannot be read')")
        self.do("caption")
        self.assertEqual(page.inner_text("#errors"), "")

    def test_labels_with_markup_stay_text(self):
        page = self.opened()
        before = page.evaluate("document.querySelectorAll('*').length")
        for i, text in enumerate(MARKUP):
            self.draw(5 + i * 4, 5 + i * 4, 60 + i * 4, 60 + i * 4)
            page.fill("#name", text)
            page.press("#name", "Enter")
        self.assertEqual([name for name, _ in self.boxes()], MARKUP)
        self.assertEqual(page.locator("#list .name").all_inner_texts(), MARKUP)
        self.assertEqual(page.locator("#boxes .name").all_text_contents(), MARKUP)
        each = page.evaluate("document.querySelectorAll('#boxes .box:first-child, #boxes .box:first-child *').length") + 4
        self.assertLessEqual(page.evaluate("document.querySelectorAll('*').length") - before, (each + 1) * len(MARKUP))
        self.assertEqual(page.locator("main script, main iframe, main style, #list img").count(), 0)
        tree = ET.fromstring(zipfile.ZipFile(io.BytesIO(self.saved("voc"))).read("Annotations/064.xml"))
        self.assertEqual([node.text for node in tree.iter("name")], [text.replace(":", "_") for text in MARKUP])


class Editing(PageTest):
    def test_move_resize_rename_delete_undo_redo(self):
        page = self.opened()
        self.draw(20, 20, 80, 90)
        page.fill("#name", "a thing")
        page.press("#name", "Enter")
        first = self.boxes()
        self.drag(50, 60, 70, 75)
        moved = self.boxes()
        for before, after, by in zip(first[0][1], moved[0][1], (20, 15, 20, 15)):
            self.assertAlmostEqual(after - before, by, delta=1)
        x2, y2 = moved[0][1][2:]
        self.drag(x2, y2, x2 + 30, y2 + 20)
        resized = self.boxes()
        self.assertAlmostEqual(resized[0][1][2], x2 + 30, delta=2)
        self.assertEqual(resized[0][1][:2], moved[0][1][:2])
        self.drag(resized[0][1][2] - 20, resized[0][1][3] - 20, 5000, 5000)
        size = page.evaluate("[photo.naturalWidth, photo.naturalHeight]")
        self.assertEqual(self.boxes()[0][1][2:], size)
        page.click("#undo")
        page.focus("#stage")
        page.keyboard.press("Delete")
        self.assertEqual(self.boxes(), [])
        for wanted in (resized, moved, first, [["", first[0][1]]], []):
            page.keyboard.press("Control+z")
            self.assertEqual(self.boxes(), wanted)
        self.assertTrue(page.is_disabled("#undo"))
        for _ in range(3):
            page.keyboard.press("Control+Shift+z")
        self.assertEqual(self.boxes(), moved)

    def test_a_box_that_is_not_selected_does_not_move(self):
        page = self.opened()
        self.draw(20, 20, 120, 120)
        before = self.boxes()
        page.keyboard.press("Escape")
        self.drag(60, 60, 90, 90)
        self.assertEqual(self.boxes(), before)

    def test_with_the_keyboard_alone(self):
        page = self.opened()
        page.focus("#stage")
        page.keyboard.press("n")
        (_, a), = self.boxes()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Shift+ArrowDown")
        page.keyboard.press("Alt+ArrowRight")
        page.keyboard.press("Alt+Shift+ArrowUp")
        self.assertEqual([round(v - w, 2) for v, w in zip(self.boxes()[0][1], a)], [1, 10, 2, 0])
        page.keyboard.press("Enter")
        page.keyboard.type("mine")
        page.keyboard.press("Enter")
        page.keyboard.press("n")
        self.assertEqual([name for name, _ in self.boxes()], ["mine", ""])
        page.keyboard.press("[")
        self.assertIn("mine", page.evaluate("document.activeElement.getAttribute('aria-label')"))
        page.keyboard.press("]")
        page.keyboard.press("Delete")
        self.assertEqual([name for name, _ in self.boxes()], ["mine"])
        page.keyboard.press("Escape")
        zoom = lambda: int(page.inner_text("#zoom-fit").split()[0])  # noqa: E731
        fitted = zoom()
        page.keyboard.press("+")
        self.assertGreater(zoom(), fitted)
        page.keyboard.press("1")
        self.assertEqual(zoom(), 100)
        page.keyboard.press("0")
        self.assertEqual(zoom(), fitted)
        page.focus("#question", timeout=1000) if page.is_visible("#question") else page.focus("#task input:checked")
        page.keyboard.press("Control+Enter")
        self.ran()
        self.assertGreater(page.locator(".phrase").count(), 1)
        page.focus("#list li:first-child")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Delete")
        self.assertEqual(page.evaluate("document.activeElement.parentElement.id"), "list")

    def test_every_control_is_reached_by_tab(self):
        page = self.opened()
        self.do("caption")
        page.focus("#open")
        wanted = page.evaluate("""[...document.querySelectorAll('button, select, input, textarea, [tabindex="0"]')].filter((node) =>
          node.tabIndex >= 0 && !node.disabled && node.checkVisibility() && !node.matches('[type=radio]:not(:checked)'))
          .map((node, i) => { node.number = i; return node.id || node.className || node.outerHTML; })""")
        seen = set()
        for _ in range(len(wanted) + 2):
            seen.add(page.evaluate("document.activeElement.number"))
            page.keyboard.press("Tab")
        self.assertEqual([name for i, name in enumerate(wanted) if i not in seen], [])


class Pictures(PageTest):
    def test_a_folder(self):
        page = self.go()
        with tempfile.TemporaryDirectory() as folder:
            for i in (2, 0, 10):
                shutil.copy(scene(i), folder)
            with open(os.path.join(folder, "notes.txt"), "w") as file:
                file.write("no picture")
            page.set_input_files("#folder", folder)
            page.wait_for_selector("#photo:not([hidden])")
            place = lambda: page.inner_text("#place")  # noqa: E731
            self.assertRegex(place(), r"^1 of 3 · .*/000\.png$")
            self.assertTrue(page.is_disabled("#previous"))
            page.click("#next")
            page.wait_for_selector("#place:has-text('2 of 3')")
            page.keyboard.press("PageDown")
            page.wait_for_selector("#place:has-text('3 of 3')")
            self.assertTrue(page.is_disabled("#next"))
            page.click("#thumbs button:nth-child(2)")
            page.wait_for_selector("#place:has-text('2 of 3')")
            page.keyboard.press("ArrowLeft")
            page.wait_for_selector("#place:has-text('1 of 3')")
            page.check("input[value=label]", force=True)
            page.click("#run-all")
            self.ran()
            self.assertEqual(page.locator(".mark:not([hidden])").count(), 3)
            one = len(self.boxes())
            page.keyboard.press("PageDown")
            page.wait_for_selector("#place:has-text('2 of 3')")
            self.assertEqual(page.locator("#boxes .box").count(), int(page.inner_text("#thumbs button:nth-child(2)")))
            page.keyboard.press("PageUp")
            page.wait_for_selector("#place:has-text('1 of 3')")
            self.assertEqual(len(self.boxes()), one)
            page.click("#remove")
            page.wait_for_selector("#place:has-text('1 of 2')")

    def given(self, kind, event):
        self.page.evaluate("""async ([kind, event]) => {
          const blob = await (await fetch('/page/example.jpg')).blob();
          const files = new DataTransfer();
          files.items.add(new File([blob], `${kind}.jpg`, { type: 'image/jpeg' }));
          document.dispatchEvent(event === 'paste' ? new ClipboardEvent('paste', { clipboardData: files, bubbles: true })
            : new DragEvent('drop', { dataTransfer: files, bubbles: true, cancelable: true }));
        }""", [kind, event])
        self.page.wait_for_selector(f"#place:has-text('{kind}.jpg')")

    def test_dropped_and_pasted(self):
        self.go()
        self.given("dropped", "drop")
        self.given("pasted", "paste")
        self.assertIn("2 of 2", self.page.inner_text("#place"))

    def test_camera(self):
        page = self.go()
        page.click("#camera")
        self.until("document.getElementById('video').videoWidth > 0")
        self.accessible("the camera")
        page.click("#take")
        page.wait_for_selector("#place:has-text('camera-1.jpg')")
        self.assertIsNone(page.evaluate("document.getElementById('video').srcObject"))
        self.do("label")
        self.assertNotIn("error", page.inner_text("#errors"))

    def test_other_formats_and_turned_pictures(self):
        with tempfile.TemporaryDirectory() as folder:
            gif, turned = os.path.join(folder, "a.gif"), os.path.join(folder, "b.jpg")
            image = Image.open(EXAMPLE)
            image.convert("P").save(gif)
            exif = image.getexif()
            exif[0x0112] = 6  # to be turned by 90 degrees
            image.crop((0, 0, image.width, image.height // 2)).save(turned, exif=exif)
            page = self.opened(gif, turned)
            self.do("label")
            self.assertEqual(page.locator(".error").count(), 0)
            page.keyboard.press("PageDown")
            page.wait_for_selector("#place:has-text('2 of 2')")
            self.assertEqual(page.evaluate("[photo.naturalWidth, photo.naturalHeight]"), [image.height // 2, image.width])
            self.do("label")
            program = lines("detect", turned, "--conf", "0.2")[0]
            self.assertEqual([program["image"]["width"], program["image"]["height"]], [image.height // 2, image.width])
            self.assertEqual([box for _, box in self.boxes()], [r["box"] for r in program["regions"]])

    def test_8000_pixels(self):
        with tempfile.TemporaryDirectory() as folder:
            large = os.path.join(folder, "large.jpg")
            Image.open(EXAMPLE).convert("RGB").resize((8000, 8000), Image.NEAREST).save(large, quality=60)
            page = self.opened(large)
            self.do("label")
            wanted = lines("detect", large, "--conf", "0.2")[0]["regions"]
            self.assertEqual([box for _, box in self.boxes()], [r["box"] for r in wanted])
            stage, zoom = page.locator("#stage").bounding_box(), lambda: int(page.inner_text("#zoom-fit").split()[0])
            self.assertLess(zoom(), 15)
            at = (stage["x"] + 300, stage["y"] + 200)
            pixel = "([x, y]) => import('/page/stage.js').then(({ view }) => view.toPixel(x, y))"
            before = page.evaluate(pixel, [300, 200])
            page.mouse.move(*at)
            for _ in range(12):
                page.mouse.wheel(0, -300)
            self.until("parseInt(document.getElementById('zoom-fit').textContent) > 300")
            after = page.evaluate(pixel, [300, 200])
            self.assertAlmostEqual(before["x"], after["x"], delta=1)
            self.assertAlmostEqual(before["y"], after["y"], delta=1)
            page.mouse.down(button="middle")
            page.mouse.move(at[0] - 100, at[1] - 50)
            page.mouse.up(button="middle")
            moved = page.evaluate(pixel, [200, 150])
            self.assertAlmostEqual(after["x"], moved["x"], delta=1)
            page.keyboard.press("0")
            self.assertLess(zoom(), 15)


class Exports(PageTest):
    """The same as `gromatic export` makes of the same answers."""
    files = [scene(64), scene(1)]

    def setUp(self):
        super().setUp()
        page = self.opened(*self.files)
        page.check("input[value=label]", force=True)
        page.fill("#classes", ", ".join(CLASSES))
        page.click("#run-all")
        self.ran()
        self.names = sorted(os.path.basename(name) for name in self.files)
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.lines = os.path.join(self.folder.name, "lines.jsonl")
        with open(self.lines, "w") as file:
            for name in self.names:
                number = int(name[:3])
                answer = server.post("/v1/label", {"image": picture(number), "classes": CLASSES, "conf": 0.2})[1]
                answer["image"]["file"] = name
                answer["model"] = {"file": "groma-mini"}
                file.write(json.dumps(answer) + "\n")

    def program(self, kind, *more):
        path = os.path.join(self.folder.name, kind)
        run("export", self.lines, "-f", kind, "-o", path, "--classes", ",".join(CLASSES), *more)
        return path

    def same_folder(self, kind):
        path, made = self.program(kind), zipfile.ZipFile(io.BytesIO(self.saved(kind)))
        self.assertIsNone(made.testzip())
        files = [os.path.relpath(os.path.join(at, name), path) for at, _, names in os.walk(path) for name in names]
        self.assertEqual(sorted(made.namelist()), sorted(name for name in files if not name.startswith(".gromatic")))
        for name in made.namelist():
            with open(os.path.join(path, name)) as file:
                wanted = [line for line in file.read().splitlines() if not line.startswith("# The pictures")]
            found = [line for line in made.read(name).decode().splitlines() if not line.startswith("# The pictures")]
            self.assertEqual(found, wanted, name)

    def test_coco(self):
        found = json.loads(self.saved("coco"))
        with open(self.program("coco")) as file:
            wanted = json.load(file)
        self.assertGreaterEqual(len(found["annotations"]), 5)
        for member in ("images", "annotations", "categories"):
            self.assertEqual(found[member], wanted[member])

    def test_yolo_and_voc(self):
        self.same_folder("yolo")
        self.same_folder("voc")
        made = zipfile.ZipFile(io.BytesIO(self.saved("yolo", pictures=True)))
        for file in self.files:
            with open(file, "rb") as whole:
                self.assertEqual(made.read("images/" + os.path.basename(file)), whole.read())

    def test_label_studio(self):
        config = os.path.join(self.folder.name, "config.xml")
        with open(self.program("labelstudio", "--label-config", config)) as file:
            self.assertEqual(json.loads(self.saved("labelstudio")), json.load(file))
        with open(config) as file:
            self.assertEqual(self.saved("config").decode(), file.read())

    def test_edits_are_exported(self):
        page = self.page
        page.keyboard.press("PageDown")
        page.click("#list li:first-child")
        page.fill("#name", "my, \"own\" & new")
        page.press("#name", "Enter")
        page.select_option("#scope", "one")
        found = json.loads(self.saved("coco"))
        self.assertEqual([c["name"] for c in found["categories"]], CLASSES + ["my, \"own\" & new"])
        self.assertEqual(found["annotations"][0]["category_id"], len(CLASSES) + 1)
        self.assertEqual(len(found["images"]), 1)
        self.assertEqual(len(found["annotations"]), len(self.boxes()))


class Keys(PageTest):
    expected = ("401",)

    def test_the_page_asks_for_the_key(self):
        with tempfile.NamedTemporaryFile("w", suffix=".keys") as file:
            file.write("open-sesame\n")
            file.flush()
            locked = Server("--api-key-file", file.name)
        try:
            page = self.go(locked)
            page.wait_for_selector("#key-dialog[open]")
            self.accessible("the key")
            page.fill("#key", "wrong")
            page.keyboard.press("Enter")
            page.wait_for_selector("#key-why:has-text('not known')")
            page.fill("#key", "open-sesame")
            page.click("#key-dialog .primary")
            page.wait_for_selector("#model option", state="attached")
            page.reload()
            page.wait_for_selector("#model option", state="attached")
            self.assertEqual(page.evaluate("[sessionStorage.length, localStorage.length, document.cookie]"), [1, 0, ""])
            page.click("#example")
            page.wait_for_selector("#photo:not([hidden])")
            self.do("caption")
            self.assertGreater(page.locator(".phrase").count(), 2)
        finally:
            locked.stop()


class Looks(PageTest):
    def everything(self):
        page = self.opened(EXAMPLE, scene(1))
        self.accessible("a picture")
        self.do("caption")
        page.click("#list li:first-child")
        self.accessible("boxes")
        page.hover(".phrase >> nth=1")
        for task in ("ask", "find", "label"):
            page.check(f"input[value={task}]", force=True)
            self.accessible(task)
        page.click("#help")
        self.accessible("help")
        page.keyboard.press("Escape")

    def test_light(self):
        self.go()
        self.accessible("nothing")
        self.everything()

    def fits(self):
        self.assertLessEqual(self.page.evaluate("document.documentElement.scrollWidth"), self.page.evaluate("innerWidth"))
        out = self.page.evaluate("""[...document.querySelectorAll('button, select, textarea, .panel')].filter((node) => node.checkVisibility()
          && !node.closest('#thumbs') && (node.getBoundingClientRect().right > innerWidth + 1 || node.getBoundingClientRect().left < -1)).map((node) => node.outerHTML)""")
        self.assertEqual(out, [])


class Dark(Looks):
    options = {"color_scheme": "dark"}

    def test_light(self):
        self.go()
        self.accessible("nothing")
        background = self.page.evaluate("getComputedStyle(document.body).backgroundColor")
        self.assertLess(sum(map(int, re.findall(r"\d+", background)[:3])), 150)
        self.everything()


class Phone(Looks):
    options = {"has_touch": True, "is_mobile": True, "device_scale_factor": 2}

    def setUp(self):
        super().setUp()
        self.page.set_viewport_size({"width": 375, "height": 740})

    def touch(self, kind, *points):
        self.cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]})

    def test_light(self):
        self.go()
        self.fits()
        self.everything()
        self.fits()
        page = self.page
        self.cdp = self.context.new_cdp_session(page)
        page.evaluate("scrollTo(0, 0)")
        zoom = lambda: int(page.inner_text("#zoom-fit").split()[0])  # noqa: E731
        before, stage = zoom(), page.locator("#stage").bounding_box()
        x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
        self.touch("touchStart", (x - 30, y), (x + 30, y))
        for by in (40, 60, 90):
            self.touch("touchMove", (x - by, y), (x + by, y))
        self.touch("touchEnd")
        self.assertGreater(zoom(), 2 * before)
        page.click("#zoom-fit")
        page.click("#tool-draw")
        n = len(self.boxes())
        self.touch("touchStart", (x - 40, y - 40))
        self.touch("touchMove", (x, y))
        self.touch("touchMove", (x + 30, y + 40))
        self.touch("touchEnd")
        self.assertEqual(len(self.boxes()), n + 1)
        self.fits()


if __name__ == "__main__":
    unittest.main()
