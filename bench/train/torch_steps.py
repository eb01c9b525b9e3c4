"""PyTorch's side of steps.py: the same parts of Groma-7B at the same shapes, written with PyTorch's own modules.

    torch_steps.py proposer|regions|words fp32|bf16 THREADS PICTURES [TARGETS]

For each line of the standard input a step is done: forward, loss, backward, clipping and AdamW. It prints what
bench_train_steps prints. TARGETS: the last positions, which alone go through the head (words). bf16 is autocast over fp32 weights; frozen weights of the language model are bf16 then.
"""
import math
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

WIDTH, SIDE, GRID, BOXES = 1024, 448, 32, 10


# ---- the proposer: a Deformable DETR of one level (docs/MODEL.md)

D, HEADS, POINTS, QUERIES, FFN, LAYERS = 256, 8, 4, 300, 1024, 6


class Deformable(nn.Module):
    def __init__(self):
        super().__init__()
        self.value, self.output = nn.Linear(D, D), nn.Linear(D, D)
        self.offsets, self.scores = nn.Linear(D, HEADS * POINTS * 2), nn.Linear(D, HEADS * POINTS)

    def forward(self, query, memory, centre, step):
        """query [b, q, D], memory [b, cells, D]; centre and step [b, q, 2] of offsets, relative to the map."""
        b, q, _ = query.shape
        value = self.value(memory).transpose(1, 2).reshape(b * HEADS, D // HEADS, GRID, GRID)
        offsets = self.offsets(query).view(b, q, HEADS, POINTS, 2)
        shares = self.scores(query).view(b, q, HEADS, POINTS).softmax(-1)
        at = centre[:, :, None, None] + offsets * step[:, :, None, None]
        at = (2 * at - 1).transpose(1, 2).flatten(0, 1)
        read = F.grid_sample(value, at.to(value.dtype), align_corners=False)  # [b * HEADS, D / HEADS, q, POINTS]
        read = (read * shares.transpose(1, 2).reshape(b * HEADS, 1, q, POINTS)).sum(-1)
        return self.output(read.view(b, D, q).transpose(1, 2))


class Feed(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(D, FFN), nn.Linear(FFN, D)

    def forward(self, x):
        return self.down(F.relu(self.up(x)))


class SelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.output = (nn.Linear(D, D) for _ in range(4))

    def forward(self, x, position):
        b, q, _ = x.shape
        parts = [f(y).view(b, q, HEADS, D // HEADS).transpose(1, 2)
                 for f, y in ((self.q, x + position), (self.k, x + position), (self.v, x))]
        return self.output(F.scaled_dot_product_attention(*parts).transpose(1, 2).reshape(b, q, D))


class Layer(nn.Module):
    def __init__(self, decoder):
        super().__init__()
        self.own = SelfAttention() if decoder else None
        self.deformable, self.feed = Deformable(), Feed()
        self.norms = nn.ModuleList(nn.LayerNorm(D) for _ in range(3 if decoder else 2))

    def forward(self, x, position, memory, centre, step):
        norms = iter(self.norms)
        if self.own:
            x = next(norms)(x + self.own(x, position))
        x = next(norms)(x + self.deformable(x + position, x if memory is None else memory, centre, step))
        return next(norms)(x + self.feed(x))


def box_head():
    return nn.Sequential(nn.Linear(D, D), nn.ReLU(), nn.Linear(D, D), nn.ReLU(), nn.Linear(D, 4))


def logit(x):
    return torch.special.logit(x, 1e-5)


def sines(x, n, temperature=10000.0):
    """[.., 4] -> [.., 4 * n]"""
    scale = temperature ** (-torch.arange(0, n, 2) / n)
    angle = x[..., None] * (2 * math.pi) * scale
    return torch.stack((angle.sin(), angle.cos()), -1).flatten(-3)


class Proposer(nn.Module):
    def __init__(self):
        super().__init__()
        self.input, self.input_norm = nn.Linear(WIDTH, D), nn.LayerNorm(D)
        self.level = nn.Parameter(torch.randn(D))
        self.encoder = nn.ModuleList(Layer(False) for _ in range(LAYERS))
        self.decoder = nn.ModuleList(Layer(True) for _ in range(LAYERS))
        self.memory, self.memory_norm = nn.Linear(D, D), nn.LayerNorm(D)
        self.position, self.position_norm = nn.Linear(2 * D, 2 * D), nn.LayerNorm(2 * D)
        self.content = nn.Parameter(torch.randn(QUERIES, D))
        self.boxes = nn.ModuleList(box_head() for _ in range(LAYERS + 1))
        self.classes = nn.ModuleList(nn.Linear(D, 1) for _ in range(LAYERS + 1))
        line = (torch.arange(GRID) + 0.5) / GRID
        y, x = torch.meshgrid(line, line, indexing="ij")
        self.register_buffer("cells", torch.stack((x, y), -1).view(1, GRID * GRID, 2))
        self.register_buffer("cell_positions", sines(torch.stack((y, x), -1).view(1, -1, 2), D // 2))
        size = torch.full_like(self.cells, 0.05)
        self.register_buffer("proposals", logit(torch.cat((self.cells, size), -1)))

    def forward(self, features):
        """[b, cells, WIDTH] -> logits and boxes of all outputs."""
        b = features.shape[0]
        x, position = self.input_norm(self.input(features)), self.cell_positions + self.level
        centre = self.cells.expand(b, -1, -1)
        step = torch.full_like(centre, 1 / GRID)
        for layer in self.encoder:
            x = layer(x, position, None, centre, step)
        query = self.memory_norm(self.memory(x))
        first = (self.classes[-1](query), (self.boxes[-1](query) + self.proposals).sigmoid())
        best = first[0].squeeze(-1).topk(QUERIES, 1).indices[..., None].expand(-1, -1, 4)
        reference = first[1].gather(1, best).detach()
        position = self.position_norm(self.position(sines(reference, D // 2)))[..., :D]
        h = self.content.expand(b, -1, -1)
        centre, step = reference[..., :2], reference[..., 2:] * (0.5 / POINTS)
        outputs, base = [first], logit(reference)
        for layer, head, score in zip(self.decoder, self.boxes, self.classes):
            h = layer(h, position, x, centre, step)
            delta = head(h)
            outputs.append((score(h), (delta + base).sigmoid()))
            base = logit((delta + logit(reference)).sigmoid())
        return outputs


def corners(boxes):
    centre, size = boxes.split(2, -1)
    return torch.cat((centre - size / 2, centre + size / 2), -1)


def giou(a, b):
    """Of all pairs of the last axis but one."""
    a, b = corners(a), corners(b)
    inner = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    outer = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - inner
    return inner / union - (outer - union) / outer


def focal(logits, target):
    p = logits.sigmoid()
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    wrong = p * (1 - target) + (1 - p) * target
    return ((0.25 * target + 0.75 * (1 - target)) * wrong * wrong * loss).sum()


def detect_loss(logits, boxes, targets):
    from scipy.optimize import linear_sum_assignment
    logits, boxes, count = logits.float().squeeze(-1), boxes.float(), targets.shape[0] * targets.shape[1]
    with torch.no_grad():
        p = logits.sigmoid()[..., None]
        score = 0.25 * (1 - p) ** 2 * -(p + 1e-8).log() - 0.75 * p ** 2 * -(1 - p + 1e-8).log()
        cost = 2 * score + 5 * torch.cdist(boxes, targets, 1) - 2 * giou(boxes[:, :, None], targets[:, None])
        pairs = [linear_sum_assignment(c) for c in cost.numpy()]
    picture = torch.cat([torch.full((len(i),), n) for n, (i, _) in enumerate(pairs)])
    chosen = torch.cat([torch.as_tensor(i) for i, _ in pairs])
    wanted = torch.cat([targets[n, j] for n, (_, j) in enumerate(pairs)])
    found = boxes[picture, chosen]
    target = torch.zeros_like(logits)
    target[picture, chosen] = 1
    return (2 * focal(logits, target) + 5 * (found - wanted).abs().sum() + 2 * (1 - giou(found, wanted)).sum()) / count


def proposer(bf16, pictures, _):
    model = Proposer()
    features = torch.rand(pictures, GRID * GRID, WIDTH) * 2 - 1
    size = 0.05 + 0.5 * torch.rand(pictures, BOXES, 2)
    targets = torch.cat((size / 2 + torch.rand(pictures, BOXES, 2) * (1 - size), size), -1)

    def loss():
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            outputs = model(features)
        return sum(detect_loss(logits, boxes, targets) for logits, boxes in outputs)
    return model.parameters(), loss


# ---- the region encoder

class Regions(nn.Module):
    def __init__(self, bins=14, dim=4096):
        super().__init__()
        self.inputs = nn.ModuleList(nn.Conv2d(WIDTH + 2, WIDTH, 1) for _ in range(3))
        self.fuse = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False) for _ in range(5))
        self.norms = nn.ModuleList(nn.GroupNorm(64, WIDTH) for _ in range(5))
        self.crops = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in range(3))
        self.flatten, self.up = nn.Linear(WIDTH * bins * bins, WIDTH), nn.Linear(WIDTH, dim)
        self.position = nn.Sequential(nn.Linear(4, 256), nn.ReLU(), nn.LayerNorm(256), nn.Linear(256, WIDTH),
                                      nn.ReLU(), nn.LayerNorm(WIDTH))
        self.bins = bins

    @staticmethod
    def resize(x, side):
        return F.interpolate(x, size=(side, side), mode="bilinear", align_corners=True)

    def fused(self, states):
        maps = []
        for state, conv, scale in zip(states, self.inputs, (4, 2, 1)):
            # the 1x1 conv and its coordinates commute with the resize
            line = torch.linspace(-1, 1, GRID)
            y, x = torch.meshgrid(line, line, indexing="ij")
            where = torch.stack((x, y))[None].expand(state.shape[0], -1, -1, -1)
            maps.append(self.resize(conv(torch.cat((state, where), 1)), scale * GRID))
        half, quarter = WIDTH // 2, WIDTH // 4
        for conv, norm in zip(self.fuse, self.norms):
            mixed = [torch.cat((own[:, :half], self.resize(maps[min(i + 1, 2)][:, -quarter:], own.shape[-1]),
                                self.resize(maps[max(i - 1, 0)][:, half:-quarter], own.shape[-1])), 1)
                     for i, own in enumerate(maps)]
            maps = [F.relu(norm(conv(x))) for x in mixed]
        return maps

    def forward(self, states, boxes):
        """states: three of [b, WIDTH, GRID, GRID]; boxes [b, BOXES, 4] -> [b * BOXES, dim]"""
        from torchvision.ops import roi_align
        total = 0
        for level, conv, stride in zip(self.fused(states), self.crops, (14 / 8, 14 / 4, 14 / 2)):
            crop = roi_align(level.float(), list(boxes * SIDE), self.bins, 1 / stride, 2, aligned=True)
            total = total + conv(crop.to(memory_format=torch.channels_last))
        x = self.flatten(F.relu(total).flatten(1))
        return self.up(x + self.position(boxes.flatten(0, 1)))


def regions(bf16, pictures, _):
    model = Regions().to(memory_format=torch.channels_last)
    states = [torch.rand(pictures, WIDTH, GRID, GRID).to(memory_format=torch.channels_last) for _ in range(3)]
    size = 0.05 + 0.5 * torch.rand(pictures, BOXES, 2)
    boxes = torch.cat((size / 2 + torch.rand(pictures, BOXES, 2) * (1 - size), size), -1)
    gradient = 1e-3 * torch.randn(pictures * BOXES, 4096)

    def loss():
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            vectors = model(states, boxes)
        return (vectors.float() * gradient).sum()
    return model.parameters(), loss


# ---- low-rank pairs in two layers of LLaMA-7B, with embeddings and head

DIM, GATE, WORDS, POSITIONS, RANK = 4096, 11008, 32000, 256, 16


class Pair(nn.Module):
    """A frozen matrix with a low-rank pair beside it."""

    def __init__(self, n, k, dtype):
        super().__init__()
        self.w = nn.Parameter(torch.empty(n, k, dtype=dtype).normal_(std=0.02), requires_grad=False)
        self.a, self.b = nn.Parameter(torch.rand(RANK, k) / k ** 0.5), nn.Parameter(torch.zeros(n, RANK))

    def forward(self, x):
        return F.linear(x, self.w) + F.linear(F.linear(x, self.a), self.b)


class RMSNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(DIM), requires_grad=False)

    def forward(self, x):
        return F.rms_norm(x, (DIM,), self.w, 1e-5)


class LlamaLayer(nn.Module):
    def __init__(self, dtype):
        super().__init__()
        self.norm1, self.norm2 = RMSNorm(), RMSNorm()
        self.q, self.k, self.v, self.o = (Pair(DIM, DIM, dtype) for _ in range(4))
        self.gate, self.up, self.down = Pair(GATE, DIM, dtype), Pair(GATE, DIM, dtype), Pair(DIM, GATE, dtype)

    def forward(self, x, cosines, sines_):
        y = self.norm1(x)
        q, k, v = (f(y).view(POSITIONS, 32, 128).transpose(0, 1)[None] for f in (self.q, self.k, self.v))

        def turn(z):
            half = torch.cat((-z[..., 64:], z[..., :64]), -1)
            return (z * cosines + half * sines_).to(v.dtype)
        mixed = F.scaled_dot_product_attention(turn(q), turn(k), v, is_causal=True)
        x = x + self.o(mixed[0].transpose(0, 1).reshape(POSITIONS, DIM))
        y = self.norm2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Llama(nn.Module):
    def __init__(self, dtype):
        super().__init__()
        self.embed = nn.Parameter(torch.empty(WORDS, DIM, dtype=dtype).normal_(), requires_grad=False)
        self.layers = nn.ModuleList(LlamaLayer(dtype) for _ in range(2))
        self.norm = RMSNorm()
        self.head = nn.Parameter(torch.empty(WORDS, DIM, dtype=dtype).normal_(std=0.02), requires_grad=False)
        angle = torch.arange(POSITIONS)[:, None] * 10000.0 ** (-torch.arange(0, 128, 2) / 128)
        angle = torch.cat((angle, angle), -1)
        self.register_buffer("cosines", angle.cos())
        self.register_buffer("sines", angle.sin())

    def forward(self, ids, answers):
        x = F.embedding(ids, self.embed).float()
        for layer in self.layers:
            x = layer(x, self.cosines, self.sines)
        return F.linear(self.norm(x[-answers:]), self.head)


def words(bf16, _, answers):
    model = Llama(torch.bfloat16 if bf16 else torch.float32)
    ids = torch.randint(WORDS, (POSITIONS,))
    targets = ids.roll(-1)

    def loss():
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = model(ids, answers)
        return F.cross_entropy(logits.float(), targets[-answers:])
    return model.parameters(), loss


# ----

def memory(name):
    """A line of /proc/self/status, in MB."""
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(name)) * 1024e-6


def processor():
    use = resource.getrusage(resource.RUSAGE_SELF)
    return use.ru_utime + use.ru_stime


def main():
    part, dtype, threads, pictures = sys.argv[1:5]
    answers = int(sys.argv[5]) if len(sys.argv) > 5 else POSITIONS
    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    parameters, loss_of = {"proposer": proposer, "regions": regions, "words": words}[part](
        dtype == "bf16", int(pictures), answers)
    learn = [p for p in parameters if p.requires_grad]
    optimiser = torch.optim.AdamW(learn, lr=1e-4, fused=True)
    before = memory("VmRSS:")
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5")  # the peak is counted from now on
    print("ready", flush=True)
    for _ in sys.stdin:
        wall, used = time.perf_counter(), processor()
        optimiser.zero_grad()
        loss = loss_of()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(learn, 1.0)
        optimiser.step()
        print(f"step {time.perf_counter() - wall:.6f} {processor() - used:.6f} "
              f"loss {loss.item():.6g} norm {norm.item():.6g}", flush=True)
    print(f"memory {memory('VmHWM:') - before:.1f} learned {sum(p.numel() for p in learn)} "
          f"kernels {torch.backends.cpu.get_cpu_capability()}")


if __name__ == "__main__":
    main()
