"""The cache of scenes: a second process answers from it, with the same words."""
import os
import shutil
import tempfile
import unittest

from program import lines, run, scene


class Cache(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.cache = os.path.join(self.folder, "cache")

    def tearDown(self):
        shutil.rmtree(self.folder)

    def stages(self, *args):
        [got] = lines(*args, "--cache", self.cache, "-v")
        return got, set(got.pop("timings"))

    def test_a_second_question_begins_at_once(self):
        asked = ("ground", scene(0), "a guitar")
        first, stages = self.stages(*asked)
        self.assertIn("vision", stages)
        again, stages = self.stages(*asked)
        self.assertFalse({"vision", "proposer", "regions"} & stages)
        self.assertEqual(first, again)
        [plain] = lines(*asked, "--no-cache", "-v")
        plain.pop("timings")
        self.assertEqual(first, plain)
        # another command on the same picture finds it too
        _, stages = self.stages("caption", scene(0), "-n", "5")
        self.assertFalse({"vision", "proposer", "regions"} & stages)
        _, stages = self.stages("caption", scene(1), "-n", "5")
        self.assertIn("vision", stages)

    def test_only_the_owner_may_look(self):
        run("detect", scene(0), "--cache", self.cache)
        self.assertEqual(os.stat(self.cache).st_mode & 0o777, 0o700)
        for name in os.listdir(self.cache):
            self.assertEqual(os.stat(os.path.join(self.cache, name)).st_mode & 0o777, 0o600)

    def test_the_users_own_directory(self):
        home = {"XDG_CACHE_HOME": self.folder}
        run("detect", scene(0), "--no-cache", env=home)
        self.assertEqual(os.listdir(self.folder), [])
        run("detect", scene(0), env=home)
        self.assertEqual(len(os.listdir(os.path.join(self.folder, "gromatic"))), 1)
        # many pictures would push each other out
        many = [scene(i) for i in range(1, 18)]
        run("detect", *many, env=home)
        self.assertEqual(len(os.listdir(os.path.join(self.folder, "gromatic"))), 1)
        run("detect", *many, "--cache", self.cache, env=home)
        self.assertEqual(len(os.listdir(self.cache)), 17)

    def test_the_limit(self):
        # an entry of groma-mini's picture is 1.2 MB: two fit
        for i in range(5):
            run("detect", scene(i), "--cache", self.cache, "--cache-size", "3M")
        self.assertLessEqual(sum(os.path.getsize(os.path.join(self.cache, name))
                                 for name in os.listdir(self.cache)), 3 << 20)
        _, err = run("detect", scene(0), "--cache-size", "none", code=2)
        self.assertIn("--cache-size", err)


if __name__ == "__main__":
    unittest.main()
