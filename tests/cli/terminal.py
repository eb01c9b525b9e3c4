"""terminal.py - the program under test on its own terminal."""
import os
import pty
import select
import termios
import time

from program import GROMATIC


class Terminal:
    """gromatic on a terminal; env: variables that differ from the tests' own; None: not set."""

    def __init__(self, *args, env=None, folder=None):
        environment = dict(os.environ, TERM="dumb", NO_COLOR="1", **(env or {}))
        environment = {name: value for name, value in environment.items() if value is not None}
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            if folder:
                os.chdir(folder)
            os.execve(GROMATIC, [GROMATIC, *args], environment)

    def type(self, text):
        os.write(self.fd, text)

    def at_prompt(self, text):
        """Types at the prompt: it is there a moment before the terminal is the editor's, and until then the
        kernel would take what is typed as a line of its own, or throw it away."""
        end = time.time() + 60
        while termios.tcgetattr(self.fd)[3] & termios.ICANON:
            assert time.time() < end, "nobody edits lines"
            time.sleep(0.01)
        self.type(text)

    def interrupt(self, line=b""):
        """Ctrl-C at the prompt."""
        self.at_prompt(line + b"\x03")

    def until(self, text, seconds=120):
        """The program's output, up to and including text."""
        got, end = b"", time.time() + seconds
        while text not in got:
            assert time.time() < end, (text, got)
            if select.select([self.fd], [], [], 0.2)[0]:
                got += os.read(self.fd, 1)
        return got

    def wait(self, seconds=60):
        """The exit code; further output is discarded."""
        end = time.time() + seconds
        while os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            assert time.time() < end, "the program has not ended"
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    os.read(self.fd, 4096)
                except OSError:  # the program has closed it
                    pass
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)
