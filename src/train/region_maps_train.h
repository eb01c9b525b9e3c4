/* region_maps_train.h - the region encoder's maps in training, for region_train.c: from hidden
 * states through the fuse steps, and back. */
#ifndef GM_REGION_MAPS_TRAIN_H
#define GM_REGION_MAPS_TRAIN_H

#include "region_train.h"

/* A map per level. */
typedef struct gm_region_maps {
  float *at[GM_REGION_LEVELS]; /* [side, side, R] */
} gm_region_maps;

/* A fuse step of one picture: the convs' outputs, and of each level and group what GroupNorm's
 * backward needs. */
typedef struct gm_region_step {
  gm_region_maps conv;
  float *stats[GM_REGION_LEVELS];
} gm_region_step;

/* Of one picture. Features are kept after ReLU: where they are 0 it cut. */
struct gm_region_kept {
  gm_region_step *steps; /* [n_fuse] */
  float *flat;           /* [r, bins*bins*R] */
  float *position1;      /* [r, A] */
  float *position2;      /* [r, F] */
  float *stats1, *stats2;
  float *vector; /* [r, F]: what updims is given */
};

/* What both passes of a picture are given. */
typedef struct gm_region_run {
  const gm_training *t;
  const gm_region_encoder *w;
  const gm_region_picture *picture;
  gm_region_kept *kept;
} gm_region_run;

/* From the arena. */
gm_status gm_region_maps_allocate(const gm_region_run *r, gm_region_maps *maps,
                                  const char *what);
void gm_region_maps_clear(const gm_region_run *r, const gm_region_maps *maps);
/* The steps of r->kept. */
gm_status gm_region_steps_allocate(const gm_region_run *r);

/* The maps from the states, through all steps, whose convs' outputs are kept. */
gm_status gm_region_maps_forward(const gm_region_run *r, const gm_region_maps *maps);
/* The last maps again, from what is kept. */
gm_status gm_region_maps_again(const gm_region_run *r, const gm_region_maps *maps);
/* maps and d_maps: the last maps and their gradient, both of which it uses up. */
gm_status gm_region_maps_back(const gm_region_run *r, gm_region_maps *maps,
                              gm_region_maps *d_maps);

#endif
