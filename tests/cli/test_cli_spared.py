"""Outputs that are files the run reads: refused by every command, by any name of the file."""
import os
import shutil
import tempfile
import unittest

from program import DATA, run

SCENE = os.path.join(DATA, "world", "scenes", "images", "000.png")


def read(name):
    with open(name, "rb") as file:
        return file.read()


class Spared(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder.name)
        shutil.copy(SCENE, "a.png")
        files = {"x.gguf": "GGUF and more", "words.txt": "guitar\nrabbit\n", "words.jsonl": "guitar\nrabbit\n",
                 "d.json": '{"guitar": ["a guitar."]}', "list.txt": "a.png\n", "boxes.json": "[[1, 1, 90, 90]]",
                 "templates.json": '["a photo of a {}."]', "coco.json": "{}"}
        for name, text in files.items():
            with open(name, "w") as file:
                file.write(text)
        os.symlink("x.gguf", "link.gguf")
        os.link("words.txt", "same.txt")

    def contents(self):
        return {name: (os.lstat(name).st_ino, read(name)) for name in os.listdir(".")}

    def test_no_input_is_replaced(self):
        before = self.contents()
        for args, option, name in (
                (["convert", "x.gguf", "-o", "x.gguf", "--type", "q4_0"], "-o", "x.gguf"),
                (["convert", "x.gguf", "-o", "link.gguf"], "-o", "x.gguf"),
                (["convert", "link.gguf", "-o", "./x.gguf"], "-o", "link.gguf"),
                (["caption", "a.png", "-m", "./x.gguf", "-o", "x.gguf"], "-o", "-m ./x.gguf"),
                (["caption", "a.png", "--draw", "a.png"], "--draw", "a.png"),
                (["detect", "@list.txt", "-o", "list.txt"], "-o", "list.txt"),
                (["ground", "a.png", "a guitar", "--regions", "boxes.json", "-o", "boxes.json"], "-o",
                 "--regions boxes.json"),
                (["label", "a.png", "--classes", "words.txt", "-o", "words.txt"], "-o", "--classes words.txt"),
                (["label", "a.png", "--classes", "words.txt", "-o", "same.txt"], "-o", "--classes words.txt"),
                (["label", "a.png", "--classes", "words.jsonl", "-f", "coco", "-o", "words"], "-o",
                 "--classes words.jsonl"),
                (["label", "a.png", "--classes", "words.jsonl", "-f", "yolo", "-o", "words//"], "-o",
                 "--classes words.jsonl"),
                (["label", "a.png", "--classes", "words.txt", "-f", "labelstudio", "-o", "out.json", "--label-config",
                  "words.txt"], "--label-config", "--classes words.txt"),
                (["label", "a.png", "--classes", "guitar", "--clip-model", "./x.gguf", "-f", "csv", "-o", "x.gguf"], "-o",
                 "--clip-model ./x.gguf"),
                (["classify", "a.png", "--descriptions", "d.json", "-o", "d.json"], "-o", "--descriptions d.json"),
                (["classify", "a.png", "--classes", "guitar", "--method", "clip-e", "--templates", "templates.json", "-o",
                  "templates.json"], "-o", "--templates templates.json"),
                (["classify", "a.png", "--classes", "guitar", "--explain", "a.png"], "--explain", "a.png"),
                (["describe-classes", "--classes", "words.txt", "-o", "words.txt", "--endpoint", "http://127.0.0.1:9"], "-o",
                 "--classes words.txt"),
                (["export", "words.jsonl", "-f", "csv", "-o", "words.jsonl"], "-o", "words.jsonl")):
            for force in [], ["--force"]:
                with self.subTest(args=args + force):
                    err = run(*args, *force, code=2)[1]
                    self.assertIn(f"{option} ", err)
                    self.assertIn(f"it would replace {name}, which this run reads", err)
        self.assertEqual(self.contents(), before)

    def test_no_file_of_a_checkpoint_is_replaced(self):
        """By its own name or another; a GGUF file in that folder is a result."""
        source = os.path.join(DATA, "models", "clip-tiny-openclip")
        shutil.copytree(source, "checkpoint")
        os.symlink("checkpoint/open_clip_model.safetensors", "weights.gguf")
        before = {name: read(f"checkpoint/{name}") for name in os.listdir("checkpoint")}
        for output in ("checkpoint/open_clip_model.safetensors", "weights.gguf", "checkpoint/open_clip_config.json"):
            for force in [], ["--force"]:
                run("convert", "checkpoint", "-o", output, *force, code=2)
        self.assertEqual({name: read(f"checkpoint/{name}") for name in os.listdir("checkpoint")}, before)
        for _ in range(2):
            run("convert", "checkpoint", "-o", "checkpoint/model.gguf", "-q")

    def test_lines_beside_their_export(self):
        """NAME.jsonl is the source of an export, not one of its files."""
        run("detect", "a.png", "-o", "regions.jsonl", "-q", "--no-cache")
        before = read("regions.jsonl")
        run("export", "regions.jsonl", "-f", "csv", "-o", "regions")
        self.assertEqual(read("regions.jsonl"), before)


class Relative(unittest.TestCase):
    """Boxes that would be less than a pixel: shares of the picture, given without their format."""

    def test_boxes_below_a_pixel(self):
        for box, options in (("0.1,0.2,0.5,0.6", []), ("0,0,1,1", []), ("0.5,0.5,0.2,0.2", []),
                             ("0.1,0.1,0.2,0.3", ["--box-format", "xywh"])):
            for command in ["describe"], ["chat", "-p", "What is {1}?"]:
                with self.subTest(box=box, command=command):
                    err = run(command[0], SCENE, *command[1:], "--box", box, *options, "--no-cache", code=2)[1]
                    self.assertIn("--box-format xyxyn", err)
                    self.assertIn(box, err)
        run("describe", SCENE, "--box", "0.1,0.2,0.5,0.6", "--box-format", "xyxyn", "-n", "2", "--no-cache")
        run("describe", SCENE, "--box", "0,0,1,1.5", "-n", "2", "--no-cache")

    def test_files_of_regions(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "boxes.txt")
            for text, code in (("0.1,0.2,0.5,0.6\n0,0,1,1\n", 2), ("0,0,1,1\n20,20,90,90\n", 0)):
                with open(path, "w") as file:
                    file.write(text)
                err = run("detect", SCENE, "--regions", path, "--no-cache", code=code)[1]
                self.assertEqual("--box-format xyxyn" in err, code == 2)


if __name__ == "__main__":
    unittest.main()
