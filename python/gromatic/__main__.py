"""python -m gromatic: the program."""
import os
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))


def main() -> None:
    """Becomes the program of the package, with the same arguments."""
    program = os.environ.get("GROMATIC") or os.path.join(FOLDER, "bin", "gromatic")
    if not os.access(program, os.X_OK):
        sys.exit(f"found no program {program}; wanted the one that a wheel of gromatic has inside "
                 "(scripts/wheel.sh makes it)")
    os.execv(program, ["gromatic", *sys.argv[1:]])


if __name__ == "__main__":
    main()
