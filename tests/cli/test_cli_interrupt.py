"""Ctrl-C: a batch can be continued with --resume; in a conversation the answer stops."""
import os
import signal
import subprocess
import tempfile
import time
import unittest

from program import DATA, GROMATIC, run, scene
from terminal import Terminal

WORLD = os.path.join(DATA, "world", "classify")


class Interrupt(unittest.TestCase):
    def test_a_stopped_batch_resumes(self):
        self.stop_and_resume("detect", *(scene(i) for i in range(12)))

    def test_a_stopped_batch_of_several_together_resumes(self):
        # the four that are running at Ctrl-C have no line, and are captioned with others later
        self.stop_and_resume("caption", "--parallel", "4", *(scene(i) for i in range(15)))

    def stop_and_resume(self, *command):
        command += "-m", "groma-mini"
        with tempfile.TemporaryDirectory() as folder:
            whole, output = os.path.join(folder, "whole"), os.path.join(folder, "out.jsonl")
            run(*command, "-o", whole)
            process = subprocess.Popen([GROMATIC, *command, "-o", output], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE, text=True)
            part = output + ".part"
            while process.poll() is None and not (os.path.exists(part) and os.path.getsize(part)):
                time.sleep(0.001)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate()
            self.assertEqual(process.returncode, 130)
            self.assertFalse(os.path.exists(output))
            with open(part) as file:
                done = len(file.readlines())
            self.assertIn(done, range(1, 15))
            self.assertEqual(err, f"gromatic: interrupted after {done} of {sum('/' in name for name in command)} pictures; "
                                  "--resume goes on\n")
            run(*command, "-o", output, "--resume")
            with open(whole, "rb") as a, open(output, "rb") as b:
                self.assertEqual(a.read(), b.read())

    def test_classes_that_are_being_encoded(self):
        names = "\n".join(f"thing {i} of many" for i in range(20000))
        with tempfile.TemporaryDirectory() as folder:
            picture = os.path.join(folder, "dog", "a.png")
            os.mkdir(os.path.dirname(picture))
            os.symlink(os.path.abspath(scene(0)), picture)
            for command in ["classify", picture], ["label", picture], ["eval", "classify", folder, "--method", "clip"]:
                process = subprocess.Popen([GROMATIC, *command, "--classes", "-", "--no-cache"], stdin=subprocess.PIPE,
                                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                process.stdin.write(names)
                process.stdin.close()
                time.sleep(0.3)
                process.send_signal(signal.SIGINT)
                err = process.stderr.read().splitlines()
                process.stderr.close()
                self.assertEqual((process.wait(), err[-1]), (130, "gromatic: interrupted"), command)

    def test_a_killed_batch_resumes(self):
        """SIGKILL, twice, in the middle of a file of lines and of an export: nothing is lost or doubled."""
        names = [os.path.join(WORLD, name, "0.png") for name in sorted(os.listdir(WORLD))[:40]]
        options = ["--classes", "dog,cat,bus", "--method", "clip", "--no-cache", "-t", "1"]
        for form, ending in (["-f", "json"], "jsonl"), (["-f", "csv"], "csv"):
            with self.subTest(ending), tempfile.TemporaryDirectory() as folder:
                whole, output = (os.path.join(folder, f"{name}.{ending}") for name in ("whole", "out"))
                run("classify", *names, *options, *form, "-o", whole)
                killed = 0
                for resume in [], ["--resume"]:
                    process = subprocess.Popen([GROMATIC, "classify", *names, *options, *form, "-o", output, *resume],
                                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    before = self.written(folder)
                    while process.poll() is None and self.written(folder) < before + 300:
                        time.sleep(0.0005)
                    process.kill()
                    killed += process.wait() == -signal.SIGKILL
                self.assertGreater(killed, 0)
                self.assertFalse(os.path.exists(output))
                run("classify", *names, *options, *form, "-o", output, "--resume")
                with open(whole, "rb") as a, open(output, "rb") as b:
                    self.assertEqual(a.read(), b.read())

    @staticmethod
    def written(folder):
        """The size of the part, which may be renamed meanwhile."""
        names = [f for f in os.listdir(folder) if f.endswith(".part")]
        return os.path.getsize(os.path.join(folder, names[0])) if names else 0

    def test_a_stopped_benchmark_says_so(self):
        process = subprocess.Popen([GROMATIC, "bench", "model", "--repeat", "1000"], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
        self.assertEqual((process.returncode, err), (130, "gromatic: interrupted\n"))

    def test_a_conversation_goes_on(self):
        # a temperature so high that no answer ends before the context is full
        chat = Terminal("chat", scene(0), "--temp", "1000", "-n", "100000")
        chat.until(b"> ")
        chat.type(b"What is this?\n")
        chat.until(b"\n")
        time.sleep(0.1)
        chat.type(b"\x03")
        chat.until(b"(stopped)")
        chat.until(b"> ")
        chat.interrupt(b"half a line")
        chat.until(b"> ")
        chat.type(b"/nonsense\n")
        chat.until(b"wanted /image FILE")
        chat.until(b"> ")
        chat.type(b"\x10\x10")  # two lines back in the history
        chat.until(b"What is this?")
        chat.interrupt()
        chat.until(b"> ")
        chat.type(b"/quit\n")
        self.assertEqual(chat.wait(), 0)


if __name__ == "__main__":
    unittest.main()
