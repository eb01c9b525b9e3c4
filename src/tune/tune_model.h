/* tune_model.h - a Groma whose parts learn: the weights (params.h) and the structs that see
 * them.
 *
 * What learns, by part:
 *   boxes    the proposer: all of it where it is small, else its decoder and heads
 *   regions  of the region encoder the first and last matrices and all vectors, and the bridge
 *            (its biases where it is large); low-rank pairs and all vectors in the layers of
 * the vision encoder where it is small. The large convolutions stay: what they miss, the
 *            encoder learns, and their gradients would be most of the work
 *   words    low-rank pairs in the language model, and its norms
 * new_input_embs and extra_lm_head stay. */
#ifndef GM_TUNE_MODEL_H
#define GM_TUNE_MODEL_H

#include "class_head.h"
#include "dinov2.h"
#include "groma.h"
#include "params.h"
#include "proposer_train.h"
#include "tune_seen.h"

typedef struct gm_tune_parts {
  bool boxes, regions, words;
} gm_tune_parts;

typedef struct gm_tune_model {
  const gm_model_file *file; /* the base, not owned */
  gm_params *params;
  gm_groma *groma; /* bridge, region encoder and language model are used */
  gm_dinov2 vision;
  gm_proposer_learner proposer;
  gm_tune_parts parts;
  /* Names a region's class from its vector, so that the vectors of different things become
   * different. Thrown away when the run is over. n = 0: there is none. */
  gm_class_head classes;
  bool large; /* the vision encoder is: it stays frozen, and memory is saved before time */
  bool vision_learns;
} gm_tune_model;

/* text: "boxes,words"; NULL: all. GM_ERR_ARGUMENT. */
gm_status gm_tune_parts_read(gm_tune_parts *out, const char *text, gm_error *err);

/* n_classes: of things that are learned, for the class head. The file, a Groma, must outlive
 * it. Free with gm_tune_model_free, after a failure too. GM_ERR_MODEL, GM_ERR_MEMORY. */
gm_status gm_tune_model_load(gm_tune_model *out, const gm_model_file *file, gm_tune_parts parts,
                             size_t rank, size_t n_classes, uint64_t seed, gm_error *err);
void gm_tune_model_free(gm_tune_model *model);
/* What of a picture stays the same while this model learns. */
gm_seen_kind gm_tune_model_sees(const gm_tune_model *model);
/* Makes anew what was derived from weights, after an update. */
gm_status gm_tune_model_refresh(gm_tune_model *model, gm_error *err);

#endif
