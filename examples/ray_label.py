#!/usr/bin/env python3
"""Labels very many pictures on many machines with Ray Data: Groma's regions, named by CLIP with your own words.

Usage: ray_label.py INPUT OUTPUT --classes FILE [options]

INPUT is a folder that every machine sees, with any of
- tar files (WebDataset): a shard each;
- Parquet files with a column of pictures, as bytes or as Hugging Face's {bytes, path}: a shard each;
- pictures (JPEG, PNG, WebP), also in folders below it: every --shard-size of them, by name, are a shard.
OUTPUT is another such folder. For each shard it gets one Parquet file, which appears when it is whole; a row is a
picture. A picture that cannot be labelled is a row with an error. Started again, the script does what is missing.
docs/SCALE.md says more.
"""
import argparse
import hashlib
import json
import os
import tarfile
import time
import uuid
from dataclasses import asdict, dataclass

import pyarrow as pa
import pyarrow.parquet as pq

import gromatic

PICTURES = (".jpg", ".jpeg", ".png", ".webp")
LARGEST = (64 << 20) + 1  # bytes of a picture that are read: one more than gromatic takes
REGION = pa.struct([*((name, pa.float32()) for name in ("x1", "y1", "x2", "y2", "score")), ("label", pa.string()),
                    ("label_score", pa.float32()), ("raw_score", pa.float32())])
SCHEMA = pa.schema([("id", pa.string()), ("name", pa.string()), ("width", pa.int32()), ("height", pa.int32()),
                    ("regions", pa.list_(REGION)), ("error", pa.string()), ("message", pa.string())])


@dataclass(frozen=True)
class Shard:
    """A file, or pictures of a folder (paths below INPUT). output: its file below OUTPUT. state: a hash of names,
    sizes and times, by which a shard that changed is known."""

    output: str
    paths: tuple[str, ...]
    state: str


def shards_of(folder, size):
    found = sorted(os.path.relpath(os.path.join(place, name), folder)
                   for place, _, names in os.walk(folder) for name in names)
    groups = {path + ".parquet": (path,) for path in found if path.endswith((".tar", ".parquet"))}
    pictures = [path for path in found if path.lower().endswith(PICTURES)]
    for i in range(0, len(pictures), size):
        groups[f"pictures-{i // size:06}.parquet"] = tuple(pictures[i:i + size])
    for output, paths in groups.items():
        stats = [os.stat(os.path.join(folder, path)) for path in paths]
        state = [[path, stat.st_size, stat.st_mtime_ns] for path, stat in zip(paths, stats)]
        yield Shard(output.replace(os.sep, "__"), paths, sha256(json.dumps(state).encode()))


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def pictures_of(folder, shard, column):
    """Name and bytes of each picture; bytes are None where the row has none."""
    path = os.path.join(folder, shard.paths[0])
    if path.endswith(".tar"):
        with tarfile.open(path, "r|") as tar:
            for member in tar:
                if member.isfile() and member.name.lower().endswith(PICTURES):
                    yield member.name, tar.extractfile(member).read(LARGEST)
    elif path.endswith(".parquet"):
        number = 0
        for batch in pq.ParquetFile(path).iter_batches(batch_size=16, columns=[column]):
            for value in batch.column(0).to_pylist():
                value = value if isinstance(value, dict) else {"bytes": value}
                yield value.get("path") or str(number), value["bytes"]
                number += 1
    else:
        for name in shard.paths:
            try:
                with open(os.path.join(folder, name), "rb") as file:
                    data = file.read(LARGEST)
            except OSError:
                data = None
            yield name, data


class Labeller:
    """Models that are opened once, for many shards. Ray makes one in each actor; they map the same file, so that the
    actors of a machine share its memory."""

    def __init__(self, options, settings=None):
        self.options = options
        engine = gromatic.Engine(threads=options.threads)
        self.groma = gromatic.Model(options.model, engine=engine)
        self.clip = gromatic.Clip(options.clip_model, engine=engine)
        with open(options.classes, encoding="utf-8") as file:
            names = [line.strip() for line in file if line.strip()]
        self.classes = self.clip.classes(names)
        self.settings = sha256(json.dumps({
            "version": gromatic.__version__, "model": self.groma.sha256(), "clip": self.clip.sha256(),
            "classes": names, "conf": options.conf, "max_regions": options.max_regions}).encode())
        if settings not in (None, self.settings):
            raise ValueError("this machine has another version of gromatic, other models or other classes than the "
                             "one that started the work; wanted the same on all")

    def done(self, shard):
        """The summary of a shard that was labelled before, or None."""
        path = os.path.join(self.options.output, shard.output)
        if not os.path.exists(path):
            return None
        found = json.loads(pq.read_schema(path).metadata[b"gromatic"])
        if found["settings"] != self.settings:
            raise ValueError(f"{path}: found labels of other models, classes or options; wanted those of this run. "
                             "Name another OUTPUT")
        again = found["state"] != shard.state or (self.options.retry_errors and found["errors"])
        return None if again else found

    def rows(self, shard):
        try:
            for name, data in pictures_of(self.options.input, shard, self.options.column):
                yield self.row(name, data)
        except (OSError, tarfile.TarError, pa.ArrowException, KeyError) as error:  # what follows cannot be read
            yield {"name": shard.paths[0], "error": "io_error", "message": str(error)}

    def row(self, name, data):
        if data is None:
            return {"name": name, "error": "io_error", "message": "there are no bytes, or they cannot be read"}
        row = {"id": sha256((sha256(data) + self.settings).encode()), "name": name}
        try:
            with gromatic.Image(data) as image:
                found = self.groma.detect(image, box_score_thres=self.options.conf,
                                          max_regions=self.options.max_regions)
                labelled = self.clip.label(image, found, self.classes, top=1)
        except gromatic.GromaticError as error:
            return {**row, "error": error.code, "message": str(error)}
        regions = [{**dict(zip(("x1", "y1", "x2", "y2"), region.box)), "score": region.score, "label": best.name,
                    "label_score": best.score, "raw_score": best.raw_score}
                   for region, best in ((region, named.best) for region, named in
                                        zip(labelled.regions, labelled.classifications))]
        return {**row, "width": labelled.size[0], "height": labelled.size[1], "regions": regions}

    def label(self, shard):
        """Makes the shard's file, whole or not at all; returns its summary and the seconds that it took."""
        begin = time.perf_counter()
        before = self.done(shard)  # by an attempt whose worker was lost after it
        if before:
            return {**before, "seconds": 0.0}
        rows = list(self.rows(shard))
        summary = {"shard": shard.output, "state": shard.state, "settings": self.settings, "pictures": len(rows),
                   "errors": sum("error" in row for row in rows)}
        table = pa.Table.from_pylist(rows, SCHEMA.with_metadata({"gromatic": json.dumps(summary)}))
        path = os.path.join(self.options.output, shard.output)
        part = f"{path}.{uuid.uuid4().hex}.part"  # two workers may have the same shard, if one was thought lost
        with open(part, "wb") as file:
            pq.write_table(table, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        return {**summary, "seconds": time.perf_counter() - begin}

    def __call__(self, batch):
        summaries = [self.label(Shard(output, tuple(paths), state))
                     for output, paths, state in zip(batch["output"], batch["paths"], batch["state"])]
        return {name: [summary[name] for summary in summaries]
                for name in ("shard", "pictures", "errors", "seconds")}


def with_ray(options, shards, settings):
    """A summary for each shard. Ray restarts an actor that was lost, and gives its shards out again."""
    import ray
    ray.init(log_to_driver=False)
    items = ray.data.from_items([asdict(shard) for shard in shards], override_num_blocks=len(shards))
    pool = ray.data.ActorPoolStrategy(size=options.actors)
    yield from items.map_batches(Labeller, fn_constructor_args=(options, settings), batch_size=1,
                                 num_cpus=options.threads, compute=pool).iter_rows()


def remove_parts(folder):
    for name in os.listdir(folder):
        if name.endswith(".part"):
            os.unlink(os.path.join(folder, name))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--classes", required=True, metavar="FILE", help="names, one a line")
    parser.add_argument("-m", "--model", help="Groma's GGUF file (default: the small embedded model)")
    parser.add_argument("--clip-model", help="CLIP's GGUF file (default: the small embedded model)")
    parser.add_argument("--actors", type=int, default=1, help="on all machines together; 0: this process, without Ray")
    parser.add_argument("--threads", type=int, default=1, help="of an actor")
    parser.add_argument("--shard-size", type=int, default=500, help="pictures of a folder in a shard")
    parser.add_argument("--column", default="image", help="pictures in Parquet files")
    parser.add_argument("--conf", type=float, help="the least score of a region (default: the model's own)")
    parser.add_argument("--max-regions", type=int, help="of a picture (default: 100)")
    parser.add_argument("--retry-errors", action="store_true", help="do shards again that have errors")
    return parser.parse_args()


def main():
    options = arguments()
    for name in ("input", "output", "classes"):  # workers are in another folder
        setattr(options, name, os.path.abspath(getattr(options, name)))
    for name in ("model", "clip_model"):
        value = getattr(options, name)
        if value and os.path.exists(value):
            setattr(options, name, os.path.abspath(value))
    os.makedirs(options.output, exist_ok=True)
    remove_parts(options.output)
    labeller = Labeller(options)
    shards = list(shards_of(options.input, options.shard_size))
    unknown = set(os.listdir(options.output)) - {shard.output for shard in shards}
    if unknown:
        raise SystemExit(f"{options.output}: found {min(unknown)}, which belongs to no shard of {options.input}; "
                         "wanted what this script made of it only. Name another OUTPUT, or remove the file")
    todo = [shard for shard in shards if not labeller.done(shard)]
    print(f"{len(shards)} shards, {len(shards) - len(todo)} of them done before", flush=True)
    if not todo:
        return
    work = map(labeller.label, todo) if options.actors == 0 else with_ray(options, todo, labeller.settings)
    for summary in work:
        print(f"{summary['shard']}: {summary['pictures']} pictures, {summary['errors']} errors, "
              f"{summary['seconds']:.2f} s", flush=True)
    remove_parts(options.output)


if __name__ == "__main__":
    main()
