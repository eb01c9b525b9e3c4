/* feature_keys.c - see feature_keys.h. A key begins with a version, which changes when features
 * change for a reason that is not hashed. */
#include "feature_keys.h"

#include "sha256.h"

#include <string.h>

#define VERSION "gromatic features 2"

static void begin(gm_sha256_state *sha, const char *kind, const char *model) {
  gm_sha256_begin(sha);
  gm_sha256_add_text(sha, VERSION);
  gm_sha256_add_text(sha, kind);
  gm_sha256_add_text(sha, model);
}

void gm_feature_key_texts(char key[65], const char *model, const char *const *texts, size_t n) {
  gm_sha256_state sha;
  begin(&sha, "texts", model);
  gm_sha256_add_number(&sha, n);
  for (size_t i = 0; i < n; i++) {
    size_t length = strlen(texts[i]);
    gm_sha256_add_number(&sha, length);
    gm_sha256_add(&sha, texts[i], length);
  }
  gm_sha256_end(&sha, key);
}

void gm_feature_key_crops(char key[65], const char *model, const gm_image *image,
                          const gm_crop *crops, size_t n) {
  gm_sha256_state sha;
  uint32_t width = gm_image_width(image), height = gm_image_height(image);
  begin(&sha, "crops", model);
  gm_sha256_add_number(&sha, (uint64_t)width << 32 | height);
  gm_sha256_add(&sha, gm_image_rgb(image), (size_t)width * height * 3);
  gm_sha256_add_number(&sha, n);
  for (size_t i = 0; i < n; i++) {
    gm_sha256_add_number(&sha, (uint64_t)crops[i].x << 32 | crops[i].y);
    gm_sha256_add_number(&sha, (uint64_t)crops[i].width << 32 | crops[i].height);
  }
  gm_sha256_end(&sha, key);
}
