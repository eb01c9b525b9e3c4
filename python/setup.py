"""Packs the package with libraries that were built before: it compiles nothing. scripts/wheel.sh calls it."""
import os

from setuptools import setup
from setuptools.dist import Distribution
from wheel.bdist_wheel import bdist_wheel

HERE = os.path.dirname(os.path.abspath(__file__))
LIBRARY = os.path.join(HERE, "gromatic", "lib", "libgromatic.so.1")
if not os.path.exists(LIBRARY):
    raise SystemExit(f"found no {LIBRARY}; wanted a library that was built before, since this package compiles nothing. "
                     "In a clone of gromatic, scripts/wheel.sh builds it and makes the wheel")


class Built(Distribution):
    """Files for one kind of processor, though nothing is compiled here."""

    def has_ext_modules(self):
        return True


class Wheel(bdist_wheel):
    """For every Python 3: ctypes needs no interface of one version."""

    def get_tag(self):
        return "py3", "none", os.environ.get("GROMATIC_PLATFORM", super().get_tag()[2])


setup(version=os.environ["GROMATIC_VERSION"], distclass=Built, cmdclass={"bdist_wheel": Wheel})
