"""Variants of CLIP checkpoints: the cosines of transformers 4, transformers 5 and open_clip, which
scripts/clip-reference/reference.py computed, or an error that names what is not computed."""
import json
import os
import tempfile
import unittest

import clip_variants as variants
from program import DATA, lines, run

MODELS = os.environ["GM_MODELS"]
with open(os.path.join(DATA, "golden", "clip_variants.json")) as golden_file:
    GOLDEN = json.load(golden_file)


class Variants(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        made = {name: os.path.join(folder.name, name) for name in ("hf", "oc", "alike", "refused")}
        for path in made.values():
            os.mkdir(path)
        cls.huggingface = variants.huggingface(MODELS, made["hf"])
        cls.open_clip = variants.open_clip(DATA, made["oc"])
        cls.alike = variants.alike(MODELS, DATA, made["alike"])
        cls.refused = variants.refused(MODELS, DATA, made["refused"])

    def cosines(self, source):
        model = os.path.join(self.folder, "model.gguf")
        run("convert", source, "-o", model, "--type", "f32", "-q")
        [answer] = lines("classify", os.path.join(DATA, variants.PICTURE), "-m", model, "--classes",
                         ",".join(variants.CLASSES), "--method", "clip", "--top", 0, "--no-cache")
        scores = {r["label"]: r["raw_score"] for r in answer["results"]}
        return [scores[c] for c in variants.CLASSES]

    def compare(self, source, libraries, name):
        found = self.cosines(source)
        for library in libraries:
            want = GOLDEN[library]["cosines"][name]
            for class_name, ours, theirs in zip(variants.CLASSES, found, want):
                self.assertLess(abs(ours - theirs), 1e-3, (library, class_name, found, want))

    def test_as_transformers(self):
        libraries = "transformers-4", "transformers-5"
        for library in libraries:
            self.assertEqual(set(GOLDEN[library]["cosines"]), set(self.huggingface))
        for name, source in self.huggingface.items():
            with self.subTest(name):
                self.compare(source, libraries, name)

    def test_as_open_clip(self):
        self.assertEqual(set(GOLDEN["open_clip"]["cosines"]), set(self.open_clip))
        for name, source in self.open_clip.items():
            with self.subTest(name):
                self.compare(source, ["open_clip"], name)

    def test_variants_differ(self):
        """A variant with the base's cosines would test nothing: those that compute something else have others."""
        same = {"hf_squash_uncropped", "hf_size_int", "hf_v5", "hf_tokenizer_json", "hf_config_dict",
                "hf_position_ids", "hf_f64", "hf_crlf", "oc_ln_after_pool", "oc_clean_lower", "oc_logit_bias",
                "oc_logit_scale_vector", "oc_size_ignored", "oc_custom_text", "oc_module", "hf_base", "oc_base"}
        for library, of_library in GOLDEN.items():
            base = of_library["cosines"]["oc_base" if library == "open_clip" else "hf_base"]
            for name, cosines in of_library["cosines"].items():
                if name not in same and name != "oc_tanh":  # which differs by 1e-4
                    self.assertGreater(max(abs(a - b) for a, b in zip(base, cosines)), 3e-3, (library, name))

    def test_alike(self):
        for name, (source, other) in self.alike.items():
            with self.subTest(name):
                self.compare(source, ["open_clip" if other.startswith("oc_") else "transformers-4"], other)

    def test_refused(self):
        for name, (source, words) in self.refused.items():
            with self.subTest(name):
                _, err = run("convert", source, "-o", os.path.join(self.folder, "never.gguf"), "-q", code=3)
                for word in words:
                    self.assertIn(word, err)
                self.assertFalse(os.path.exists(os.path.join(self.folder, "never.gguf")))

    def test_ignored(self):
        for name, ignored in (("unknown", "vision_config.rotary,window,fuse,preprocessor_config.json:sharpen"),
                              ("oc_layer_scale", "*.gamma"), ("oc_unknown", "*.rope,mystery")):
            with self.subTest(name):
                model = os.path.join(self.folder, "ignored.gguf")
                run("convert", self.refused[name][0], "-o", model, "--ignore-config", ignored, "-q")
                self.assertTrue(os.path.exists(model))
        _, err = run("convert", self.refused["unknown"][0], "-o", os.path.join(self.folder, "never.gguf"),
                     "--ignore-config", "vision_config.rotary,sharpen", "-q", code=3)
        self.assertIn("vision_config.window = 7, fuse = \"late\"", err)
        self.assertNotIn("rotary", err)
        # Known members that are not computed are never ignored.
        _, err = run("convert", self.refused["oc_qk_norm"][0], "-o", os.path.join(self.folder, "never.gguf"),
                     "--ignore-config", "*", "-q", code=3)
        self.assertIn("qk_norm", err)


if __name__ == "__main__":
    unittest.main()
