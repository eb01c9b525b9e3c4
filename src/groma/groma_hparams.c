/* groma_hparams.c - see groma_hparams.h. */
#include "groma_hparams.h"

#include <string.h>

enum { MAX_GRID = 256 }; /* patches a side: 8 times the released model's 32 */

static gm_status read_geometry(gm_geometry *out, const gm_model_file *file, gm_error *err) {
  static const char key[] = "groma.regions.geometry";
  const char *name;
  GM_TRY(gm_model_file_string(file, key, &name, err));
  if (strcmp(name, "released") == 0)
    *out = GM_GEOMETRY_RELEASED;
  else if (strcmp(name, "xyxy") == 0)
    *out = GM_GEOMETRY_XYXY;
  else
    return gm_fail(err, GM_ERR_MODEL, "%s: %s is \"%.40s\", wanted \"released\" or \"xyxy\"",
                   gm_model_file_name(file), key, name);
  return GM_OK;
}

/* What must hold between the values. */
static gm_status check(const gm_groma_hparams *h, const char *name, gm_error *err) {
  uint32_t grid = h->image_size / h->patch_size;
  if (h->image_size % h->patch_size || grid % 2 || grid < 2 || grid > MAX_GRID)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: groma.image_size %u with groma.patch_size %u: wanted an even number of "
                   "whole patches a side, 2 to %d",
                   name, h->image_size, h->patch_size, (int)MAX_GRID);
  if (h->vision_output > h->vision_layers)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: groma.vision.output_layer is %u, wanted at most the %u layers", name,
                   h->vision_output, h->vision_layers);
  if (h->feature_levels != 1)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: the proposer has %u feature levels; only models with 1 can be run",
                   name, h->feature_levels);
  if (h->proposals > grid * grid)
    return gm_fail(
        err, GM_ERR_MODEL,
        "%s: groma.proposer.proposals is %u, wanted at most the %u cells of the grid", name,
        h->proposals, grid * grid);
  if (h->llm_heads % h->llm_kv_heads)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: groma.llm.kv_heads %u does not divide groma.llm.heads %u", name,
                   h->llm_kv_heads, h->llm_heads);
  return GM_OK;
}

gm_status gm_groma_hparams_read(gm_groma_hparams *out, const gm_model_file *file,
                                gm_error *err) {
  gm_groma_hparams h;
#define X(member, key, min, max) GM_TRY(gm_model_file_u32(file, key, min, max, &h.member, err));
  GM_GROMA_U32_KEYS(X)
#undef X
#define X(member, key, min, max) GM_TRY(gm_model_file_f32(file, key, min, max, &h.member, err));
  GM_GROMA_F32_KEYS(X)
#undef X
  GM_TRY(
      gm_model_file_f32_triple(file, "groma.image_mean", -1e3f, 1e3f, h.pixel_norm.mean, err));
  GM_TRY(gm_model_file_f32_triple(file, "groma.image_std", 1e-6f, 1e3f, h.pixel_norm.std, err));
  GM_TRY(read_geometry(&h.geometry, file, err));
  GM_TRY(check(&h, gm_model_file_name(file), err));
  static const char *const known[] = {
#define X(member, key, min, max) key,
      GM_GROMA_U32_KEYS(X) GM_GROMA_F32_KEYS(X)
#undef X
          "groma.image_mean",
      "groma.image_std", "groma.regions.geometry", NULL};
  GM_TRY(gm_model_file_known_keys(file, "groma.", known, err));
  *out = h;
  return GM_OK;
}
