/* visit.h - A PICTURE OF A SET + SEED -> A SAMPLE: which box, class or phrase is asked for, the
 * question, the answer and the boxes in the order of their marks. */
#ifndef GM_VISIT_H
#define GM_VISIT_H

#include "data_set.h"
#include "rng.h"

/* Which picture is seen when. */
typedef struct gm_visit {
  uint32_t set, picture;
  uint64_t epoch;
} gm_visit;

/* The visit's draws. They depend on these numbers alone, so a run goes on after a break with
 * the same ones. */
gm_rng gm_visit_rng(uint64_t seed, gm_visit visit);

typedef struct gm_visit_rules {
  size_t side; /* S: in stages 2 and 3, boxes with a side <= 2 pixels of S x S are dropped */
  bool all_regions; /* vg: up to 10 regions a picture (stage 3), else its first (stage 2) */
} gm_visit_rules;

/* Makes a sample of one picture, in the arena. *out has n_turns 0 (detect: n_boxes 0) if no box
 * of the picture is large enough: then another picture is to be taken. Error: GM_ERR_MEMORY.
 * Thread-safe. */
gm_status gm_visit_sample(gm_sample *out, const gm_data_set *set, size_t picture,
                          const gm_visit_rules *rules, gm_rng *rng, gm_arena *arena,
                          gm_error *err);

/* A picture at random on the same side of width / height > 1, to be taken instead. */
size_t gm_visit_another(const gm_data_set *set, size_t picture, gm_rng *rng);

/* Uniform in 0..n-1, n >= 1. */
static inline size_t gm_rng_below(gm_rng *rng, size_t n) {
  return (size_t)(gm_rng_unit(rng) * (double)n);
}

/* Makes the turn of a task: `phrase` stands where the template has @ (a locate phrase, without
 * its tags), or the region. The question is drawn. GM_ERR_MEMORY. */
gm_status gm_task_question(const char **out, gm_task task, const char *phrase, size_t length,
                           gm_rng *rng, gm_arena *arena, gm_error *err);

#endif
