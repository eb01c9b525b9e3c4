/* feature_keys.h - what the features of texts and of crops depend on, as a key of the cache. */
#ifndef GM_FEATURE_KEYS_H
#define GM_FEATURE_KEYS_H

#include "pixels.h"

/* model: names its bytes and what computes (gm_clip_maker). Each text is hashed with its
 * length. */
void gm_feature_key_texts(char key[65], const char *model, const char *const *texts, size_t n);
/* The picture's pixels, size and the crops. */
void gm_feature_key_crops(char key[65], const char *model, const gm_image *image,
                          const gm_crop *crops, size_t n);

#endif
