/* score_answers.c - see score_answers.h. */
#include "score_answers.h"

#include "room.h"

#include <math.h>
#include <stdlib.h>

typedef struct reader {
  score_answers *answers;
  score_kind kind;
  gm_name_table *ids, *categories;
  size_t n_entries, n_categories;
  bool *seen; /* [n_entries] */
} reader;

gm_status score_answers_add(score_answers *answers, score_answer answer, gm_error *err) {
  score_answer *grown = gm_room_for_one(answers->items, answers->n, sizeof *grown);
  if (!grown) {
    free(answer.caption);
    return gm_fail_memory(err, "answers", sizeof answer);
  }
  answers->items = grown;
  grown[answers->n++] = answer;
  return GM_OK;
}

gm_status score_answers_add_region(score_answers *answers, score_region region, gm_error *err) {
  score_region *grown = gm_room_for_one(answers->regions, answers->n_regions, sizeof *grown);
  if (!grown) return gm_fail_memory(err, "regions", sizeof region);
  answers->regions = grown;
  grown[answers->n_regions++] = region;
  return GM_OK;
}

/* A number from 0 to 1. */
static gm_status read_share(const score_file *file, const char *at, const char *name,
                            const gm_pull_value *value, double *out, gm_error *err) {
  *out = gm_pull_number(value);
  if (*out >= 0 && *out <= 1) return GM_OK;
  return score_wrong(file, at, err, "%s is not a number from 0 to 1", name);
}

static gm_status read_scored(const score_file *file, const char *at, const gm_pull_value *value,
                             score_region *region, gm_error *err) {
  const gm_pull_value box = gm_pull_member_of(value, "bbox"),
                      score = gm_pull_member_of(value, "score");
  gm_status status = score_read_box(file, at, &box, &region->box, err);
  return status == GM_OK ? read_share(file, at, "score", &score, &region->score, err) : status;
}

static gm_status read_regions(reader *r, const score_file *file, const char *at,
                              const gm_pull_value *list, score_answer *answer, gm_error *err) {
  gm_pull_value value;
  gm_status status = GM_OK;
  answer->first_region = r->answers->n_regions;
  answer->has_regions = list->kind == GM_PULL_ARRAY;
  if (list->kind == GM_PULL_NONE) return GM_OK;
  if (!answer->has_regions) return score_wrong(file, at, err, "regions is not a list of boxes");
  gm_pull_reader p = gm_pull_begin(list->text);
  for (gm_pull_enter(&p); status == GM_OK && gm_pull_element(&p); answer->n_regions++) {
    score_region region = {0};
    gm_pull_read(&p, &value);
    status = r->kind == SCORE_PRESENCE ? read_scored(file, at, &value, &region, err)
                                       : score_read_box(file, at, &value, &region.box, err);
    if (status == GM_OK) status = score_answers_add_region(r->answers, region, err);
  }
  return status;
}

static gm_status read_box(reader *r, const score_file *file, const char *at,
                          const gm_pull_value *v, score_answer *answer, gm_error *err) {
  if (r->kind == SCORE_CAPTION || r->kind == SCORE_CHAT || r->kind == SCORE_PRESENCE)
    return GM_OK;
  answer->has_box = r->kind != SCORE_REC || v[2].kind != GM_PULL_NULL;
  if (r->kind != SCORE_REC) {
    answer->score = gm_pull_number(&v[3]);
    if (!isfinite(answer->score)) return score_wrong(file, at, err, "score is not a number");
  }
  return answer->has_box ? score_read_box(file, at, &v[2], &answer->box, err) : GM_OK;
}

/* Of a phrase: what it is about, and whether its thing is there. */
static gm_status read_phrase(reader *r, const score_file *file, const char *at,
                             const gm_pull_value *v, score_answer *answer, gm_error *err) {
  char *phrase = NULL;
  answer->category = answer->entry;
  if (answer->category >= r->n_categories)
    return score_wrong(file, at, err, "image_id is not among the images");
  gm_status status = score_read_text(file, at, "expression", &v[6], &phrase, err);
  if (status == GM_OK)
    status = score_phrase_number(r->ids, answer->category, phrase, &answer->entry, err);
  if (status == GM_OK && answer->entry >= r->n_entries)
    status =
        score_wrong(file, at, err, "'%.100s' is not among the picture's expressions", phrase);
  free(phrase);
  if (status != GM_OK) return status;
  if (v[5].kind == GM_PULL_NONE) return score_wrong(file, at, err, "an entry without regions");
  answer->calibrated = v[8].kind != GM_PULL_FALSE;
  if (v[8].kind != GM_PULL_NONE && v[8].kind != GM_PULL_FALSE && v[8].kind != GM_PULL_TRUE)
    return score_wrong(file, at, err, "calibrated is not true or false");
  return read_share(file, at, "present", &v[7], &answer->present, err);
}

static gm_status read_answer(void *user, const score_file *file, gm_pull_reader *json,
                             gm_error *err) {
  reader *r = user;
  bool chat = r->kind == SCORE_CHAT, text = chat || r->kind == SCORE_CAPTION;
  bool phrase = r->kind == SCORE_PRESENCE, once = chat || phrase || r->kind == SCORE_REC;
  const char *key = chat ? "question_id" : r->kind == SCORE_REC ? "id" : "image_id", *at;
  const char *const names[] = {
      key,       "category_id", "bbox",    "score",     chat ? "text" : "caption",
      "regions", "expression",  "present", "calibrated"};
  gm_pull_value v[9];
  score_answer answer = {0};
  gm_status status = score_members(file, json, &at, names, v, 9, err);
  if (status == GM_OK)
    status =
        score_id(file, at, phrase ? r->categories : r->ids, key, &v[0], &answer.entry, err);
  if (status == GM_OK && phrase) status = read_phrase(r, file, at, v, &answer, err);
  if (status != GM_OK) return status;
  if (answer.entry >= r->n_entries)
    return score_wrong(file, at, err, "%s is not among the annotations' entries", key);
  if (once && r->seen[answer.entry])
    return score_wrong(file, at, err, "the %s of an earlier entry",
                       phrase ? "expression" : "id");
  r->seen[answer.entry] = true;
  if (r->kind == SCORE_DETECTIONS) {
    status = score_id(file, at, r->categories, "category_id", &v[1], &answer.category, err);
    if (status == GM_OK && answer.category >= r->n_categories)
      return score_wrong(file, at, err, "category_id is not among the categories");
  }
  if (status == GM_OK) status = read_box(r, file, at, v, &answer, err);
  if (status == GM_OK && (phrase || r->kind == SCORE_REC))
    status = read_regions(r, file, at, &v[5], &answer, err);
  if (status == GM_OK && text)
    status = score_read_text(file, at, names[4], &v[4], &answer.caption, err);
  return status == GM_OK ? score_answers_add(r->answers, answer, err) : status;
}

gm_status score_answers_read(score_answers *answers, const score_file *file, score_kind kind,
                             gm_name_table *ids, size_t n_entries, gm_name_table *categories,
                             size_t n_categories, gm_error *err) {
  const score_list list = {NULL, read_answer, kind == SCORE_CHAT};
  reader r = {answers,
              kind,
              ids,
              categories,
              n_entries,
              n_categories,
              calloc(n_entries + 1, sizeof *r.seen)};
  *answers = (score_answers){0};
  gm_status status =
      r.seen ? score_read(file, &list, 1, &r, err) : gm_fail_memory(err, "answers", n_entries);
  free(r.seen);
  return status;
}

void score_answers_free(score_answers *answers) {
  for (size_t i = 0; i < answers->n; i++) free(answers->items[i].caption);
  free(answers->items);
  free(answers->regions);
  *answers = (score_answers){0};
}
