/* box_scores.c - see box_scores.h. */
#include "box_scores.h"

#include <stdio.h>
#include <stdlib.h>

enum { LVIS_MOST = 300 };

/* ---- LVIS-Ground ---- */

/* Whether training takes the box: no crowd, at least a pixel wide and high, and more than 2
 * pixels of 448 x 448. */
static bool kept_by_training(const score_truth *t, const score_image *image) {
  enum { SIDE = 448, TINY = 2 };
  if (t->crowd || t->area <= 0 || t->box.w < 1 || t->box.h < 1) return false;
  gm_rel_box box = gm_clipped_box(t->box.x, t->box.y, t->box.x + t->box.w, t->box.y + t->box.h,
                                  image->width, image->height);
  return box.w * SIDE > TINY && box.h * SIDE > TINY;
}

void lvis_asked(const score_set *set, size_t *out) {
  for (size_t i = 0; i < set->n_images; i++) out[i] = GM_NAME_NONE;
  for (size_t i = 0; i < set->n_truths; i++) {
    const score_truth *t = &set->truths[i];
    if (out[t->image] == GM_NAME_NONE && kept_by_training(t, &set->images[t->image]))
      out[t->image] = t->category;
  }
  for (size_t i = 0; i < set->n_truths; i++)
    if (out[set->truths[i].image] == GM_NAME_NONE)
      out[set->truths[i].image] = set->truths[i].category;
}

gm_status lvis_score(score_report *out, const score_set *set, const score_answers *answers,
                     bool as_many, gm_error *err) {
  static const char *const names[] = {"AR", "ARs", "ARm", "ARl"};
  size_t *most = calloc(set->n_images + 1, sizeof *most),
         *asked = calloc(set->n_images + 1, sizeof *asked);
  gm_status status = most && asked ? GM_OK : gm_fail_memory(err, "pictures", set->n_images);
  if (status == GM_OK) lvis_asked(set, asked);
  for (size_t i = 0; status == GM_OK && i < set->n_images; i++)
    most[i] = as_many ? 0 : LVIS_MOST;
  for (size_t i = 0; status == GM_OK && as_many && i < set->n_truths; i++)
    most[set->truths[i].image] += set->truths[i].category == asked[set->truths[i].image];
  for (int size = RECALL_ALL; status == GM_OK && size < RECALL_SIZES; size++) {
    double shares[RECALL_THRESHOLDS];
    const recall_rules rules = {true, most, (recall_size)size};
    status = recall_shares(shares, set, answers, &rules, err);
    if (status != GM_OK) break;
    score_report_add(out, names[size], recall_mean(shares));
    if (size != RECALL_ALL) continue;
    score_report_add(out, "AR50", shares[0]);
    score_report_add(out, "AR75", shares[5]);
  }
  free(most);
  free(asked);
  return status;
}

/* ---- proposals ---- */

gm_status proposals_score(score_report *out, const score_set *set, const score_answers *answers,
                          gm_error *err) {
  static const size_t counts[] = {1, 10, 100, 300};
  static const char *const sizes[] = {"", " small", " medium", " large"};
  size_t *most = calloc(set->n_images + 1, sizeof *most);
  gm_status status = most ? GM_OK : gm_fail_memory(err, "pictures", set->n_images);
  for (int size = RECALL_ALL; size < RECALL_SIZES; size++)
    for (size_t c = 0; status == GM_OK && c < 4; c++) {
      char name[20];
      double shares[RECALL_THRESHOLDS];
      const recall_rules rules = {false, most, (recall_size)size};
      for (size_t i = 0; i < set->n_images; i++) most[i] = counts[c];
      status = recall_shares(shares, set, answers, &rules, err);
      snprintf(name, sizeof name, "AR@%zu%s", counts[c], sizes[size]);
      if (status == GM_OK) score_report_add(out, name, recall_mean(shares));
    }
  free(most);
  return status;
}
