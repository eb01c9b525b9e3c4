/* rec.c - see rec.h. */
#include "rec.h"

#include "room.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 448, TINY = 2 };

static void trim(char *text) {
  size_t begin = 0, end = strlen(text);
  while (isspace((unsigned char)text[begin])) begin++;
  while (end > begin && isspace((unsigned char)text[end - 1])) end--;
  memmove(text, text + begin, end - begin);
  text[end - begin] = 0;
}

static double clamp(double x, double high) {
  return x < 0 ? 0 : x > high ? high : x;
}

static score_box clip(score_box b, const score_image *image) {
  double x = clamp(b.x, image->width), y = clamp(b.y, image->height);
  return (score_box){x, y, clamp(b.x + b.w, image->width) - x,
                     clamp(b.y + b.h, image->height) - y};
}

/* Takes over the expression. */
static gm_status add_entry(rec_set *rec, size_t image, const score_truth *truth,
                           char *expression, gm_error *err) {
  rec_entry *grown = gm_room_for_one(rec->entries, rec->n, sizeof *grown);
  if (!grown || !expression) {
    free(expression);
    if (grown) rec->entries = grown;
    return gm_fail_memory(err, "expressions", sizeof *grown);
  }
  const score_image *picture = &rec->set.images[image];
  rec->entries = grown;
  trim(expression);
  score_box box = clip(truth->box, picture);
  bool tiny = box.w * SIDE <= TINY * picture->width || box.h * SIDE <= TINY * picture->height;
  grown[rec->n++] = (rec_entry){image, expression, box, tiny};
  return GM_OK;
}

/* ---- one caption an entry ---- */

static gm_status take_captions(rec_set *rec, const char *file, gm_error *err) {
  score_set *set = &rec->set;
  const score_truth **truth_of = calloc(set->n_images, sizeof *truth_of);
  gm_status status = truth_of ? GM_OK : gm_fail_memory(err, "expressions", set->n_images);
  for (size_t i = 0; status == GM_OK && i < set->n_truths; i++) {
    const score_truth *t = &set->truths[i];
    if (truth_of[t->image])
      status = gm_fail(err, GM_ERR_ARGUMENT, "%s: the image %s has two boxes, wanted one", file,
                       set->image_ids.names[t->image]);
    truth_of[t->image] = t;
  }
  for (size_t i = 0; status == GM_OK && i < set->n_images; i++) {
    if (!truth_of[i])
      status = gm_fail(err, GM_ERR_ARGUMENT, "%s: the image %s has no box", file,
                       set->image_ids.names[i]);
    else
      status = add_entry(rec, i, truth_of[i], strdup(set->images[i].caption), err);
  }
  free(truth_of);
  rec->ids = set->image_ids;
  set->image_ids = (gm_name_table){0};
  return status;
}

/* ---- refs ---- */

typedef struct reader {
  rec_set *rec;
  const char *split;
} reader;

static gm_status add_sentence(rec_set *rec, const score_file *file, const char *at,
                              const gm_pull_value *sentence, const gm_pull_value *ref, size_t k,
                              size_t image, const score_truth *truth, gm_error *err) {
  const gm_pull_value sent = gm_pull_member_of(sentence, "sent");
  char *text = NULL, id[100];
  size_t number;
  int n = snprintf(id, sizeof id, "\"%.*s/%zu", (int)ref->length, ref->text, k);
  if (ref->length > 60 || n >= (int)sizeof id)
    return score_wrong(file, at, err, "ref_id is longer than 60 characters");
  gm_status status = score_read_text(file, at, "sent", &sent, &text, err);
  if (status != GM_OK) return status;
  number = gm_name_table_add(&rec->ids, id, (size_t)n);
  if (number == GM_NAME_NONE) {
    free(text);
    return gm_fail_memory(err, "ids", sizeof id);
  }
  if (number < rec->n) {
    free(text);
    return score_wrong(file, at, err, "the ref_id of an earlier entry");
  }
  return add_entry(rec, image, truth, text, err);
}

static gm_status read_sentences(reader *r, const score_file *file, const char *at,
                                const gm_pull_value *v, size_t image, const score_truth *truth,
                                gm_error *err) {
  gm_pull_value sentence;
  gm_status status = GM_OK;
  if (v[4].kind != GM_PULL_ARRAY)
    return score_wrong(file, at, err, "sentences is not a list of {sent}");
  if (v[0].kind != GM_PULL_NUMBER && v[0].kind != GM_PULL_STRING)
    return score_wrong(file, at, err, "an entry without ref_id: wanted a number or a string");
  gm_pull_reader p = gm_pull_begin(v[4].text);
  gm_pull_enter(&p);
  for (size_t k = 0; status == GM_OK && gm_pull_element(&p); k++) {
    gm_pull_read(&p, &sentence);
    status = add_sentence(r->rec, file, at, &sentence, &v[0], k, image, truth, err);
  }
  return status;
}

static gm_status read_ref(void *user, const score_file *file, gm_pull_reader *json,
                          gm_error *err) {
  static const char *const names[] = {"ref_id", "ann_id", "image_id", "split", "sentences"};
  reader *r = user;
  score_set *set = &r->rec->set;
  gm_pull_value v[5];
  const char *at;
  size_t truth, image;
  gm_status status = score_members(file, json, &at, names, v, 5, err);
  if (status != GM_OK) return status;
  if (r->split && (v[3].kind != GM_PULL_STRING || !gm_pull_is(&v[3], r->split))) return GM_OK;
  status = score_id(file, at, &set->truth_ids, "ann_id", &v[1], &truth, err);
  if (status == GM_OK)
    status = score_id(file, at, &set->image_ids, "image_id", &v[2], &image, err);
  if (status != GM_OK) return status;
  if (truth >= set->n_truths)
    return score_wrong(file, at, err, "ann_id is not among the annotations");
  if (image != set->truths[truth].image)
    return score_wrong(file, at, err, "image_id is not that of the annotation");
  return read_sentences(r, file, at, v, image, &set->truths[truth], err);
}

gm_status rec_set_read(rec_set *rec, const score_file *coco, const score_file *refs,
                       const char *split, gm_error *err) {
  const score_list list = {NULL, read_ref, false};
  reader r = {rec, split};
  *rec = (rec_set){0};
  gm_status status = score_set_read(
      &rec->set, coco, SCORE_BOXES | SCORE_SIZES | (refs ? 0 : SCORE_IMAGE_CAPTIONS), err);
  if (status != GM_OK) return status;
  if (!refs) return take_captions(rec, coco->name, err);
  if (!rec->set.truths_have_ids)
    return gm_fail(err, GM_ERR_ARGUMENT, "%s: annotations without an id, which --refs names",
                   coco->name);
  status = score_read(refs, &list, 1, &r, err);
  if (status == GM_OK && rec->n == 0)
    return gm_fail(err, GM_ERR_ARGUMENT, "%s: no expression%s%s", refs->name,
                   split ? " of the split " : "", split ? split : "");
  return status;
}

void rec_set_limit(rec_set *rec, size_t n) {
  while (n && rec->n > n) free(rec->entries[--rec->n].expression);
}

void rec_set_free(rec_set *rec) {
  for (size_t i = 0; i < rec->n; i++) free(rec->entries[i].expression);
  free(rec->entries);
  gm_name_table_free(&rec->ids);
  score_set_free(&rec->set);
  *rec = (rec_set){0};
}

/* ---- the figures ---- */

static bool reachable(const score_answers *answers, const score_answer *a, score_box truth) {
  for (size_t k = 0; k < a->n_regions; k++)
    if (score_iou(answers->regions[a->first_region + k].box, truth) > 0.5) return true;
  return false;
}

gm_status rec_score(rec_figures *out, const rec_set *rec, const score_answers *answers,
                    gm_error *err) {
  const score_answer **answer_of = calloc(rec->n + 1, sizeof *answer_of);
  double n = (double)rec->n, iou_sum = 0;
  size_t missing = 0, in_reach = 0;
  bool known = true;
  *out = (rec_figures){0};
  if (!answer_of) return gm_fail_memory(err, "answers", rec->n);
  for (size_t i = 0; i < answers->n; i++)
    answer_of[answers->items[i].entry] = &answers->items[i];
  for (size_t i = 0; i < rec->n; i++) {
    const score_answer *a = answer_of[i];
    score_box truth = rec->entries[i].box;
    double iou = a && a->has_box ? score_iou(a->box, truth) : 0;
    iou_sum += iou;
    out->right += iou > 0.5;
    out->tiny += rec->entries[i].tiny;
    missing += !a || !a->has_box;
    known = known && a && a->has_regions;
    if (known) in_reach += reachable(answers, a, truth);
  }
  free(answer_of);
  out->accuracy = (double)out->right / n;
  out->mean_iou = iou_sum / n;
  out->missing = (double)missing / n;
  out->ceiling = known ? (double)in_reach / n : (double)NAN;
  return GM_OK;
}
