"""PyTorch's side: DINOv2-L/14, Groma's region encoder, Deformable DETR; the true shapes, random weights.

Each function returns a callable that does the work once. The networks are written with PyTorch's own modules
as in a port of Groma to it (docs/MODEL.md); if transformers has the model, transformers' is used.
"""
import torch
import torch.nn.functional as F
from torch import nn

SIDE, PATCH, WIDTH = 448, 14, 1024


def dynamic_int8(module):
    """Its linear layers in int8 by oneDNN, which obeys a cap of the instruction set; rows quantised as they come."""
    torch.backends.quantized.engine = "onednn"
    return torch.ao.quantization.quantize_dynamic(module, {nn.Linear}, dtype=torch.qint8)


def _prepare(module, variant):
    """variant: fp32, int8, bf16 or bf16-compiled."""
    module = module.eval()
    if variant == "int8":
        module = dynamic_int8(module)
    if variant.startswith("bf16"):
        module = module.to(torch.bfloat16)
    return torch.compile(module) if variant.endswith("compiled") else module


def _dtype(variant):
    return torch.bfloat16 if variant.startswith("bf16") else torch.float32


def _once(module, *inputs):
    def run():
        with torch.inference_mode():
            return module(*inputs)
    return run


def vit(variant):
    """One picture through DINOv2-L/14's 24 layers, all hidden states kept as Groma needs them."""
    from transformers import Dinov2Config, Dinov2Model
    config = Dinov2Config(hidden_size=WIDTH, num_hidden_layers=24, num_attention_heads=16, patch_size=PATCH,
                          image_size=518, attn_implementation="sdpa", output_hidden_states=True)
    return _once(_prepare(Dinov2Model(config), variant), torch.randn(1, 3, SIDE, SIDE, dtype=_dtype(variant)))


class FuseMaps(nn.Module):
    """Three hidden states [C, n, n] -> three maps [C, 4n, 4n], [C, 2n, 2n], [C, n, n]."""

    def __init__(self, channels=WIDTH, steps=5):
        super().__init__()
        self.inputs = nn.ModuleList(nn.Conv2d(channels + 2, channels, 1) for _ in range(3))
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(steps))
        self.norms = nn.ModuleList(nn.GroupNorm(64, channels) for _ in range(steps))

    def forward(self, states):
        maps = []
        for state, conv, scale in zip(states, self.inputs, (4, 2, 1)):
            side = scale * state.shape[-1]
            x = F.interpolate(state, size=(side, side), mode="bilinear", align_corners=True)
            line = torch.linspace(-1, 1, side, dtype=x.dtype)
            y, z = torch.meshgrid(line, line, indexing="ij")
            coordinates = torch.stack((z, y))[None].to(memory_format=torch.channels_last)
            maps.append(conv(torch.cat((x, coordinates), 1)))
        half, quarter = maps[0].shape[1] // 2, maps[0].shape[1] // 4
        for conv, norm in zip(self.convs, self.norms):
            fused = []
            for i, own in enumerate(maps):
                size = own.shape[-2:]
                above = maps[min(i + 1, 2)][:, -quarter:]
                below = maps[max(i - 1, 0)][:, half:-quarter]
                above = F.interpolate(above, size=size, mode="bilinear", align_corners=True)
                below = F.interpolate(below, size=size, mode="bilinear", align_corners=True)
                fused.append(F.relu(norm(conv(torch.cat((own[:, :half], above, below), 1)))))
            maps = fused
        return maps


class RegionVectors(nn.Module):
    """Three maps, regions (x1, y1, x2, y2) in pixels -> [regions, 4096]."""

    def __init__(self, channels=WIDTH, bins=14, dim=4096):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(3))
        self.flatten = nn.Linear(channels * bins * bins, channels)
        self.position = nn.Sequential(nn.Linear(4, 256), nn.ReLU(), nn.LayerNorm(256), nn.Linear(256, channels),
                                      nn.ReLU(), nn.LayerNorm(channels))
        self.up = nn.Linear(channels, dim)
        self.bins = bins

    def forward(self, maps, boxes):
        from torchvision.ops import roi_align
        total = None
        for level, (conv, stride) in enumerate(zip(self.convs, (PATCH / 8, PATCH / 4, PATCH / 2))):
            # torchvision's RoIAlign has no bf16 on CPUs: f32, as under autocast.
            crop = roi_align(maps[level].float(), [boxes.float()], self.bins, 1 / stride, 2, aligned=True)
            x = conv(crop.to(boxes.dtype, memory_format=torch.channels_last))
            total = x if total is None else total + x
        x = self.flatten(F.relu(total).flatten(1))
        return self.up(x + self.position(boxes / SIDE))


class RegionEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.fuse, self.vectors = FuseMaps(), RegionVectors()

    def forward(self, states, boxes):
        return self.vectors(self.fuse(states), boxes)


def region_encoder(variant, regions=100):
    """Fused maps, 100 regions of 14 x 14 and their vectors, channels last."""
    model = _prepare(RegionEncoder().to(memory_format=torch.channels_last), variant)
    n = SIDE // PATCH
    dtype = _dtype(variant)
    states = [torch.randn(1, WIDTH, n, n, dtype=dtype).to(memory_format=torch.channels_last) for _ in range(3)]
    size = 0.05 + 0.6 * torch.rand(regions, 2)
    centre = size / 2 + (1 - size) * torch.rand(regions, 2)
    boxes = (torch.cat((centre, size), 1) * SIDE).to(dtype)  # as released: centre and size taken as corners
    return _once(model, states, boxes)


def proposer(variant):
    """transformers' Deformable DETR, two-stage, its encoder and decoder on one level of 32 x 32, 300 queries."""
    from transformers import DeformableDetrConfig
    from transformers.models.deformable_detr import modeling_deformable_detr as detr
    config = DeformableDetrConfig(num_feature_levels=1, num_queries=300, two_stage=True, with_box_refine=True,
                                  two_stage_num_proposals=300, encoder_layers=6, decoder_layers=6, d_model=256,
                                  encoder_ffn_dim=1024, decoder_ffn_dim=1024, encoder_n_points=4, decoder_n_points=4,
                                  num_labels=1, use_pretrained_backbone=False, disable_custom_kernels=True)

    class Backbone(nn.Module):
        """The map exists already."""
        intermediate_channel_sizes = [WIDTH]

        def __init__(self, _):
            super().__init__()

        def forward(self, pixels, mask):
            return [(pixels, mask.bool())]

    detr.DeformableDetrConvEncoder = Backbone
    model = detr.DeformableDetrForObjectDetection(config)
    n = SIDE // PATCH
    return _once(_prepare(model, variant), torch.randn(1, WIDTH, n, n, dtype=_dtype(variant)))
