"""The files that --draw and --explain replace, and those that are left when they are killed."""
import fcntl
import os
import shutil
import unittest

import folders
from folders import read
from program import run, scene


class Drawings(folders.Folder):
    CLASSIFY = ["classify", "--classes", "a,b"]

    def test_only_drawings_are_replaced(self):
        """Neither a file nor one of a folder's files is replaced; checked before Groma is opened."""
        os.mkdir(self.path("d"))
        for command, option in (["detect"], "--draw"), (self.CLASSIFY, "--draw"), (self.CLASSIFY, "--explain"):
            for target, file in (self.path("one.png"), self.path("one.png")), (self.path("d") + "/", self.path("d", "000.png")):
                with self.subTest(command[0], option=option, target=target):
                    shutil.copy(scene(3), file)
                    asked = [*command, scene(0), option, target]
                    model = ["-m", "/nonexistent"] if command == ["detect"] else []
                    self.refused(*asked, *model, said=["would be lost", "--force"])
                    run(*asked, "--force")
                    self.assertNotEqual(read(file), read(scene(3)))
                    run(*asked)  # now it is our own
                    os.remove(file)

    def test_what_a_killed_run_left_goes(self):
        os.mkdir(self.path("d"))
        dead = ["000.png.999999999-0.part", "other.JPG.3-12.part"]
        others = ["000.png.part", "000.png.1-.part", "notes.txt.3-4.part", "x.png.3-4.part.txt", ".png.3-4.part"]
        drawn = ["001.png.7-0.part"]  # by a running process
        for name in dead + others + drawn:
            open(self.path("d", name), "w").close()
        os.mkdir(self.path("d", "y.png.3-4.part"))
        with open(self.path("d", drawn[0]), "r+") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            for command in ["detect", scene(0), "--draw"], [*self.CLASSIFY, scene(0), "--explain"]:
                run(*command, self.path("d") + "/")
                self.assertEqual(sorted(os.listdir(self.path("d"))), sorted(others + drawn + ["000.png", "y.png.3-4.part"]))
        for name in "one.png.3-4.part", "two.png.3-4.part":
            open(self.path(name), "w").close()
        run("detect", scene(0), "--draw", self.path("one.png"))
        self.assertEqual(sorted(os.listdir(self.folder)), ["d", "one.png", "two.png.3-4.part"])

    def test_missing_drawings_are_told(self):
        ask = ["detect", scene(0), scene(1), "/nonexistent.png", "-o", self.path("o"), "--resume"]
        run(*ask, code=1)
        _, err = run(*ask, "--draw", self.path("d") + "/", "-q")
        self.assertIn("2 pictures done before have no drawing there", err)
        run(*ask[:-1], "--draw", self.path("d") + "/", code=1)
        _, err = run(*ask, "--draw", self.path("d") + "/")
        self.assertNotIn("no drawing", err)


if __name__ == "__main__":
    unittest.main()
