"""gromatic serve with adapters that requests choose the scales of: each answer is that of the program with the same
scales, whoever asks at the same time."""
import os
import sys
import tempfile
import threading

import numpy as np
from gguf import GGUFReader, GGUFWriter

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from program import DATA, lines, run, scene  # noqa: E402
from served import Server, message, picture  # noqa: E402

FOLDER = tempfile.TemporaryDirectory()
CAPTION = "Give me a concise description of the image."
BASE = os.path.join(FOLDER.name, "base.gguf")


def adapter(name, prefix, seed):
    """Differences to the model's tensors of that kind, a tenth of their size."""
    rng, writer = np.random.default_rng(seed), GGUFWriter(os.path.join(FOLDER.name, name), "groma")
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 1)
    chosen = [t for t in GGUFReader(BASE).tensors if t.name.startswith(prefix) and t.data.ndim == 2]
    assert chosen, prefix
    for t in chosen:
        w = t.data.astype(np.float32)
        writer.add_tensor(t.name + ".diff", (rng.standard_normal(w.shape) * 0.1 * w.std()).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return os.path.join(FOLDER.name, name)


run("convert", os.path.join(DATA, "models", "groma-mini"), "-o", BASE, "-q", "--type", "f32")
one, two = adapter("one.gguf", "dinov2.", 1), adapter("two.gguf", "llm.", 2)
server = Server("-m", BASE, "--adapter", one, "--adapter", two + ":0.5")
try:
    status, listed = server.get("/lora-adapters")
    assert (status, listed) == (200, [{"id": 0, "path": "one.gguf", "scale": 1.0}, {"id": 1, "path": "two.gguf", "scale": 0.5}])

    def program(command, *scales):
        options = [x for path, scale in zip((one, two), scales) for x in ("--adapter", f"{path}:{scale}")]
        return lines(command, "-m", BASE, *options, scene(64))[0]

    def detect(lora):
        body = {"image": picture(64), **({} if lora is None else {"lora": lora})}
        return server.post("/v1/detect", body)

    cases = [(None, (1, 0.5)), ([], (0, 0)), ([{"id": 0, "scale": 1}], (1, 0)), ([{"id": 1, "scale": 1}], (0, 1)),
             ([{"id": 0, "scale": 1}, {"id": 1, "scale": 0.5}], (1, 0.5)), ([{"id": 0, "scale": -0.5}], (-0.5, 0)),
             ([{"id": 0, "scale": 0.25}], (0.25, 0)), ([{"id": 0, "scale": 2}], (2, 0))]
    wanted = [program("detect", *scales)["regions"] for _, scales in cases]
    assert wanted[0] != wanted[1] and wanted[1] != wanted[2] and wanted[5] != wanted[1]
    for (lora, scales), regions in zip(cases, wanted):  # more than are kept, one after another
        status, answer = detect(lora)
        assert status == 200, answer
        assert answer["regions"] == regions, scales

    captions = {}
    for lora in (None, [], [{"id": 1, "scale": 1}]):
        body = {"messages": [message(CAPTION, 64)], **({} if lora is None else {"lora": lora})}
        captions[str(lora)] = server.post("/v1/chat/completions", body)[1]["choices"][0]["message"]["content"]
    for lora, scales in ((None, (1, 0.5)), ([], (0, 0)), ([{"id": 1, "scale": 1}], (0, 1))):
        assert captions[str(lora)] == program("caption", *scales)["text"], lora

    # All at once: nobody gets another's answer; who finds too many other combinations is told to come again.
    got = []
    threads = [threading.Thread(target=lambda k=k: got.append((k % len(cases), *detect(cases[k % len(cases)][0]))))
               for k in range(24)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for k, status, answer in got:
        assert status in (200, 429), answer
        assert status == 429 or answer["regions"] == wanted[k], cases[k]
    assert sum(status == 200 for _, status, _ in got) >= 3

    for lora in ([{"id": 2, "scale": 1}], [{"id": -1, "scale": 1}], [{"id": 0}], [{"scale": 1}], [{"id": 0, "scale": "1"}], [3], {},
                 "x", [{"id": 0, "scale": 1}] * 2, [{"id": 0, "scale": 1e7}], [{"id": 0, "scale": 1, "x": 1}]):
        status, answer = detect(lora)
        assert status == 400, (lora, answer)
    status, answer = server.post("/v1/classify", {"image": picture(64), "classes": ["a dog"], "lora": []})
    assert status == 400, answer
finally:
    code = server.stop()
assert code == 0, server.lines

plain = Server()
try:
    assert plain.get("/lora-adapters") == (200, [])
    assert plain.post("/v1/detect", {"image": picture(64), "lora": []})[0] == 200
    assert plain.post("/v1/detect", {"image": picture(64), "lora": [{"id": 0, "scale": 1}]})[0] == 400
finally:
    plain.stop()
