"""The benchmarks' output; each measures the machine's limits first, which takes seconds."""
import json
import unittest

from program import run, scene


class Bench(unittest.TestCase):
    def test_the_benchmarks_keys(self):
        for what in (["kernels", "--stage", "add,gemv q4_0"], ["model", "--stage", "decode", "-n", "1"],
                     ["clip", "--stage", "texts", "--count", "1"], ["image", scene(0), "--stage", "picture"]):
            out, _ = run("bench", *what, "--repeat", "1", "--json")
            report = json.loads(out)
            self.assertEqual(set(report), {"bench", "processor", "kernels", "threads", "limits", "stages", "peak_bytes",
                                           "pictures_per_hour"})
            self.assertEqual(report["bench"], what[0])
            self.assertEqual(set(report["limits"]), {"fp32_gflops", "bf16_gflops", "int8_gops", "read_gbs",
                                                     "read_small_pages_gbs"})
            for stage in report["stages"]:
                self.assertEqual(set(stage), {"stage", "kernels", "shape", "seconds_min", "seconds_median", "operations",
                                              "bytes", "limit", "limit_rate", "share"})
                self.assertEqual(stage["limit"] == "", stage["limit_rate"] == 0)

    def test_the_benchmark_of_a_picture(self):
        out, _ = run("bench", "image", scene(1), "-n", "2", "--count", "3", "--repeat", "1", "--json")
        report = json.loads(out)
        self.assertEqual([s["stage"] for s in report["stages"]],
                         ["picture", "pixels", "vision", "proposer", "maps", "regions", "prefill",
                          "decode", "ground", "ground 1"])
        spent = sum(s["seconds_median"] for s in report["stages"][:8])
        self.assertAlmostEqual(report["pictures_per_hour"] * spent / 3600, 1, delta=1e-3)
        run("bench", "image", code=2)
        _, err = run("bench", "image", "/nonexistent.jpg", code=1)
        self.assertIn("/nonexistent.jpg", err)
        _, err = run("bench", "image", __file__, code=1)
        self.assertIn(f"{__file__}: found an unknown format", err)
        run("bench", "image", scene(0), "-m", "/nonexistent.gguf", code=3)

    def test_stages_of_the_benchmark(self):
        out, _ = run("bench", "model", "-m", "groma-mini", "--stage", "regions,proposer",
                     "--count", "3", "--repeat", "1", "--json")
        stages = json.loads(out)["stages"]
        self.assertEqual(["proposer", "regions"], [s["stage"] for s in stages])
        self.assertTrue(stages[1]["shape"].startswith("3 regions"))
        # The proposer's products by the sizes of training/groma-mini.json; biases and norms are the tolerance.
        width, d, ffn, box, cells, queries, points, heads = 192, 96, 256, 256, 16 * 16, 40, 4, 4
        sampled = 2 * d * d + 3 * heads * points * d  # values, output, offsets and scores
        of_cells = width * d + 2 * (sampled + 2 * d * ffn) + d * d + 3 * d * d
        of_queries = 3 * (4 * d * d + sampled - d * d + 2 * d * ffn) + 4 * d * d + 3 * (d + box + 4) * box
        wanted = 2 * of_cells * cells + 2 * of_queries * queries + 3 * 4 * queries * queries * d
        self.assertAlmostEqual(stages[0]["operations"] / wanted, 1, delta=0.03)
        _, err = run("bench", "model", "-m", "groma-mini", "--stage", "regions,lunch", code=2)
        self.assertIn("'lunch'", err)
        _, err = run("bench", "model", "-m", "groma-mini", "--count", "101", code=2)
        self.assertIn("at most", err)
        out, _ = run("bench", "kernels", "--stage", "softmax_step,add", "--repeat", "1", "--json")
        self.assertEqual({"softmax_step", "add"}, {s["stage"] for s in json.loads(out)["stages"]})
        _, err = run("bench", "kernels", "--stage", "regions", code=2)
        self.assertIn("mix_f32", err)
        run("bench", "kernels", "--count", "3", code=2)

    def test_the_caches_type_of_the_benchmarks(self):
        for kind in ("model",), ("image", scene(1)):
            out, _ = run("bench", *kind, "--stage", "decode", "--repeat", "1", "-n", "2", "-ctk", "q8_0",
                         "-ctv", "f16", "--json")
            [stage] = json.loads(out)["stages"]
            self.assertIn("q8_0 and f16 cache", stage["shape"])


if __name__ == "__main__":
    unittest.main()
