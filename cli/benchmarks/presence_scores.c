/* presence_scores.c - see presence_scores.h. */
#include "presence_scores.h"

#include "hungarian.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BINS = 10 };

/* ---- probabilities ---- */

double presence_ece(const presence_claim *claims, size_t n) {
  double p[BINS] = {0}, off = 0;
  size_t right[BINS] = {0};
  if (n == 0) return (double)NAN;
  for (size_t i = 0; i < n; i++) {
    size_t bin = (size_t)(claims[i].p * BINS);
    if (bin >= BINS) bin = BINS - 1;
    p[bin] += claims[i].p;
    right[bin] += claims[i].right;
  }
  for (size_t b = 0; b < BINS; b++) off += fabs(p[b] - (double)right[b]);
  return off / (double)n;
}

static int by_p(const void *a, const void *b) {
  double x = ((const presence_claim *)a)->p, y = ((const presence_claim *)b)->p;
  return (x > y) - (x < y);
}

double presence_auroc(presence_claim *claims, size_t n) {
  size_t right = 0, wrong = 0;
  double above = 0; /* pairs; an equal pair counts half */
  qsort(claims, n, sizeof *claims, by_p);
  for (size_t i = 0, end; i < n; i = end) {
    size_t r = 0;
    for (end = i; end < n && !(claims[end].p > claims[i].p); end++) r += claims[end].right;
    size_t w = end - i - r;
    above += (double)r * ((double)wrong + (double)w / 2);
    right += r;
    wrong += w;
  }
  return right && wrong ? above / ((double)right * (double)wrong) : (double)NAN;
}

double presence_mcc(size_t tp, size_t fp, size_t tn, size_t fn) {
  double a = (double)tp, b = (double)fp, c = (double)tn, d = (double)fn;
  double root = sqrt((a + b) * (a + d)) * sqrt((c + b) * (c + d));
  return root > 0 ? (a * c - b * d) / root : 0;
}

/* ---- boxes ---- */

/* iou[n_boxes, n_truths] for free(); NULL: no memory. */
static double *overlaps(const score_region *boxes, size_t n_boxes, const presence_truth *truths,
                        size_t n_truths) {
  double *iou =
      n_truths > SIZE_MAX / sizeof *iou ? NULL : calloc(n_boxes, n_truths * sizeof *iou);
  for (size_t i = 0; iou && i < n_boxes; i++)
    for (size_t k = 0; k < n_truths; k++)
      iou[i * n_truths + k] = score_iou(boxes[i].box, truths[k].box);
  return iou;
}

gm_status presence_all_right(bool *out, const score_region *boxes, size_t n_boxes,
                             const presence_truth *truths, size_t n_truths, gm_error *err) {
  *out = n_boxes == n_truths;
  if (!*out || n_boxes == 0) return GM_OK;
  double *iou = overlaps(boxes, n_boxes, truths, n_truths);
  if (!iou) return gm_fail_memory(err, "overlaps", n_boxes * n_truths);
  for (size_t pair = 0; *out && pair < n_boxes; pair++) {
    size_t best = 0;
    for (size_t i = 1; i < n_boxes * n_truths; i++)
      if (iou[i] > iou[best]) best = i;
    *out = iou[best] >= 0.5;
    for (size_t i = 0; i < n_boxes; i++) iou[i * n_truths + best % n_truths] = -1;
    for (size_t k = 0; k < n_truths; k++) iou[best / n_truths * n_truths + k] = -1;
  }
  free(iou);
  return GM_OK;
}

gm_status presence_match(size_t matched[RECALL_THRESHOLDS], const score_region *boxes,
                         size_t n_boxes, const presence_truth *truths, size_t n_truths,
                         gm_error *err) {
  if (n_boxes == 0 || n_truths == 0) return GM_OK;
  double *cost = overlaps(boxes, n_boxes, truths, n_truths);
  int32_t *truth_of = calloc(n_boxes, sizeof *truth_of);
  gm_status status =
      cost && truth_of ? GM_OK : gm_fail_memory(err, "overlaps", n_boxes * n_truths);
  for (size_t i = 0; status == GM_OK && i < n_boxes * n_truths; i++) cost[i] = -cost[i];
  if (status == GM_OK) status = gm_assign(cost, n_boxes, n_truths, truth_of, err);
  for (size_t i = 0; status == GM_OK && i < n_boxes; i++)
    for (size_t k = 0; truth_of[i] >= 0 && k < RECALL_THRESHOLDS; k++)
      matched[k] += -cost[i * n_truths + (size_t)truth_of[i]] >= (double)(50 + 5 * k) / 100;
  free(cost);
  free(truth_of);
  return status;
}

/* ---- all phrases ---- */

typedef struct counts {
  size_t phrases[PRESENCE_KINDS], empty[PRESENCE_KINDS]; /* empty: without a box */
  size_t right, right_unrefused, all_right, false_alarms;
  size_t boxes, truths, matched[RECALL_THRESHOLDS]; /* of phrases that are there */
  presence_claim *scores, *presents;
  size_t n_scores, n_presents;
} counts;

/* The best box; n_regions is not 0. */
static const score_region *best_of(const score_region *boxes, size_t n) {
  const score_region *best = boxes;
  for (size_t i = 1; i < n; i++)
    if (boxes[i].score > best->score) best = &boxes[i];
  return best;
}

static bool is_right(const score_region *box, const presence_truth *truths, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (score_iou(box->box, truths[i].box) > 0.5) return true;
  return false;
}

static gm_status count(counts *c, const presence_set *set, const presence_entry *entry,
                       const score_answers *answers, const score_answer *a, double min_present,
                       gm_error *err) {
  const score_region *boxes = answers->regions + a->first_region;
  const presence_truth *truths = set->truths + entry->first_truth;
  bool refused = a->calibrated && a->present<min_present, there = entry->n_truths> 0;
  size_t n = refused ? 0 : a->n_regions;
  bool exact;
  c->phrases[entry->kind]++;
  c->empty[entry->kind] += n == 0;
  c->presents[c->n_presents++] = (presence_claim){a->present, there};
  if (a->n_regions) {
    const score_region *best = best_of(boxes, a->n_regions);
    bool right = is_right(best, truths, entry->n_truths);
    c->scores[c->n_scores++] = (presence_claim){best->score, right};
    c->right_unrefused += right;
    c->right += right && !refused;
  }
  gm_status status = presence_all_right(&exact, boxes, n, truths, entry->n_truths, err);
  if (status != GM_OK) return status;
  c->all_right += exact;
  if (!there) {
    c->false_alarms += n;
    return GM_OK;
  }
  c->boxes += n;
  c->truths += entry->n_truths;
  return presence_match(c->matched, boxes, n, truths, entry->n_truths, err);
}

static double share(size_t part, size_t all) {
  return all ? (double)part / (double)all : (double)NAN;
}

static void report_boxes(score_report *out, const counts *c, double mcc) {
  double sum = 0;
  for (size_t k = 0; k < RECALL_THRESHOLDS; k++)
    sum += share(2 * c->matched[k], c->boxes + c->truths);
  score_report_add(out, "IL_MCC", mcc);
  score_report_add(out, "pmF1", sum / RECALL_THRESHOLDS);
  score_report_add(out, "cgF1", sum / RECALL_THRESHOLDS * mcc);
}

static void report(score_report *out, counts *c, size_t n_pictures) {
  size_t n_there = c->phrases[PRESENCE_THERE], given = n_there - c->empty[PRESENCE_THERE];
  size_t absent = 0, refused = 0, hard = 0, hard_refused = 0;
  for (int kind = PRESENCE_NOUN; kind < PRESENCE_KINDS; kind++) {
    absent += c->phrases[kind];
    refused += c->empty[kind];
    if (kind == PRESENCE_NOUN) continue;
    hard += c->phrases[kind];
    hard_refused += c->empty[kind];
  }
  score_report_add_count(out, "there", n_there);
  score_report_add_count(out, "absent", absent);
  score_report_add(out, "T-acc", share(given, n_there));
  score_report_add(out, "right", share(c->right, n_there));
  score_report_add(out, "right_unrefused", share(c->right_unrefused, n_there));
  score_report_add(out, "N-acc", share(refused, absent));
  for (int kind = PRESENCE_NOUN; kind < PRESENCE_KINDS; kind++) {
    char name[20];
    snprintf(name, sizeof name, "N-acc %s", presence_kind_names[kind]);
    score_report_add(out, name, share(c->empty[kind], c->phrases[kind]));
  }
  score_report_add(out, "N-acc hard", share(hard_refused, hard));
  score_report_add(out, "Pr@(F1=1,IoU>=0.5)", share(c->all_right, n_there + absent));
  report_boxes(out, c,
               presence_mcc(given, absent - refused, refused, c->empty[PRESENCE_THERE]));
  score_report_add(out, "false_alarms", share(c->false_alarms, n_pictures));
  score_report_add_count(out, "answers", c->n_scores);
  score_report_add(out, "ECE", presence_ece(c->scores, c->n_scores));
  score_report_add(out, "AUROC", presence_auroc(c->scores, c->n_scores));
  score_report_add(out, "ECE present", presence_ece(c->presents, c->n_presents));
  score_report_add(out, "AUROC present", presence_auroc(c->presents, c->n_presents));
}

static gm_status no_answer(const presence_set *set, const score_answer *const *answer_of,
                           gm_error *err) {
  size_t first = set->n, n = 0;
  for (size_t i = set->n; i-- > 0;)
    if (!answer_of[i]) {
      n++;
      first = i;
    }
  return gm_fail(err, GM_ERR_ARGUMENT,
                 "found no answer to %zu of %zu expressions, wanted one to each; the first is "
                 "'%.100s' about the image %s",
                 n, set->n, presence_phrase(set, first),
                 set->set.image_ids.names[set->entries[first].image]);
}

gm_status presence_score(score_report *out, const presence_set *set,
                         const score_answers *answers, double min_present, bool must_answer,
                         gm_error *err) {
  const score_answer **answer_of = calloc(set->n + 1, sizeof *answer_of);
  bool *asked = calloc(set->set.n_images + 1, sizeof *asked);
  counts c = {.scores = calloc(set->n + 1, sizeof *c.scores),
              .presents = calloc(set->n + 1, sizeof *c.presents)};
  size_t n_pictures = 0, n_answered = 0;
  gm_status status = answer_of && asked && c.scores && c.presents
                         ? GM_OK
                         : gm_fail_memory(err, "answers", set->n);
  for (size_t i = 0; status == GM_OK && i < answers->n; i++) {
    answer_of[answers->items[i].entry] = &answers->items[i];
    n_answered++;
  }
  if (status == GM_OK && must_answer && n_answered < set->n)
    status = no_answer(set, answer_of, err);
  for (size_t i = 0; status == GM_OK && i < set->n; i++) {
    size_t image = set->entries[i].image;
    if (!answer_of[i]) continue;
    n_pictures += !asked[image];
    asked[image] = true;
    status = count(&c, set, &set->entries[i], answers, answer_of[i], min_present, err);
  }
  if (status == GM_OK) report(out, &c, n_pictures);
  free(c.scores);
  free(c.presents);
  free(asked);
  free(answer_of);
  return status;
}
