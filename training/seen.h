/* seen.h - what the frozen half of a model sees in each scene: hidden states, regions and their
 * vectors. Computed once, and kept in a file that later runs go on with. */
#ifndef GM_TRAINING_SEEN_H
#define GM_TRAINING_SEEN_H

#include "groma.h"
#include "scenes.h"

enum { SEEN_REGIONS = 16 };

typedef struct seen {
  size_t n; /* regions */
  gm_rel_box boxes[SEEN_REGIONS];
  ptrdiff_t object[SEEN_REGIONS];        /* of the scene that the region shows; -1: none */
  ptrdiff_t region_of[SEEN_REGIONS];     /* of each object; -1: none */
  const float *vectors;                  /* [n, D] */
  const float *states[GM_REGION_LEVELS]; /* [1+n*n, C]; but for the last NULL without `deep` */
} seen;

typedef struct seen_rule {
  bool truth; /* true boxes that the proposer missed are regions too: in training */
  bool deep;  /* the states that region vectors are made of are kept too */
} seen_rule;

typedef struct seen_file seen_file;

/* path: the file, which is made anew unless it is of this key, this number of scenes and this
 * rule. The scenes, groma and c must outlive it; groma's vision must not change. */
gm_status seen_open(seen_file **out, const char *path, uint64_t key, const scenes *of,
                    const gm_groma *groma, gm_compute *c, seen_rule rule, gm_error *err);
void seen_close(seen_file *file);

/* The values are in the compute's arena. */
gm_status seen_get(seen_file *file, size_t scene, seen *out);

#endif
