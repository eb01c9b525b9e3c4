/* draw_support.c - see draw_support.h. */
#include "draw_support.h"

#include "shares.h"

#include <stdlib.h>
#include <string.h>

gm_status draw_explanation(const gm_image *image, const gm_explanation *explanation,
                           const gm_label *label, const char *path, gm_error *err) {
  gm_draw_params params = {
      .struct_size = sizeof params, .explanation = explanation, .label = label};
  return gm_draw(image, &params, path, err);
}

/* A copy on the heap; NULL if size is 0. */
static void *copy_of(const void *from, size_t size) {
  if (!from || size == 0) return NULL;
  void *copy = malloc(size);
  assert_non_null(copy);
  memcpy(copy, from, size);
  return copy;
}

gm_explanation *made_explanation(const gm_explanation *e, const gm_crop_share *crops,
                                 const gm_text_share *texts,
                                 const gm_text_share *against_texts) {
  gm_shares made = {.base = *e,
                    .crops = copy_of(crops, e->n_crops * sizeof *crops),
                    .texts = copy_of(texts, e->n_texts * sizeof *texts),
                    .against_texts =
                        copy_of(against_texts, e->n_against_texts * sizeof *against_texts)};
  gm_shares *out = copy_of(&made, sizeof made);
  return &out->base;
}
