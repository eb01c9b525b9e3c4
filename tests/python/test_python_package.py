"""The Python package on the library under test: results are those of the program; pictures of all kinds; errors,
threads, streams, forks and Ctrl-C."""
import asyncio
import doctest
import gc
import io
import json
import math
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import weakref

ROOT = os.path.join(os.environ["GM_TEST_DATA"], "..", "..")
sys.path.insert(0, os.path.join(ROOT, "python"))

import numpy as np  # noqa: E402
from PIL import Image as Pillow  # noqa: E402

import gromatic  # noqa: E402

SCENES = os.path.join(os.environ["GM_TEST_DATA"], "world", "scenes", "images")
PICTURE = os.path.join(SCENES, "064.jpg")
GRAPES = (34, 18, 103, 76)


def program(*arguments):
    """The JSON of the program, which is tested by itself against the reference."""
    out = subprocess.run([os.environ["GROMATIC"], *arguments, "--json", "-q"], check=True, capture_output=True).stdout
    return json.loads(out)


def setUpModule():
    global model, scene
    model = gromatic.Model()
    scene = model.scene(PICTURE)


def tearDownModule():
    scene.close()
    model.close()


class Results(unittest.TestCase):
    def same(self, found, want):
        """The program prints boxes to 1/100 pixel and scores to 1e-6."""
        if isinstance(want, dict):
            for name in set(want) - {"notice"}:
                self.same(found[name], want[name])
        elif isinstance(want, list):
            self.assertEqual(len(found), len(want))
            for one, other in zip(found, want):
                self.same(one, other)
        elif isinstance(want, float):
            self.assertAlmostEqual(found, want, delta=0.0051 if abs(want) > 1 else 1e-5)
        else:
            self.assertEqual(found, want)

    def test_caption(self):
        answer = scene.caption()
        self.same(answer.to_dict(), program("caption", PICTURE))
        self.assertEqual(str(answer), answer.text)
        for grounding in answer.groundings:
            self.assertEqual(answer.text[slice(*grounding.span)], grounding.phrase)
        self.assertTrue(answer.complete)
        self.assertTrue(answer.raw.endswith("</s>") and len(answer.ids) > 10)

    def test_detect(self):
        found = model.detect(PICTURE)
        self.same(found.to_dict(), program("detect", PICTURE))
        self.assertEqual(tuple(found), scene.regions)
        self.assertEqual(found.boxes.shape, (len(found), 4))
        self.assertTrue((np.diff(found.scores) <= 0).all())
        few = model.detect(PICTURE, max_regions=2)
        self.assertEqual(few.regions, found.regions[:2])
        self.assertGreater(len(model.detect(PICTURE, box_score_thres=0, nms_thres=0)), len(found))

    def test_ground(self):
        phrases = "a crown", "the green apple"
        want = program("ground", PICTURE, *phrases, "--max-det", "3")
        found = scene.ground(phrases, max_det=3)
        self.same([one.to_dict()["results"][0] for one in found], want["results"])
        self.assertEqual(scene.ground("a crown", max_det=3), found[0])
        self.assertEqual([(len(one.regions), one.n_left_out) for one in found],
                         [(3, len(scene.regions) - 3)] * 2)
        with gromatic.Clip() as clip:  # without a head, it is not looked at
            self.assertEqual(scene.ground("a crown", max_det=3, clip=clip), found[0])

    def test_describe_and_ask(self):
        want = program("describe", PICTURE, "--box", "34,18,103,76", "--box", "2,151,56,206")
        found = scene.describe([GRAPES, np.array([2, 151, 56, 206])])
        self.assertEqual([answer.text for answer in found], [one["text"] for one in want["results"]])
        self.assertEqual(scene.ask("What is {1}?", boxes=[GRAPES]).text, "Grapes")
        self.assertEqual([answer.text for answer in scene.ask_many(["What is {1}?"] * 3, boxes=[GRAPES])],
                         ["Grapes"] * 3)
        self.assertEqual(scene.ask("What is {1}?", boxes=scene.regions[:1]).text, "Grapes")

    def test_chat_goes_on_from_an_answer(self):
        with scene.chat() as said, scene.chat() as given, scene.chat() as edited:
            first = said.ask("Give me a concise description of the image.")
            self.assertEqual(given.give("Give me a concise description of the image.", first), first)
            question = "What is in the picture?"
            self.assertEqual(given.ask(question), said.ask(question))
            words = edited.give("What is it?", "A <p>wall</p>.")
            self.assertEqual((words.text, words.groundings), ("A <p>wall</p>.", ()))

    def test_chat(self):
        with scene.chat() as chat:
            self.assertEqual(chat.ask("What is {1}?", boxes=[GRAPES]).text, "Grapes")
            with chat.stream_ask("Give me a concise description of the image.") as stream:
                with self.assertRaisesRegex(gromatic.ArgumentError, "not answered yet"):
                    chat.ask("What is it?")
                self.assertEqual("".join(e.text for e in stream if isinstance(e, gromatic.Text)),
                                 stream.result().text)

    def test_classify_and_label(self):
        picture = os.path.join(os.environ["GM_TEST_DATA"], "world", "classify", "koala", "0.png")
        with gromatic.Clip() as clip:
            want = program("classify", picture, "--classes", "rabbit,koala,panda", "--method", "clip")
            self.same(clip.classify(picture, ["rabbit", "koala", "panda"]).to_dict(), want)
            self.assertEqual(clip.classify(picture, ["rabbit", "koala"], top=1).best.name, "koala")
            names = ["green apple", "grapes", "crown", "pineapple"]
            want = program("label", PICTURE, "--classes", ",".join(names), "--none", "-1", "--merge-iou", "0")
            with clip.classes(names, method="wca") as classes:
                self.assertEqual((classes.names, len(classes)), (names, 4))
                labelled = clip.label(PICTURE, scene.detect(), classes)
                self.same(labelled.to_dict(), want)
                with clip.view(PICTURE, method="wca", crops=20) as view:
                    self.assertEqual(view.crops.shape, (20, 4))
                    found = {label.name: label.raw_score for label in view.classify(classes).scored}
                    why = view.explain(classes, "crown", "grapes")
                    # The shares add up to the score (sums of floats near 1: 1e-5).
                    self.assertAlmostEqual(sum(crop.share for crop in why.crops), found["crown"], delta=1e-5)
                    self.assertAlmostEqual(why.lead, found["crown"] - found["grapes"], delta=1e-5)
            features = clip.encode_texts(["a dog", "a dog", "a cat"])
            self.assertTrue((features[0] == features[1]).all() and (features[0] != features[2]).any())
            np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)
            whole = clip.encode_image(PICTURE)
            boxes = clip.encode_image(PICTURE, [(0, 0, 280, 320), GRAPES])
            self.assertTrue((boxes[0] == whole[0]).all() and (boxes[1] != whole[0]).any())

    def test_supervision_and_coco(self):
        answer = scene.caption()
        found = answer.to_supervision()
        np.testing.assert_array_equal(found.xyxy, answer.boxes)
        names = list(found.data["class_name"])
        self.assertEqual(sorted(names), ["Grapes", "a crown", "a green apple", "a green apple", "a pineapple"])
        kinds = list(dict.fromkeys(names))
        self.assertEqual(list(found.class_id), [kinds.index(name) for name in names])
        coco = gromatic.to_coco([answer, scene.detect()])
        from pycocotools.coco import COCO
        read = COCO()
        read.dataset = coco
        read.createIndex()
        self.assertEqual([c["name"] for c in coco["categories"]],
                         [*kinds, "object"])
        first = read.loadAnns(read.getAnnIds(imgIds=[1]))[0]
        x1, y1, x2, y2 = answer.groundings[0].regions[0].box
        self.assertEqual(first["bbox"], [x1, y1, x2 - x1, y2 - y1])
        empty = gromatic.Detections((4, 4))
        self.assertEqual((len(empty.to_supervision()), empty.to_coco()["annotations"]), (0, []))

    def test_drawings(self):
        answer = scene.caption()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "a.jpg")
            answer.draw(path)
            with Pillow.open(path) as drawn:
                self.assertEqual(drawn.format, "JPEG")
        self.assertEqual(Pillow.open(io.BytesIO(answer._repr_png_())).format, "PNG")
        page = answer._repr_html_()
        self.assertEqual(page.count("<rect"), len(answer.boxes))
        self.assertIn("data:image/jpeg;base64,", page)
        hostile = gromatic.GroundResult((10, 10), phrase='<script>"&', regions=(gromatic.Region((0, 0, 5, 5)),))
        self.assertNotIn("<script>", hostile._repr_html_())
        with self.assertRaisesRegex(gromatic.ArgumentError, "without its picture"):
            hostile.draw()

    def test_results_are_plain_data(self):
        answer = scene.caption()
        with self.assertRaises(AttributeError):
            answer.text = "x"
        with self.assertRaisesRegex(TypeError, "cannot be pickled"):
            pickle.dumps(model)
        alone, = model.map([PICTURE])
        self.assertEqual(pickle.loads(pickle.dumps(alone)), answer)


class Pictures(unittest.TestCase):
    def test_all_kinds_are_the_same_pixels(self):
        pixels = np.asarray(Pillow.open(PICTURE).convert("RGB"))
        with open(PICTURE, "rb") as file:
            data = file.read()
        kinds = [PICTURE, data, bytearray(data), memoryview(data), pixels, Pillow.open(PICTURE),
                 pixels[:, ::-1][:, ::-1], np.dstack([pixels, pixels[:, :, 0]]), gromatic.Image(PICTURE)]
        for kind in kinds:
            np.testing.assert_array_equal(gromatic.Image(kind).array if not isinstance(kind, gromatic.Image)
                                          else kind.array, pixels)
        grey = gromatic.Image(pixels[:, :, 1]).array
        for channel in range(3):
            np.testing.assert_array_equal(grey[:, :, channel], pixels[:, :, 1])

    def test_a_turned_picture_is_upright(self):
        turned, exif = Pillow.new("RGB", (20, 10)), Pillow.Exif()
        exif[0x112] = 6
        out = io.BytesIO()
        turned.save(out, "JPEG", exif=exif)
        self.assertEqual(gromatic.Image(out.getvalue()).size, (10, 20))
        self.assertEqual(gromatic.Image(Pillow.open(io.BytesIO(out.getvalue()))).size, (10, 20))

    def test_what_is_no_picture(self):
        cases = [(np.zeros((4, 4, 3), np.float32), "float32; wanted uint8"),
                 (np.zeros((3, 4, 5), np.uint8), r"\[3, 4, 5\]; wanted \[height, width, 3\]"),
                 ([1, 2], "found list"), (np.zeros((0, 4, 3), np.uint8), "0"), ("a\0b", "zero byte")]
        for picture, message in cases:
            with self.assertRaisesRegex(gromatic.ArgumentError, message):
                gromatic.Image(picture)
        with self.assertRaises(FileNotFoundError) as caught:
            gromatic.Image("nothing.png")
        self.assertEqual(caught.exception.code, "file_not_found")
        with open(PICTURE, "rb") as file:
            cut = file.read()[:900]
        for data, code in ((b"BM", "image_unsupported"), (cut, "image_truncated")):
            with self.assertRaises(gromatic.ImageError) as caught:
                gromatic.Image(data)
            self.assertEqual(caught.exception.code, code)
        with self.assertRaises(gromatic.ImageError) as caught:
            gromatic.Image(PICTURE, max_pixels=100)
        self.assertEqual(caught.exception.code, "image_too_large")


class Arguments(unittest.TestCase):
    def test_wrong_ones(self):
        cases = [(lambda: scene.ask("a\0b"), "zero character"), (lambda: scene.ask(b"x"), "wanted a str"),
                 (lambda: scene.ask("\ud800"), "UTF-8"), (lambda: scene.caption(max_tokens=0), "max_tokens"),
                 (lambda: scene.caption(max_tokens=-1), "max_tokens"), (lambda: scene.caption(max_tokens=2.5), "2.5"),
                 (lambda: scene.caption(max_tokens=2**40), "max_tokens"), (lambda: scene.ground([]), "empty list"),
                 (lambda: scene.ask("{1}", boxes=[(1, 2, 3)]), "four numbers"), (lambda: scene.describe([5]), "four"),
                 (lambda: scene.describe([(900, 900, 950, 950)]), "picture"),
                 (lambda: scene.describe([(math.nan, 0, 1, 1)]), "box"),
                 (lambda: scene.caption(timeout=0), "timeout"), (lambda: gromatic.Engine(threads=-1), "threads"),
                 (lambda: gromatic.Engine(memory=2**70), "memory"),
                 (lambda: model.scene(PICTURE, regions=[GRAPES], region_scores=[1, 2]), "region_scores"),
                 (lambda: model.map([PICTURE], "dance"), "dance"), (lambda: model.map([], errors="x"), "errors"),
                 (lambda: gromatic.Model(adapters="a.gguf"), "list")]
        for call, message in cases:
            with self.assertRaisesRegex(gromatic.ArgumentError, message):
                call()
        with self.assertRaises(gromatic.NotFoundError):
            gromatic.Model("/nothing.gguf")
        with self.assertRaises(gromatic.ModelError):
            gromatic.Model(self.damaged())

    def damaged(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, "x.gguf")
        with open(path, "wb") as file:
            file.write(b"GGUF")
        return path

    def test_closed(self):
        engine = gromatic.Engine(threads=1)
        small = gromatic.Model(engine=engine)
        engine.close()
        with small:
            made = small.scene(PICTURE)
            small.close()
            small.close()
            with self.assertRaisesRegex(gromatic.ClosedError, "model was closed"):
                small.scene(PICTURE)
            self.assertEqual(made.caption(max_tokens=4), scene.caption(max_tokens=4))  # its model lives as long
            made.close()
            with self.assertRaises(gromatic.ClosedError):
                made.caption()

    def test_dropped_objects_are_freed(self):
        with gromatic.Engine(kept_scenes=0) as engine, gromatic.Model(engine=engine) as other:
            made = other.scene(PICTURE)
            self.assertEqual(engine.info().scenes, 1)
            circle = [made]
            circle.append(circle)
            del made, circle
            gc.collect()
            self.assertEqual(engine.info().scenes, 0)


class Streams(unittest.TestCase):
    def test_events_are_the_answer(self):
        whole = scene.caption()
        stream = scene.stream_caption(progress=True)
        events = list(stream)
        self.assertEqual("".join(e.text for e in events if isinstance(e, gromatic.Text)), whole.text)
        self.assertEqual([(e.phrase, e.span, e.regions, e.present) for e in events if isinstance(e, gromatic.Phrase)],
                         [(g.phrase, g.span, g.regions, g.present) for g in whole.groundings])
        self.assertIn("generate", {e.stage for e in events if isinstance(e, gromatic.Progress)})
        self.assertEqual(stream.result(), whole)
        self.assertEqual(stream.usage.generated, len(whole.ids))
        self.assertEqual(list(stream), [])

    def test_asyncio(self):
        whole = scene.caption()

        async def text_of(stream):
            return "".join([event.text async for event in stream if isinstance(event, gromatic.Text)])

        async def main():
            several = await asyncio.gather(*(text_of(scene.stream_caption()) for _ in range(8)))
            self.assertEqual(several, [whole.text] * 8)
            self.assertEqual(await scene.stream_caption(), whole)
            stream = scene.stream_caption()
            task = asyncio.ensure_future(text_of(stream))
            await asyncio.sleep(0)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            async with scene.stream_caption() as stream:
                async for _ in stream:
                    break
            # The loop goes on while a picture is encoded.
            ticks = 0

            async def tick():
                nonlocal ticks
                while True:
                    await asyncio.sleep(0.001)
                    ticks += 1
            ticking = asyncio.ensure_future(tick())
            await scene.stream_caption()
            ticking.cancel()
            self.assertGreater(ticks, 5)

        asyncio.run(main())

    def test_cut_short(self):
        stream = scene.stream_caption()
        next(stream)
        stream.cancel()
        with self.assertRaises(gromatic.CancelledError) as caught:
            stream.result()
        self.assertTrue(scene.caption().text.startswith(caught.exception.answer.text))
        with self.assertRaises(TimeoutError) as caught:
            model.caption(PICTURE, timeout=1e-4)
        self.assertEqual(caught.exception.code, "timeout")
        with scene.stream_caption() as stream:
            next(stream)
        gone = weakref.ref(stream)
        del stream
        self.assertIsNone(gone())

    def test_progress(self):
        stages = []
        scene.caption(progress=lambda stage, done: stages.append((stage, done)))
        self.assertIn("generate", dict(stages))
        self.assertTrue(all(0 <= done <= 1 for _, done in stages))
        with self.assertRaises(ZeroDivisionError):
            scene.caption(progress=lambda stage, done: 1 / 0)


class Many(unittest.TestCase):
    def test_batches(self):
        paths = [os.path.join(SCENES, name) for name in sorted(os.listdir(SCENES))[:6]]
        want = [model.caption(path) for path in paths]
        taken = []

        def pictures():
            for path in paths:
                taken.append(path)
                yield path
        got = model.map(pictures(), together=2)
        self.assertEqual(next(got), want[0])
        self.assertLess(len(taken), 5)
        self.assertEqual(list(got), want[1:])
        self.assertIsNone(next(model.map(paths)).picture)
        kept = next(model.map(paths, "detect", keep_pictures=True))
        self.assertFalse(kept.picture.closed)
        found = list(model.map([paths[0], "nothing.png", b"x"], "ground", phrases=["a tree"], errors="return"))
        self.assertEqual(found[0][0].phrase, "a tree")
        self.assertEqual([error.code for error in found[1:]], ["file_not_found", "image_unsupported"])
        with self.assertRaises(gromatic.NotFoundError):
            list(model.map(["nothing.png"]))
        with gromatic.Clip() as clip:
            best = [found.best.name for found in clip.map(paths, ["a tree", "a rocket"])]
            self.assertEqual(best, [clip.classify(path, ["a tree", "a rocket"]).best.name for path in paths])

    def test_threads(self):
        """Eight threads ask one scene, while others open and close models."""
        want, wrong = scene.caption(max_tokens=5), []

        def ask():
            for _ in range(3):
                if scene.caption(max_tokens=5) != want:
                    wrong.append("another answer")

        def open_and_close():
            with gromatic.Model() as other:
                made = other.scene(PICTURE)
                threading.Thread(target=made.close).start()
                try:
                    made.caption(max_tokens=5)
                except gromatic.ClosedError:
                    pass
        threads = [threading.Thread(target=target) for target in [ask] * 8 + [open_and_close] * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_a_full_queue(self):
        with gromatic.Engine(queue=1) as engine, gromatic.Model(engine=engine) as small, small.scene(PICTURE) as made:
            with made.stream_caption():
                with self.assertRaises(gromatic.BusyError):
                    made.caption()


def in_child(made, queue):
    """Runs in a forked process."""
    try:
        made.caption()
    except gromatic.ForkError as error:
        made.close()
        with gromatic.Model() as own:
            queue.put((str(error), own.caption(PICTURE).text))


class Processes(unittest.TestCase):
    def test_after_a_fork(self):
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        child = context.Process(target=in_child, args=(scene, queue))
        child.start()
        message, text = queue.get(timeout=60)
        child.join(60)
        self.assertEqual(child.exitcode, 0)
        self.assertIn("before the process was forked", message)
        self.assertEqual(scene.caption().text, text)

    def run_and_interrupt(self, work):
        """Starts Python with this work, sends Ctrl-C when it says "ready"; returns the seconds that it went on, and
        what it printed."""
        code = f"import gromatic\n{work}"
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, env=dict(os.environ, PYTHONPATH=os.path.join(ROOT, "python")))
        self.assertEqual(process.stdout.readline(), "ready\n")
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        begin = time.monotonic()
        out, err = process.communicate(timeout=60)
        return time.monotonic() - begin, out, err

    def test_ctrl_c(self):
        """Work of minutes ends within 5 s: a layer takes milliseconds, the rest is for a busy machine."""
        picture = f"gromatic.Image({PICTURE!r})"
        works = [f"clip = gromatic.Clip(); p = {picture}; print('ready', flush=True)\n"
                 "clip.classify(p, clip.classes(['a', 'b'], method='wca'), view={'crops': 65536})",
                 "clip = gromatic.Clip(); print('ready', flush=True)\n"
                 "clip.encode_texts(f'thing {i}' for i in range(1000000))",
                 f"m = gromatic.Model(); p = {picture}; print('ready', flush=True)\n"
                 "for _ in m.map([p] * 10000): pass"]
        for work in works:
            seconds, _, err = self.run_and_interrupt(work)
            self.assertTrue(err.rstrip().endswith("KeyboardInterrupt"), err)
            self.assertNotIn("ignored", err)
            self.assertLess(seconds, 5)

    def test_the_interpreter_ends_quietly(self):
        """Objects that are open at the end, streams that run, circles: no message, exit code 0."""
        code = ("import asyncio, gromatic\nm = gromatic.Model(); s = m.scene(%r); circle = [s]; circle.append(circle)\n"
                "stream = s.stream_caption(); next(stream)\n"
                "async def main():\n    other = s.stream_caption()\n    async for _ in other: break\n"
                "asyncio.run(main())" % PICTURE)
        done = subprocess.run([sys.executable, "-X", "dev", "-c", code], capture_output=True, text=True, timeout=60,
                              env=dict(os.environ, PYTHONPATH=os.path.join(ROOT, "python")))
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_without_a_library(self):
        env = {name: value for name, value in os.environ.items() if name != "GROMATIC_LIBRARY"}
        done = subprocess.run([sys.executable, "-c", "import gromatic"], capture_output=True, text=True, check=False,
                              env=dict(env, PYTHONPATH=os.path.join(ROOT, "python")))
        self.assertIn("scripts/wheel.sh", done.stderr)

    def test_the_program(self):
        done = subprocess.run([sys.executable, "-m", "gromatic", "--version"], capture_output=True, text=True,
                              check=True, env=dict(os.environ, PYTHONPATH=os.path.join(ROOT, "python")))
        self.assertIn(gromatic.__version__, done.stdout)


def load_tests(loader, tests, _pattern):
    """The examples of the docstrings too."""
    for name in sorted(sys.modules):
        if name.startswith("gromatic."):
            tests.addTests(doctest.DocTestSuite(sys.modules[name]))
    return tests


if __name__ == "__main__":
    unittest.main()
