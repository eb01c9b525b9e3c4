/* pictures.h - pictures of a drawn world with their boxes and classes, decoded ahead by a pool
 * and slightly changed each time. */
#ifndef GM_TRAINING_PICTURES_H
#define GM_TRAINING_PICTURES_H

#include "data_set.h"
#include "pixels.h"
#include "threads.h"

enum { MAX_OBJECTS = 16 };

typedef struct picture {
  float *pixels; /* [3, S, S] */
  gm_rel_box boxes[MAX_OBJECTS];
  int32_t classes[MAX_OBJECTS];
  size_t n;
} picture;

typedef struct picture_source {
  const gm_data_set *set;
  size_t side; /* S */
  gm_pixel_norm norm;
  bool change; /* flip and cut pictures at random; else they are as in inference */
  uint64_t seed;
} picture_source;

/* Fills pictures[n] (their pixels have room) with visits number first, first + 1, ...: the set
 * in an order that is drawn anew each time it has been seen. */
gm_status pictures_load(const picture_source *source, picture *pictures, size_t n,
                        uint64_t first, gm_pool *pool, gm_error *err);

/* Entry `at` of a permutation of 0..n-1 that the seed draws. */
size_t permuted(size_t n, size_t at, uint64_t seed);
/* Mirrors pixels[3, side, side] in place. */
void flip_pixels(float *pixels, size_t side);

#endif
