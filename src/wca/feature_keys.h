/* feature_keys.h - cache keys: hashes of everything that the features of texts and crops depend
 * on. */
#ifndef GM_FEATURE_KEYS_H
#define GM_FEATURE_KEYS_H

#include "pixels.h"

/* model: identifies its bytes and the kernels (gm_clip_maker). Each text is hashed with its
 * length. */
void gm_feature_key_texts(char key[65], const char *model, const char *const *texts, size_t n);
/* The picture's pixels, size and the crops. */
void gm_feature_key_crops(char key[65], const char *model, const gm_image *image,
                          const gm_crop *crops, size_t n);

#endif
