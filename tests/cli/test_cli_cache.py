"""The cache: a second process answers from it, with the same words; other inputs are computed."""
import os
import shutil
import subprocess
import tempfile
import unittest

from program import DATA, GROMATIC, lines, run, scene

MODELS = os.environ["GM_MODELS"]


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

    def test_a_box_asked_before(self):
        # after a caption: the box's own region is encoded once, and its list is read once
        self.stages("caption", scene(0), "-n", "5")
        asked = ("describe", scene(0), "--box", "9,167,60,217")
        first, stages = self.stages(*asked)
        self.assertIn("regions", stages)
        self.assertFalse({"vision", "proposer"} & stages)
        made = sorted(os.listdir(self.cache))
        again, stages = self.stages(*asked)
        self.assertFalse({"vision", "proposer", "regions"} & stages)
        self.assertEqual(first, again)
        self.assertEqual(sorted(os.listdir(self.cache)), made)
        [plain] = lines(*asked, "--no-cache", "-v")
        plain.pop("timings")
        self.assertEqual(first, plain)

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
        # many pictures would evict each other
        many = [scene(i) for i in range(1, 18)]
        run("detect", *many, env=home)
        self.assertEqual(len(os.listdir(os.path.join(self.folder, "gromatic"))), 1)
        run("detect", *many, "--cache", self.cache, env=home)
        self.assertEqual(len(os.listdir(self.cache)), 17)

    def test_a_model_replaced_in_place(self):
        # deep inside a tensor: neither its first bytes nor the header change
        model = os.path.join(self.folder, "m.gguf")
        run("convert", os.path.join(DATA, "models", "groma-mini"), "-o", model, "--type", "f32")
        asked = ("detect", "-m", model, scene(0))
        lines(*asked, "--cache", self.cache)
        with open(model, "r+b") as file:
            at = os.path.getsize(model) // 8 // 4 * 4
            file.seek(at)
            numbers = bytearray(file.read(12000))
            for i in range(3, len(numbers), 4):
                numbers[i] ^= 0x80
            file.seek(at)
            file.write(numbers)
        for read in ((), ("--no-mmap",)):
            self.assertEqual(lines(*asked, *read, "--cache", self.cache),
                             lines(*asked, *read, "--no-cache"))

    def test_a_program_built_anew(self):
        # the same version, found through PATH: argv[0] has no directory
        program = os.path.join(self.folder, "gromatic")
        shutil.copy(GROMATIC, program)
        os.utime(program, (1, 1))
        command = ["gromatic", "detect", scene(0), "--cache", self.cache]
        env = dict(os.environ, PATH=self.folder)
        for time, entries in ((1, 1), (1, 1), (2, 2)):
            os.utime(program, (time, time))
            subprocess.run(command, env=env, cwd="/", capture_output=True, check=True)
            self.assertEqual(len(os.listdir(self.cache)), entries)

    def test_scenes_of_other_kernels(self):
        model = os.path.join(self.folder, "groma.gguf")
        run("convert", os.path.join(DATA, "models", "groma-mini"), "-o", model, "--type", "q8_0")
        asked = ("ground", "-m", model, scene(0), "a guitar", "--all")
        for env in ({"GROMATIC_CPU": "avx2"}, {}, {"GROMATIC_CPU": "avx2"}):
            self.assertEqual(lines(*asked, "--cache", self.cache, env=env),
                             lines(*asked, "--no-cache", env=env))
        for fast in ((), ("--fast",), ()):  # f32, whose products it rounds
            asked = ("ground", scene(0), "a guitar", "--all", *fast)
            self.assertEqual(lines(*asked, "--cache", self.cache), lines(*asked, "--no-cache"))

    def test_features_of_other_kernels(self):
        # quantised weights: kernels differ by more than rounding
        model = os.path.join(self.folder, "clip.gguf")
        run("convert", os.path.join(MODELS, "clip-mini"), "-o", model, "--type", "q8_0")
        asked = ("classify", "-m", model, "--classes", "cat,dog", "--method", "clip", scene(0))
        for env in ({"GROMATIC_CPU": "ref"}, {}):
            self.assertEqual(lines(*asked, "--cache", self.cache, env=env),
                             lines(*asked, "--no-cache", env=env))

    def refused(self, *args, **options):
        """The lines on standard error, as {file: reason and consequence}."""
        _, err = run(*args, "--cache", self.cache, **options)
        told = [line.split(": ", 2) for line in err.splitlines()]
        self.assertEqual({t[0] for t in told} - {"gromatic"}, set())
        return {os.path.relpath(t[1], self.cache): t[2] for t in told}

    def test_refused_files_are_told(self):
        asked = ("label", scene(0), "--classes", "tree,guitar")
        self.assertEqual(self.refused(*asked, "-v"), {})
        names = sorted(os.listdir(self.cache))
        kinds = [name.split(".")[1] for name in names]
        self.assertEqual(sorted(kinds), ["features", "features", "scene"])
        original = {}
        for name in names:
            with open(os.path.join(self.cache, name), "rb") as file:
                original[name] = file.read()

        def put(change):
            for name in names:
                with open(os.path.join(self.cache, name), "wb") as file:
                    file.write(change(original[name]))

        def changed(content, at):
            return content[:at] + bytes([content[at] ^ 1]) + content[at + 1:]

        instead = "; not used, computed again"
        for why, change in (
                ("found another size than it has to have", lambda b: b[:-1]),
                ("found another size than it has to have", lambda b: b""),
                ("found the head of another entry", lambda b: changed(b, 20)),
                ("found other bytes than were written", lambda b: changed(b, len(b) - 9))):
            put(change)
            self.assertEqual(self.refused(*asked, "-v"), dict.fromkeys(names, why + instead))
            self.assertEqual(self.refused(*asked, "-v"), {})  # stored again
            put(change)
            self.assertEqual(self.refused(*asked), {})  # not reported unless asked for
        for name in names:
            os.remove(os.path.join(self.cache, name))
            os.mkdir(os.path.join(self.cache, name))
        self.assertEqual(self.refused(*asked, "-v"),
                         dict.fromkeys(names, "found no file that can be read" + instead))

    def test_an_empty_name(self):
        _, err = run("detect", scene(0), "--cache", "", code=2)
        self.assertIn("--cache", err)

    def test_the_limit(self):
        # an entry of groma-mini's picture is 642 kB: two fit
        for i in range(5):
            run("detect", scene(i), "--cache", self.cache, "--cache-size", "1600K")
        self.assertEqual(len(os.listdir(self.cache)), 2)
        for size in ("none", "0", "0.1", "-1", "1Q"):
            _, err = run("detect", scene(0), "--cache-size", size, code=2)
            self.assertIn("--cache-size", err)


class Folder(unittest.TestCase):
    """Cases in which nothing can or should be cached."""

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def kept(self, *command, **env):
        """The folder's contents after a run with only these cache variables set."""
        full = {k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_CACHE_HOME")}
        subprocess.run([GROMATIC, *command], env=dict(full, **env), check=True, capture_output=True)
        return sorted(os.path.relpath(os.path.join(top, name), self.folder)
                      for top, names, _ in os.walk(self.folder) for name in names)

    def test_a_home_that_is_not_there_is_not_made(self):
        there, absent = os.path.join(self.folder, "there"), os.path.join(self.folder, "absent")
        for command in ["caption", scene(0), "-n", "2"], ["classify", scene(0), "--classes", "a,b", "--method", "clip"]:
            with self.subTest(command[0]):
                self.assertEqual(self.kept(*command, HOME=absent), [])
                self.assertEqual(self.kept(*command, XDG_CACHE_HOME=os.path.join(absent, "cache")), [])
        os.mkdir(there)
        self.assertEqual(self.kept(*command, HOME=there), ["there", "there/.cache", "there/.cache/gromatic"])
        shutil.rmtree(os.path.join(there, ".cache"))
        self.assertEqual(self.kept(*command, HOME=absent, XDG_CACHE_HOME=os.path.join(there, "own")),
                         ["there", "there/own", "there/own/gromatic"])

    def test_a_cache_that_cannot_be_used_is_told(self):
        file = os.path.join(self.folder, "file")
        open(file, "w").close()
        for command in ["caption", scene(0), "-n", "2"], ["label", scene(0), "--classes", "a,b", "--none", "-1"]:
            whole, _ = run(*command, "--no-cache", "-q")
            for cache, why in (file, "it is no folder"), ("/proc/no/cache", "it cannot be written to"):
                with self.subTest(command[0], cache=cache):
                    out, err = run(*command, "--cache", cache, "-q")
                    self.assertEqual(out, whole)
                    self.assertEqual(err.count(f"gromatic: --cache {cache}: {why}, nothing is kept\n"), 1)


if __name__ == "__main__":
    unittest.main()
