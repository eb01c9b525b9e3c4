/* clip_hparams.c - see clip_hparams.h. */
#include "clip_hparams.h"

#include <string.h>

/* One of two words. */
static gm_status read_choice(const gm_model_file *file, const char *key, const char *yes,
                             const char *no, bool *out, gm_error *err) {
  const char *text;
  GM_TRY(gm_model_file_string(file, key, &text, err));
  *out = strcmp(text, yes) == 0;
  if (*out || strcmp(text, no) == 0) return GM_OK;
  return gm_fail(err, GM_ERR_MODEL, "%s: key %s is \"%.40s\", wanted \"%s\" or \"%s\"",
                 gm_model_file_name(file), key, text, yes, no);
}

static gm_status read_triple(const gm_model_file *file, const char *key, float out[3],
                             gm_error *err) {
  const float *values;
  size_t n;
  GM_TRY(gm_model_file_f32_array(file, key, &values, &n, err));
  if (n != 3)
    return gm_fail(err, GM_ERR_MODEL, "%s: key %s has %zu numbers, wanted 3",
                   gm_model_file_name(file), key, n);
  memcpy(out, values, 3 * sizeof *out);
  return GM_OK;
}

gm_status gm_clip_hparams_read(gm_clip_hparams *out, const gm_model_file *file, gm_error *err) {
  bool quick;
  gm_clip_hparams h = {0};
  GM_TRY(read_choice(file, "clip.layout", "openai", "huggingface", &h.fused, err));
  GM_TRY(read_choice(file, "clip.activation", "quick_gelu", "gelu", &quick, err));
  h.act = quick ? GM_ACT_QUICK_GELU : GM_ACT_GELU;
  GM_TRY(gm_model_file_f32(file, "clip.layer_norm_epsilon", 1e-12F, 1e-2F, &h.eps, err));
  GM_TRY(gm_model_file_f32(file, "clip.logit_scale", 1e-3F, 1e4F, &h.logit_scale, err));
  GM_TRY(gm_model_file_u32(file, "clip.image_size", 8, 2048, &h.image_size, err));
  GM_TRY(gm_model_file_u32(file, "clip.patch_size", 1, 256, &h.patch_size, err));
  GM_TRY(gm_model_file_u32(file, "clip.vision.block_count", 1, 256, &h.vision_layers, err));
  GM_TRY(gm_model_file_u32(file, "clip.vision.head_count", 1, 256, &h.vision_heads, err));
  GM_TRY(gm_model_file_u32(file, "clip.text.block_count", 1, 256, &h.text_layers, err));
  GM_TRY(gm_model_file_u32(file, "clip.text.head_count", 1, 256, &h.text_heads, err));
  GM_TRY(read_triple(file, "clip.image_mean", h.norm.mean, err));
  GM_TRY(read_triple(file, "clip.image_std", h.norm.std, err));
  for (int i = 0; i < 3; i++)
    if (!(h.norm.std[i] > 1e-6F) || !(h.norm.mean[i] >= 0 && h.norm.mean[i] <= 1))
      return gm_fail(err, GM_ERR_MODEL,
                     "%s: clip.image_mean and clip.image_std are no mean in 0..1 and deviation",
                     gm_model_file_name(file));
  if (h.patch_size > h.image_size || h.image_size % h.patch_size != 0)
    return gm_fail(err, GM_ERR_MODEL, "%s: patches of %u pixels do not fill pictures of %u",
                   gm_model_file_name(file), h.patch_size, h.image_size);
  *out = h;
  return GM_OK;
}
