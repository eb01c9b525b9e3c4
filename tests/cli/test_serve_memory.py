"""gromatic serve: what pictures take that are decoded at the same time."""
import base64
import struct
import threading
import unittest
import zlib

from served import Server


class Memory(unittest.TestCase):
    def test_large_pictures_are_few(self):
        # 6000 x 6000 grey: 103 MiB when decoded. Twelve at once would be 1.2 GiB; two are decoded at the same time.
        def chunk(kind, data):
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

        side = 6000
        png = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)) +
               chunk(b"IDAT", zlib.compress(bytes((side + 1) * side), 1)) + chunk(b"IEND", b""))
        body = {"image": base64.b64encode(png).decode()}
        own = Server()
        got = []
        threads = [threading.Thread(target=lambda: got.append(own.post("/v1/detect", body)[0])) for _ in range(12)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        with open(f"/proc/{own.process.pid}/status") as file:
            peak = next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024
        own.stop()
        self.assertEqual(got, [200] * 12)
        self.assertLess(peak, 2 * 103 * 2 + 500)  # decoding takes each twice at most; models and scenes: less than 500


if __name__ == "__main__":
    unittest.main()
