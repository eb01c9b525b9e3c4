"""One CLIP in each of its checkpoint layouts: all give the same model."""
import json
import os
import shutil
import struct
import tempfile
import unittest

import torch_file
from program import DATA, lines, run, scene

MODELS = os.path.join(DATA, "models")
MINI = os.path.join(os.environ["GM_MODELS"], "clip-mini")


class Layouts(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def convert(self, source, name, *options):
        path = os.path.join(self.folder, name)
        run("convert", source, "-o", path, "--type", "f32", "-q", *options)
        out, _ = run("inspect", path, "--json")
        model = json.loads(out)
        keys = {k: v.get("value") for k, v in model["metadata"].items() if k.startswith(("clip.", "tokenizer."))}
        [answer] = lines("classify", scene(0), "-m", path, "--classes", "dog,cat,a red car", "--method", "clip",
                         "--top", 0, "--no-cache")
        return keys, [(t["name"], t["shape"]) for t in model["tensors"]], answer["results"]

    def test_state_dict(self):
        script = os.path.join(MODELS, "clip-tiny", "openai-torchscript.pt")
        tensors = torch_file.read_script_archive(script)
        path = os.path.join(self.folder, "model.pt")
        torch_file.write_archive(path, tensors)
        self.assertEqual(self.convert(path, "a.gguf"), self.convert(script, "b.gguf"))

    def test_open_clip_bin(self):
        source = os.path.join(MODELS, "clip-tiny-openclip")
        tensors = torch_file.read_safetensors(os.path.join(source, "open_clip_model.safetensors"))
        copy = os.path.join(self.folder, "copy")
        os.mkdir(copy)
        shutil.copy(os.path.join(source, "open_clip_config.json"), copy)
        path = os.path.join(copy, "open_clip_pytorch_model.bin")
        torch_file.write_archive(path, tensors)
        want = self.convert(source, "want.gguf")
        self.assertEqual(self.convert(copy, "folder.gguf"), want)
        self.assertEqual(self.convert(path, "file.gguf"), want)
        self.assertEqual(want[0]["clip.activation"], "gelu")
        os.remove(os.path.join(copy, "open_clip_config.json"))  # without it: OpenAI's, unless specified
        told, _, _ = self.convert(copy, "told.gguf", "--layout", "open_clip")
        untold, _, _ = self.convert(copy, "untold.gguf")
        self.assertEqual((told["clip.activation"], untold["clip.activation"]), ("gelu", "quick_gelu"))

    def test_hugging_face_bin(self):
        copy = os.path.join(self.folder, "copy")
        shutil.copytree(MINI, copy, ignore=shutil.ignore_patterns("model.safetensors"))
        tensors = torch_file.read_safetensors(os.path.join(MINI, "model.safetensors"))
        # Buffers that older files have, of no use
        tensors["text_model.embeddings.position_ids"] = "I64", [1, 32], struct.pack("<32q", *range(32))
        torch_file.write_archive(os.path.join(copy, "pytorch_model.bin"), tensors)
        self.assertEqual(self.convert(copy, "a.gguf"), self.convert(MINI, "b.gguf"))


if __name__ == "__main__":
    unittest.main()
