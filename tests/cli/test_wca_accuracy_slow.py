"""The table of docs/WCA.md, on the first of its seeds."""
import os
import tempfile
import unittest

from program import DATA, lines

PAGE = os.path.join(DATA, "..", "..", "docs", "WCA.md")
PICTURES, SEEDS, OF_SEEDS = 182, 3, 20
CROPS = {"wca": 60, "wca-released": 100}
# The mean over n of N values of deviation s, drawn without replacement, deviates by s sqrt((1/n) (N-n)/(N-1)).
DEVIATIONS = 4 * ((1 / SEEDS) * (OF_SEEDS - SEEDS) / (OF_SEEDS - 1)) ** 0.5
# Instruction sets round differently: one picture of a run may have two classes that nearly tie.
ONE = 100 / PICTURES
# A picture takes 10 to 60 crops, so their number deviates by 25 at most, of the n pictures' mean of N by:
CROPS_DEVIATION = 25 * ((1 / SEEDS - 1 / OF_SEEDS) / PICTURES) ** 0.5


def table():
    """{method: (top-1, its deviation, top-5, its deviation, crops or None, changed or None)}, per cent"""
    with open(PAGE) as file:
        text = file.read().split("<!-- methods -->")[1].split("<!-- end of methods -->")[0]
    rows = {}
    for row in text.strip().splitlines()[2:]:
        name, top1, top5, crops, _, changed, _ = (cell.strip() for cell in row.strip("|").split("|"))
        numbers = []
        for cell in (top1, top5):
            mean, _, deviation = cell.partition(" ± ")
            numbers += [float(mean), float(deviation or 0)]
        rows[name] = (*numbers, *(float(cell) if cell else None for cell in (crops, changed)))
    return rows


class Wca(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rows, cls.cache = table(), tempfile.TemporaryDirectory()

    @classmethod
    def tearDownClass(cls):
        cls.cache.cleanup()

    def evaluate(self, name):
        method, *options = name.split()
        drawn = self.rows[name][1] > 0
        if method in CROPS and "--proposals" not in options:
            options += ["--crops", CROPS[method]]
        folder = os.path.join(DATA, "descriptions")
        [line] = lines("eval", "classify", os.path.join(DATA, "world", "classify"), "--method", method, *options,
                       "--descriptions", os.path.join(folder, "world.json"),
                       "--templates", os.path.join(folder, "world-templates.json"),
                       "--descriptors", os.path.join(folder, "world-descriptors.json"),
                       "--seeds", SEEDS if drawn else 1, "--cache", self.cache.name, timeout=1100)
        return line

    def test_every_row(self):
        self.assertEqual(len(self.rows), 12)
        for name, (top1, top1_deviation, top5, top5_deviation, crops, changed) in self.rows.items():
            with self.subTest(name):
                got = self.evaluate(name)
                self.assertEqual(got["n"], PICTURES)
                self.assertAlmostEqual(100 * got["top1"], top1, delta=ONE + DEVIATIONS * top1_deviation)
                self.assertAlmostEqual(100 * got["top5"], top5, delta=ONE + DEVIATIONS * top5_deviation)
                if "--stop" in name:
                    self.assertAlmostEqual(got["crops"], crops, delta=4 * CROPS_DEVIATION)
                    self.assert_rate(float(name.split()[-1]), changed, got["stop_changed"])

    def assert_rate(self, asked, of_the_page, share):
        """The page's changed answers of 20 seeds include ours; one more may be a tie."""
        changed = round(share * SEEDS * PICTURES)
        self.assertLessEqual(changed, round(of_the_page / 100 * OF_SEEDS * PICTURES) + 1)
        self.assertLess(changed, asked * SEEDS * PICTURES)


if __name__ == "__main__":
    unittest.main()
