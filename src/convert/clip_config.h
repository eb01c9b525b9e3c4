/* clip_config.h - the configurations of CLIP checkpoints -> the settings that no tensor's shape
 * gives. */
#ifndef GM_CLIP_CONFIG_H
#define GM_CLIP_CONFIG_H

#include "clip_dims.h"
#include "config_check.h"
#include "pixels.h"

typedef struct clip_settings {
  bool fused;
  const char *act, *text_act; /* as in the keys */
  float eps, text_eps, logit_scale;
  uint32_t image_size, vision_heads, text_heads;
  gm_pixel_norm norm;
  gm_pixel_resize resize;
  int64_t eos_id;     /* the id that the text tower looks for; -1: the tokenizer's */
  char pad_token[64]; /* "": not given */
  gm_configs configs; /* the files beside the weights; gm_configs_close in any case */
} clip_settings;

/* Sets the defaults of a checkpoint without files beside it, then what the files of its layout
 * say. dims: those of gm_clip_read_dims, and CLIP_IMAGE. */
gm_status gm_clip_config_read(clip_settings *s, const gm_source *source, const size_t *dims,
                              gm_error *err);

#endif
