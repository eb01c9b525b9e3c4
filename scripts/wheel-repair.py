#!/usr/bin/env python3
"""auditwheel repair, but every library that is not of glibc or gcc goes into the wheel.

Usage: wheel-repair.py WHEEL FOLDER PLATFORM
auditwheel takes libX11, libglib, zlib and a few others to be everywhere. They are not in slim containers, and drawing
needs them. The platform tag is checked by the same rules as always: symbol versions.
"""
import os
import sys
from dataclasses import replace

from auditwheel import policy
from auditwheel.main import main

SYSTEM = {"libc.so.6", "libm.so.6", "libmvec.so.1", "libanl.so.1", "libdl.so.2", "librt.so.1", "libpthread.so.0",
          "libutil.so.1", "libresolv.so.2", "libnsl.so.1", "libgcc_s.so.1", "libstdc++.so.6"}


class FewerLibraries(policy.WheelPolicies):
    """Its whitelists without what is not of glibc or gcc."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._policies = [replace(one, whitelist=one.whitelist & SYSTEM) for one in self._policies]


def patch():
    """Wherever auditwheel has imported the class."""
    original = policy.WheelPolicies
    for module in list(sys.modules.values()):
        if getattr(module, "WheelPolicies", None) is original:
            module.WheelPolicies = FewerLibraries


if __name__ == "__main__":
    import auditwheel.main_repair  # noqa: F401  (so that it is patched)
    import auditwheel.wheel_abi  # noqa: F401
    patch()
    wheel, folder, platform = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    sys.argv = ["auditwheel", "repair", "--plat", platform, "-w", folder, wheel]
    sys.exit(main())
