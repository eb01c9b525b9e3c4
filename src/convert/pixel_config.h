/* pixel_config.h - preprocessor_config.json -> how a picture is normalised and resized. */
#ifndef GM_PIXEL_CONFIG_H
#define GM_PIXEL_CONFIG_H

#include "pixels.h"
#include "status.h"

#include <jansson.h>

/* Rescaling and normalising as one step, ((x / 255) - mean) / std: do_rescale, rescale_factor,
 * do_normalize, image_mean and image_std. Preset *norm with the defaults of mean and deviation.
 * `file` is for messages, here and below. */
gm_status gm_pixel_config_norm(const json_t *root, const char *file, gm_pixel_norm *norm,
                               gm_error *err);

/* do_resize, size, do_center_crop and crop_size, with transformers' defaults: how a picture
 * becomes image_size x image_size. Refuses settings that give another size. */
gm_status gm_pixel_config_resize(const json_t *root, const char *file, uint32_t image_size,
                                 gm_pixel_resize *out, gm_error *err);
/* The same for a picture that already has the size: refuses settings that would change it. */
gm_status gm_pixel_config_keeps(const json_t *root, const char *file, uint32_t image_size,
                                gm_error *err);

#endif
