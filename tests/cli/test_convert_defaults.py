"""Files of a checkpoint with every member that transformers 4 and 5 know, as scripts/clip-reference/defaults.py had
them written by to_dict(): none is refused, and the model file is the same as without them."""
import copy
import json
import os
import shutil
import tempfile
import unittest

from program import DATA, run

MODELS = os.environ["GM_MODELS"]
CLIP, GROMA = os.path.join(MODELS, "clip-mini"), os.path.join(DATA, "models", "groma-mini")
with open(os.path.join(DATA, "golden", "transformers_defaults.json"), encoding="utf-8") as stream:
    DEFAULTS = json.load(stream)
# Defaults that follow from others, or are sizes of another model.
DERIVED = "head_dim", "rope_parameters", "model_type"


def under(defaults, members):
    """The members over the defaults."""
    out = {key: value for key, value in copy.deepcopy(defaults).items() if key not in DERIVED}
    for key, value in members.items():
        nested = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = under(out[key], value) if nested else value
    return out


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return json.load(file)


class Defaults(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def convert(self, source, **files):
        folder, model = os.path.join(self.folder, "checkpoint"), os.path.join(self.folder, "model.gguf")
        shutil.copytree(source, folder)
        for name, content in files.items():
            with open(os.path.join(folder, name + ".json"), "w", encoding="utf-8") as file:
                json.dump(content, file)
        run("convert", folder, "-o", model, "-q")
        shutil.rmtree(folder)
        with open(model, "rb") as file:
            content = file.read()
        os.remove(model)
        return content

    def test_both_versions_are_there(self):
        self.assertEqual([version[0] for version in sorted(DEFAULTS)], ["4", "5"])

    def test_clip(self):
        plain = self.convert(CLIP)
        for version, known in DEFAULTS.items():
            with self.subTest(version):
                config = under(known["CLIPConfig"], read(CLIP, "config.json"))
                pixels = under(known["CLIPImageProcessor"], read(CLIP, "preprocessor_config.json"))
                self.assertEqual(self.convert(CLIP, config=config, preprocessor_config=pixels,
                                              generation_config=known["GenerationConfig"]), plain)

    def test_groma(self):
        plain = self.convert(GROMA)
        for version, known in DEFAULTS.items():
            with self.subTest(version):
                common = {key: value for key, value in known["CLIPConfig"].items()
                          if not isinstance(value, dict) and key not in ("projection_dim", "logit_scale_init_value")}
                config = under(common, read(GROMA, "config.json"))
                config["llm_cfg"] = under(known["LlamaConfig"], config["llm_cfg"])
                vision = under(common, config["perceiver_cfg"])
                vision["vis_encoder_cfg"] = under(known["Dinov2Config"], vision["vis_encoder_cfg"])
                vision["ddetr_cfg"] = under(known["DeformableDetrConfig"], vision["ddetr_cfg"])
                config["perceiver_cfg"] = vision
                pixels = under(known["BitImageProcessor"], read(GROMA, "preprocessor_config.json"))
                rules = under(known["GenerationConfig"], read(GROMA, "generation_config.json"))
                self.assertEqual(self.convert(GROMA, config=config, preprocessor_config=pixels,
                                              generation_config=rules), plain)


if __name__ == "__main__":
    unittest.main()
