"""The help of each command, and the completion scripts of the shells."""
import re
import shutil
import subprocess
import tempfile
import unittest

from program import run, scene

COMMANDS = ("caption", "chat", "ground", "describe", "detect", "classify", "label", "describe-classes", "curate", "convert",
            "inspect", "eval", "bench")


def options_of(command):
    """{name: help in one line} of a command."""
    text, _ = run("help", command)
    text = re.sub(r"\n {20,}", " ", text)
    return dict(re.findall(r"^  (?:-., |    )--([a-z-]+)(?: \S+)? +(.*)$", text, re.M))


def bash_offers(*words):
    script, _ = run("completion", "bash")
    quoted = " ".join(f"'{word}'" for word in words)
    got = subprocess.run(["bash", "-c", f"{script}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _gromatic; "
                          'printf "%s\\n" "${COMPREPLY[@]}"'], stdout=subprocess.PIPE, text=True, check=True)
    return got.stdout.split()


class Help(unittest.TestCase):
    def test_both_ways_to_ask(self):
        overview, _ = run("help")
        self.assertEqual(overview, run("--help")[0])
        for command in COMMANDS:
            self.assertIn("\n  " + command + " ", overview)
            text, _ = run("help", command)
            self.assertEqual(text, run(command, "--help")[0])
            self.assertIn("usage: gromatic " + command, text)
            options = text.split("\n\n")[2:]
            self.assertLessEqual(max(len(line) for part in options for line in part.splitlines() if line.startswith("  -")
                                     or line.startswith("      ")), 96, command)
        _, err = run("help", "captoin", code=2)
        self.assertIn("did you mean caption?", err)
        _, err = run("help", "caption", "chat", code=2)
        self.assertIn("found 2 names, wanted one command", err)

    def test_options_stand_once_and_under_a_heading(self):
        for command in COMMANDS:
            text, _ = run("help", command)
            names = re.findall(r"^  (?:-., |    )--([a-z-]+)", text, re.M)
            self.assertEqual(len(names), len(set(names)), command)
            other = text.split("\nOther options:\n")[1]
            self.assertLessEqual(set(re.findall(r"^  (?:-., |    )--([a-z-]+)", other, re.M)),
                                 {"seed", "quiet", "verbose", "help"}, command)

    def test_manual_page_names_the_option_above_its_text(self):
        text, _ = run("completion", "man-options")
        entries = text.split(".TP\n")
        for name, words in ("seed", "seed of "), ("seed", "seed of everything"), ("box\\-format", "qwen3 is"):
            found = [entry.split("\n")[0] for entry in entries if words in entry]
            self.assertTrue(found)
            for heading in found:
                self.assertIn("\\fB\\-\\-" + name, heading)

    def test_only_what_means_something_for_the_command(self):
        helps = {command: options_of(command) for command in COMMANDS}
        for command in "caption", "chat", "describe", "convert", "describe-classes", "curate":
            self.assertNotIn("-f", helps[command]["output"])
            self.assertNotIn("format", helps[command])
        self.assertNotIn("yolo", helps["classify"]["format"])
        run("classify", scene(0), "--classes", "a,b", "--save-conf", code=2)  # only for yolo and voc
        self.assertIn("yolo", helps["detect"]["format"])
        for command in "detect", "label", "classify":  # no language model is used
            self.assertLessEqual(helps[command].keys() & {"ctx-size", "cache-type-k", "cache-type-v", "temp"}, set())
            self.assertNotIn("language", helps[command]["fast"])
        self.assertNotIn("no-pack", helps["classify"])
        self.assertNotIn("regions", helps["eval"])
        _, err = run("detect", scene(0), "--ctx-size", "9", code=2)
        self.assertIn("unknown option '--ctx-size'; it is an option of caption, chat, ground, describe,", err)

    def test_defaults_are_named(self):
        helps = {command: options_of(command) for command in COMMANDS}
        for command, option in ("detect", "threads"), ("convert", "threads"), ("caption", "n-predict"), ("detect", "max-det"), \
                ("ground", "max-det"), ("caption", "ctx-size"), ("eval", "limit"), ("bench", "count"), ("caption", "top-k"):
            self.assertIn("(0, the default: ", helps[command][option])
        for command, model in ("caption", "groma-mini"), ("label", "groma-mini"), ("classify", "clip-mini"):
            self.assertIn(f"(default: {model}, which knows drawn emoji only)", helps[command]["model"])
        self.assertIn("clip-mini", helps["label"]["clip-model"])


class Completion(unittest.TestCase):
    def test_bash_offers_files_only_where_one_is_wanted(self):
        for option, some in ("--model", True), ("--temp", False), ("-n", False), ("-o", True):
            self.assertEqual(len(bash_offers("gromatic", "caption", option, "")) > 0, some, option)

    def test_bash_offers_the_values_of_an_option(self):
        for words, wanted in (
                (["detect", "-f", ""], ["json", "csv", "coco", "yolo", "voc", "labelstudio"]),
                (["classify", "--format", ""], ["json", "csv"]),
                (["label", "--method", "wca"], ["wca", "wca-released"]),
                (["convert", "--type", "q4"], ["q4_0", "q4_k"]),
                (["bench", ""], ["model", "clip", "kernels", "image"]),
                (["help", "des"], ["describe", "describe-classes"])):
            self.assertEqual(bash_offers("gromatic", *words), wanted)

    def test_values_offered_are_those_taken(self):
        """The options in the shells' table are those of the parsers."""
        for command, option in (["detect", scene(0)], "-f"), (["classify", scene(0), "--classes", "a,b", "--method", "clip"], "-f"), \
                (["detect", scene(0)], "--box-format"), (["classify", scene(0), "--classes", "a,b"], "--method"), \
                (["classify", scene(0), "--classes", "a,b"], "--preset"), (["caption", scene(0)], "--cache-type-k"), \
                (["bench", "model"], "--shape"):
            _, err = run(*command, option, "none-such", code=2)
            offered = bash_offers("gromatic", command[0], option, "")
            self.assertGreater(len(offered), 1, option)
            for value in offered:
                self.assertRegex(err, r"\b" + value + r"\b", option)

    def test_every_shell_takes_its_script(self):
        for shell, mark in ("bash", "complete -o filenames -F _gromatic gromatic"), ("zsh", "#compdef gromatic"), \
                ("fish", "complete -c gromatic"):
            script, _ = run("completion", shell)
            self.assertIn(mark, script)
            if not shutil.which(shell):
                continue
            with tempfile.NamedTemporaryFile("w", suffix="." + shell) as file:
                file.write(script)
                file.flush()
                subprocess.run([shell, "-n", file.name], check=True)
        script, _ = run("completion", "zsh")
        self.assertIn("'--phrase=:value: '", script)
        self.assertIn("'--model=:value:_files'", script)
        self.assertIn("'--type=:value:(f32 f16 bf16 q8_0 q4_0 q4_k q6_k)'", script)


if __name__ == "__main__":
    unittest.main()
