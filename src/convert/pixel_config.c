/* pixel_config.c - see pixel_config.h. Meaning and defaults as of transformers' CLIP and BiT
 * image processors, 4.20 to 5.24. */
#include "pixel_config.h"

#include "json_file.h"

#include <stdlib.h>
#include <string.h>

/* A switch; absent: on. Null is off, as in Python. */
static gm_status read_switch(const json_t *root, const char *name, const char *file, bool *out,
                             gm_error *err) {
  const json_t *value = json_object_get(root, name);
  *out = !value || json_is_true(value);
  if (!value || json_is_boolean(value) || json_is_null(value)) return GM_OK;
  return gm_fail(err, GM_ERR_MODEL, "%s: %s: wanted true or false", file, name);
}

/* ---- values */

gm_status gm_pixel_config_norm(const json_t *root, const char *file, gm_pixel_norm *norm,
                               gm_error *err) {
  bool rescale, normalise;
  float factor = 1.0f / 255;
  GM_TRY(read_switch(root, "do_rescale", file, &rescale, err));
  GM_TRY(read_switch(root, "do_normalize", file, &normalise, err));
  GM_TRY(gm_json_f32(root, "rescale_factor", 1e-6f, 1e3f, &factor, file, err));
  GM_TRY(gm_json_f32_array(root, "image_mean", 3, -1e3f, 1e3f, norm->mean, file, err));
  GM_TRY(gm_json_f32_array(root, "image_std", 3, 1e-6f, 1e3f, norm->std, file, err));
  for (int i = 0; !normalise && i < 3; i++) {
    norm->mean[i] = 0;
    norm->std[i] = 1;
  }
  /* (x f - mean) / std = (x / 255 - mean / (255 f)) / (std / (255 f)) */
  double scale = rescale ? 255.0 * (double)factor : 255.0;
  if (rescale && factor == 1.0f / 255) return GM_OK; /* bit-identical to the file's numbers */
  for (int i = 0; i < 3; i++) {
    norm->mean[i] = (float)((double)norm->mean[i] / scale);
    norm->std[i] = (float)((double)norm->std[i] / scale);
  }
  return GM_OK;
}

/* ---- size */

static gm_status refuse_size(const json_t *value, const char *name, const char *file,
                             const char *wanted, gm_error *err) {
  char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
  gm_status status = gm_fail(err, GM_ERR_MODEL, "%s: %s: found %.80s; only %s is computed",
                             file, name, text ? text : "?", wanted);
  free(text);
  return status;
}

/* {"height": N, "width": N} */
static bool is_square(const json_t *value, json_int_t *side) {
  const json_t *height = json_object_get(value, "height"),
               *width = json_object_get(value, "width");
  *side = json_integer_value(height);
  return json_object_size(value) == 2 && json_is_integer(height) && json_is_integer(width) &&
         *side == json_integer_value(width);
}

static gm_status read_size(const json_t *root, const char *file, gm_pixel_resize *out,
                           gm_error *err) {
  const json_t *value = gm_json_at(root, "size");
  const json_t *edge = json_object_get(value, "shortest_edge");
  json_int_t side = 224;
  bool known = true;
  out->squash = false;
  if (json_is_integer(value))
    side = json_integer_value(value);
  else if (json_is_integer(edge) && json_object_size(value) == 1)
    side = json_integer_value(edge);
  else if (value)
    known = out->squash = is_square(value, &side);
  if (!known || side < 1 || side > 4096)
    return refuse_size(value, "size", file,
                       "\"shortest_edge\", or \"height\" and \"width\" that are equal, of 1 to "
                       "4096",
                       err);
  out->size = (uint32_t)side;
  return GM_OK;
}

static gm_status check_crop(const json_t *root, const char *file, uint32_t image_size,
                            const gm_pixel_resize *resize, gm_error *err) {
  const json_t *value = gm_json_at(root, "crop_size");
  json_int_t side = 224;
  bool known = true;
  if (json_is_integer(value))
    side = json_integer_value(value);
  else if (value)
    known = is_square(value, &side);
  if (!known)
    return refuse_size(value, "crop_size", file, "\"height\" and \"width\" that are equal",
                       err);
  if (side != image_size)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: crop_size: found %" JSON_INTEGER_FORMAT "%s; only the model's picture "
                   "of %u pixels is computed",
                   file, side, value ? "" : " (absent, so transformers' own)", image_size);
  if (resize->size < image_size)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: size: found %u, less than the crop of %u; a border around the picture "
                   "is not computed",
                   file, resize->size, image_size);
  return GM_OK;
}

gm_status gm_pixel_config_resize(const json_t *root, const char *file, uint32_t image_size,
                                 gm_pixel_resize *out, gm_error *err) {
  bool resize, crop;
  GM_TRY(read_switch(root, "do_resize", file, &resize, err));
  GM_TRY(read_switch(root, "do_center_crop", file, &crop, err));
  if (!resize)
    return gm_fail(err, GM_ERR_MODEL, "%s: do_resize: found false; only true is computed",
                   file);
  GM_TRY(read_size(root, file, out, err));
  if (crop) return check_crop(root, file, image_size, out, err);
  if (out->squash && out->size == image_size) return GM_OK;
  return gm_fail(err, GM_ERR_MODEL,
                 "%s: do_center_crop: found false; only true is computed, or a size of "
                 "{\"height\": %u, \"width\": %u}",
                 file, image_size, image_size);
}

gm_status gm_pixel_config_keeps(const json_t *root, const char *file, uint32_t image_size,
                                gm_error *err) {
  bool resize, crop;
  gm_pixel_resize found = {image_size, true};
  GM_TRY(read_switch(root, "do_resize", file, &resize, err));
  GM_TRY(read_switch(root, "do_center_crop", file, &crop, err));
  if (resize) GM_TRY(read_size(root, file, &found, err));
  if (found.size != image_size)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: size: found %u; only the model's picture of %u pixels is computed",
                   file, found.size, image_size);
  return crop ? check_crop(root, file, image_size, &found, err) : GM_OK;
}
