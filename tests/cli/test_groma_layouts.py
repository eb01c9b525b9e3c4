"""groma-mini in the layouts in which transformers 4 and 5 save it: all give the same model. The tokenizers' files of
tests/data/golden/groma-mini are what AutoTokenizer.from_pretrained(models/groma-mini).save_pretrained wrote."""
import json
import os
import shutil
import tempfile
import unittest

from program import DATA, lines, run, scene

MINI = os.path.join(DATA, "models", "groma-mini")
GOLDEN = os.path.join(DATA, "golden", "groma-mini")
SLOW = "tokenizer.model", "added_tokens.json", "special_tokens_map.json", "tokenizer_config.json"


class Layouts(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def copy(self, name, tokenizer=None, drop=(), **edits):
        """The model's files less `drop`, the tokenizer's of that version, and edits: config=..., preprocessor=..."""
        out = os.path.join(self.folder, name)
        shutil.copytree(MINI, out)
        for file in drop:
            os.remove(os.path.join(out, file))
        for file in os.listdir(os.path.join(GOLDEN, tokenizer)) if tokenizer else ():
            shutil.copy(os.path.join(GOLDEN, tokenizer, file), out)
        for key, edit in edits.items():
            path = os.path.join(out, {"config": "config.json", "preprocessor": "preprocessor_config.json",
                                      "json": "tokenizer.json", "words": "tokenizer_config.json",
                                      "generation": "generation_config.json"}[key])
            with open(path, encoding="utf-8") as file:
                content = json.load(file)
            edit(content)
            with open(path, "w") as file:
                json.dump(content, file)
        return out

    def convert(self, source, *options):
        path = os.path.join(self.folder, "model.gguf")
        run("convert", source, "-o", path, "--type", "f32", "-q", *options)
        model = json.loads(run("inspect", path, "--json")[0])
        keys = {k: v.get("value") for k, v in model["metadata"].items()
                if k.startswith(("groma.", "tokenizer.")) and k != "tokenizer.ggml.scores"}
        [answer] = lines("caption", scene(10), "-m", path)
        return keys, answer["text"]

    def refused(self, word, name, **how):
        _, err = run("convert", self.copy(name, **how), "-o", os.path.join(self.folder, "never.gguf"), "-q", code=3)
        self.assertIn(word, err)

    def test_tokenizer_json(self):
        want = self.convert(MINI)
        self.assertGreater(len(want[1]), 20)
        for version in ("transformers-4", "transformers-5"):
            with self.subTest(version):
                self.assertEqual(self.convert(self.copy(version, version, SLOW)), want)

    def test_both_vocabularies(self):
        self.assertEqual(self.convert(self.copy("both", "transformers-4")), self.convert(MINI))

        def swap(tokenizer):
            vocab = tokenizer["model"]["vocab"]
            vocab["▁a"], vocab["▁t"] = vocab["▁t"], vocab["▁a"]
        self.refused("found \"▁a\" as id 259 in the first only", "swapped", tokenizer="transformers-4", json=swap)

    def test_merges_that_scores_cannot_give(self):
        def apart(tokenizer):
            merges = tokenizer["model"]["merges"]
            first = next(i for i in range(1, len(merges)) if "".join(merges[i]) == "".join(merges[i - 1]))
            merges.append(merges.pop(first))

        def fewer(tokenizer):
            del tokenizer["model"]["merges"][0]
        self.refused("do not stand together", "apart", tokenizer="transformers-5", drop=SLOW, json=apart)
        self.refused("pairs of pieces make", "fewer", tokenizer="transformers-5", drop=SLOW, json=fewer)

    def test_other_ways_of_the_tokenizer(self):
        def first(tokenizer):
            tokenizer["pre_tokenizer"]["prepend_scheme"] = "first"

        def bare(tokenizer):
            tokenizer["pre_tokenizer"] = None
        self.refused("pre_tokenizer: found {", "first", tokenizer="transformers-5", drop=SLOW, json=first)
        self.refused("wanted a normalizer or a pre_tokenizer", "bare", tokenizer="transformers-5", drop=SLOW, json=bare)

    def test_rope_parameters(self):
        def five(config):
            config["llm_cfg"]["rope_parameters"] = {"rope_theta": 5000.0, "rope_type": "default"}
            del config["llm_cfg"]["rope_scaling"]

        def scaled(config):
            config["llm_cfg"]["rope_parameters"] = {"rope_theta": 5000.0, "rope_type": "linear", "factor": 2.0}
        keys, _ = self.convert(self.copy("five", config=five))
        self.assertEqual(keys["groma.llm.rope_theta"], 5000)
        self.refused("llm_cfg.rope_parameters.rope_type: found \"linear\"", "scaled", config=scaled)

    def test_processor(self):
        def rescaled(pre):
            pre["rescale_factor"] = 1 / 127.5
            pre["do_resize"] = True
            pre["size"] = {"height": 224, "width": 224}
        keys, _ = self.convert(self.copy("rescaled", preprocessor=rescaled))
        for found, mean in zip(keys["groma.image_mean"], (.485, .456, .406)):
            self.assertAlmostEqual(found, mean / 2, places=6)

        def larger(pre):
            pre["do_resize"] = True
            pre["size"] = {"shortest_edge": 256}
        self.refused("preprocessor_config.json: size: found 256", "larger", preprocessor=larger)
        out = self.copy("processor")
        path = os.path.join(out, "preprocessor_config.json")
        with open(path) as file:
            pre = json.load(file)
        os.remove(path)
        pre["image_mean"] = [.25] * 3
        with open(os.path.join(out, "processor_config.json"), "w") as file:
            json.dump({"image_processor": pre}, file)
        self.assertEqual(self.convert(out)[0]["groma.image_mean"], [.25] * 3)

    def test_legacy_is_told_and_passed_over_by_its_name_alone(self):
        def modern(tokenizer):
            tokenizer["legacy"] = False
        self.refused("tokenizer_config.json: legacy = false; they may change", "modern", words=modern)
        source = os.path.join(self.folder, "modern")
        self.assertEqual(self.convert(source, "--ignore-config", "legacy"), self.convert(MINI))

    def test_members_of_no_end(self):
        """Findings that do not fit into a message are counted; the message and its option are not cut."""
        def many(config, n=60):
            config["llm_cfg"].update({f"member_of_no_table_{i:02}": i for i in range(n)})

        def refused_too(config):
            many(config)
            config["llm_cfg"].update(attention_bias=True, mlp_bias=True)
        _, err = run("convert", self.copy("many", config=many), "-o", os.path.join(self.folder, "never.gguf"), code=3)
        shown = err.count("member_of_no_table")
        self.assertIn(f" and {60 - shown} more; they may", err)
        self.assertTrue(err.endswith("--ignore-config NAME,... ('*' stands for anything)\n"), err)
        self.refused("attention_bias: found true", "too", config=refused_too)
        _, err = run("convert", os.path.join(self.folder, "too"), "-o", os.path.join(self.folder, "never.gguf"), code=3)
        self.assertTrue(err.endswith(" and more\n"), err)
        _, err = run("convert", self.copy("few", config=lambda config: many(config, 7)),
                     "-o", os.path.join(self.folder, "never.gguf"), code=3)
        self.convert(os.path.join(self.folder, "few"), "--ignore-config", err.split("--ignore-config ")[1].strip())

    def test_unknown_and_refused_members(self):
        def unknown(config):
            config["perceiver_cfg"]["ddetr_cfg"]["look_twice"] = True
            config["llm_cfg"]["sliding_window"] = 4096

        def biased(config):
            config["llm_cfg"]["attention_bias"] = True

        def penalty(generation):
            generation["repetition_penalty"] = 1.2
            generation["temperature"] = 0.2
        self.refused("llm_cfg.sliding_window = 4096, perceiver_cfg.ddetr_cfg.look_twice = true", "unknown",
                     config=unknown)
        self.convert(os.path.join(self.folder, "unknown"), "--ignore-config", "look_twice,llm_cfg.*")
        self.refused("llm_cfg.attention_bias: found true", "biased", config=biased)
        self.refused("generation_config.json: repetition_penalty: found 1.2", "penalty", generation=penalty)


if __name__ == "__main__":
    unittest.main()
