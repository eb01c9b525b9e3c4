/* clip_hparams.c - see clip_hparams.h. */
#include "clip_hparams.h"

#include <float.h>
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

/* Reads an activation by its name in the key. */
static gm_status read_activation(const gm_model_file *file, const char *key, gm_act *out,
                                 gm_error *err) {
  static const struct {
    const char *name;
    gm_act act;
  } names[] = {{"quick_gelu", GM_ACT_QUICK_GELU},
               {"gelu", GM_ACT_GELU},
               {"gelu_tanh", GM_ACT_GELU_TANH}};
  const char *text;
  GM_TRY(gm_model_file_string(file, key, &text, err));
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strcmp(names[i].name, text) != 0) continue;
    *out = names[i].act;
    return GM_OK;
  }
  return gm_fail(err, GM_ERR_MODEL,
                 "%s: key %s is \"%.40s\", wanted \"quick_gelu\", \"gelu\" or \"gelu_tanh\"",
                 gm_model_file_name(file), key, text);
}

/* Reads the optional keys. Without them both towers are alike, and a picture's short side is
 * resized to the model's size. */
static gm_status read_variants(gm_clip_hparams *h, const gm_model_file *file, gm_error *err) {
  h->text_act = h->act;
  h->text_eps = h->eps;
  h->resize = (gm_pixel_resize){h->image_size, false};
  if (gm_model_file_has_key(file, GM_CLIP_TEXT_ACTIVATION))
    GM_TRY(read_activation(file, GM_CLIP_TEXT_ACTIVATION, &h->text_act, err));
  if (gm_model_file_has_key(file, GM_CLIP_TEXT_EPS))
    GM_TRY(gm_model_file_f32(file, GM_CLIP_TEXT_EPS, 1e-12F, 1, &h->text_eps, err));
  if (gm_model_file_has_key(file, GM_CLIP_RESIZE_SIZE))
    GM_TRY(gm_model_file_u32(file, GM_CLIP_RESIZE_SIZE, h->image_size, 4096, &h->resize.size,
                             err));
  if (gm_model_file_has_key(file, GM_CLIP_RESIZE))
    GM_TRY(read_choice(file, GM_CLIP_RESIZE, "squash", "shortest", &h->resize.squash, err));
  return GM_OK;
}

gm_status gm_clip_hparams_read(gm_clip_hparams *out, const gm_model_file *file, gm_error *err) {
  gm_clip_hparams h = {0};
  GM_TRY(read_choice(file, "clip.layout", "openai", "huggingface", &h.fused, err));
  GM_TRY(read_activation(file, "clip.activation", &h.act, err));
  GM_TRY(gm_model_file_f32(file, "clip.layer_norm_epsilon", 1e-12F, 1, &h.eps, err));
  GM_TRY(gm_model_file_f32(file, "clip.logit_scale", 1e-3F, 1e4F, &h.logit_scale, err));
  GM_TRY(gm_model_file_u32(file, "clip.image_size", 8, 2048, &h.image_size, err));
  GM_TRY(gm_model_file_u32(file, "clip.patch_size", 1, 256, &h.patch_size, err));
  GM_TRY(gm_model_file_u32(file, "clip.vision.block_count", 1, 256, &h.vision_layers, err));
  GM_TRY(gm_model_file_u32(file, "clip.vision.head_count", 1, 256, &h.vision_heads, err));
  GM_TRY(gm_model_file_u32(file, "clip.text.block_count", 1, 256, &h.text_layers, err));
  GM_TRY(gm_model_file_u32(file, "clip.text.head_count", 1, 256, &h.text_heads, err));
  GM_TRY(gm_model_file_f32_triple(file, "clip.image_mean", -1e6F, 1e6F, h.norm.mean, err));
  GM_TRY(gm_model_file_f32_triple(file, "clip.image_std", 1e-9F, FLT_MAX, h.norm.std, err));
  if (h.patch_size > h.image_size || h.image_size % h.patch_size != 0)
    return gm_fail(err, GM_ERR_MODEL, "%s: patches of %u pixels do not fill pictures of %u",
                   gm_model_file_name(file), h.patch_size, h.image_size);
  GM_TRY(read_variants(&h, file, err));
  static const char *const known[] = {
      "clip.layout",
      "clip.activation",
      "clip.layer_norm_epsilon",
      "clip.logit_scale",
      "clip.image_size",
      "clip.patch_size",
      "clip.image_mean",
      "clip.image_std",
      "clip.vision.block_count",
      "clip.vision.head_count",
      "clip.text.block_count",
      "clip.text.head_count",
      GM_CLIP_TEXT_ACTIVATION,
      GM_CLIP_TEXT_EPS,
      GM_CLIP_RESIZE,
      GM_CLIP_RESIZE_SIZE,
      NULL,
  };
  GM_TRY(gm_model_file_known_keys(file, "clip.", known, err));
  *out = h;
  return GM_OK;
}
