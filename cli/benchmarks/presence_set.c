/* presence_set.c - see presence_set.h. */
#include "presence_set.h"

#include "room.h"

#include <stdlib.h>
#include <string.h>

const char *const presence_kind_names[PRESENCE_KINDS] = {"there", "noun", "near", "place",
                                                         "attribute"};

typedef struct reader {
  presence_set *out;
  size_t n_all; /* pictures of the file, without the limit */
} reader;

const char *presence_phrase(const presence_set *set, size_t i) {
  return strchr(set->ids.names[i], '/') + 1;
}

/* The entry's picture and phrase, for free(). *number: GM_NAME_NONE if the picture is beyond
 * the limit. */
static gm_status read_phrase(reader *r, const score_file *file, const char *at,
                             const gm_pull_value *image_id, const gm_pull_value *expression,
                             size_t *image, size_t *number, gm_error *err) {
  presence_set *out = r->out;
  char *phrase = NULL;
  *number = GM_NAME_NONE;
  gm_status status = score_id(file, at, &out->set.image_ids, "image_id", image_id, image, err);
  if (status != GM_OK) return status;
  if (*image >= r->n_all) return score_wrong(file, at, err, "image_id is not among the images");
  status = score_read_text(file, at, "expression", expression, &phrase, err);
  if (status == GM_OK && strspn(phrase, " \t\r\n") == strlen(phrase))
    status = score_wrong(file, at, err, "the expression is empty");
  if (status == GM_OK && *image < out->set.n_images)
    status = score_phrase_number(&out->ids, *image, phrase, number, err);
  free(phrase);
  return status;
}

static gm_status add_entry(presence_set *out, presence_entry entry, gm_error *err) {
  presence_entry *grown = gm_room_for_one(out->entries, out->n, sizeof *grown);
  if (!grown) return gm_fail_memory(err, "phrases", sizeof *grown);
  out->entries = grown;
  grown[out->n++] = entry;
  return GM_OK;
}

static gm_status read_ref(void *user, const score_file *file, gm_pull_reader *json,
                          gm_error *err) {
  static const char *const names[] = {"image_id", "expression", "bbox", "annotation_id"};
  reader *r = user;
  presence_set *out = r->out;
  gm_pull_value v[4];
  const char *at;
  size_t image, number;
  score_box box;
  gm_status status = score_members(file, json, &at, names, v, 4, err);
  if (status != GM_OK || v[3].kind == GM_PULL_NULL) return status;
  status = score_read_box(file, at, &v[2], &box, err);
  if (status == GM_OK) status = read_phrase(r, file, at, &v[0], &v[1], &image, &number, err);
  if (status != GM_OK || number == GM_NAME_NONE) return status;
  if (number == out->n)
    status = add_entry(out, (presence_entry){image, PRESENCE_THERE, 0, 0}, err);
  if (status != GM_OK) return status;
  presence_truth *grown = gm_room_for_one(out->truths, out->n_truths, sizeof *grown);
  if (!grown) return gm_fail_memory(err, "true boxes", sizeof *grown);
  out->truths = grown;
  grown[out->n_truths++] = (presence_truth){number, box};
  return GM_OK;
}

static gm_status read_absent(void *user, const score_file *file, gm_pull_reader *json,
                             gm_error *err) {
  static const char *const names[] = {"image_id", "expression", "kind"};
  reader *r = user;
  gm_pull_value v[3];
  const char *at;
  size_t image, number, kind = PRESENCE_NOUN;
  gm_status status = score_members(file, json, &at, names, v, 3, err);
  if (status != GM_OK) return status;
  while (kind < PRESENCE_KINDS && !gm_pull_is(&v[2], presence_kind_names[kind])) kind++;
  if (v[2].kind != GM_PULL_STRING || kind == PRESENCE_KINDS)
    return score_wrong(file, at, err,
                       "kind is not \"noun\", \"near\", \"place\" or \"attribute\"");
  status = read_phrase(r, file, at, &v[0], &v[1], &image, &number, err);
  if (status != GM_OK || number == GM_NAME_NONE) return status;
  if (number < r->out->n)
    return score_wrong(file, at, err, "'%.100s' is %s", presence_phrase(r->out, number),
                       r->out->entries[number].kind == PRESENCE_THERE
                           ? "in the picture, say the expressions of --refs"
                           : "the expression of an earlier entry");
  return add_entry(r->out, (presence_entry){image, (presence_kind)kind, 0, 0}, err);
}

/* Boxes of one phrase come together, in the file's order. */
static gm_status sort_truths(presence_set *out, gm_error *err) {
  presence_truth *sorted = calloc(out->n_truths + 1, sizeof *sorted);
  size_t n = 0;
  if (!sorted) return gm_fail_memory(err, "true boxes", out->n_truths);
  for (size_t i = 0; i < out->n_truths; i++) out->entries[out->truths[i].entry].n_truths++;
  for (size_t i = 0; i < out->n; i++) {
    out->entries[i].first_truth = n;
    n += out->entries[i].n_truths;
    out->entries[i].n_truths = 0;
  }
  for (size_t i = 0; i < out->n_truths; i++) {
    presence_entry *entry = &out->entries[out->truths[i].entry];
    sorted[entry->first_truth + entry->n_truths++] = out->truths[i];
  }
  free(out->truths);
  out->truths = sorted;
  return GM_OK;
}

gm_status presence_set_read(presence_set *out, const score_file *coco, const score_file *refs,
                            const score_file *absent, size_t limit, gm_error *err) {
  const score_list there = {NULL, read_ref, false}, nothing = {NULL, read_absent, false};
  *out = (presence_set){0};
  reader r = {out, 0};
  gm_status status = score_set_read(&out->set, coco, 0, err);
  if (status != GM_OK) return status;
  r.n_all = out->set.n_images;
  score_set_limit(&out->set, limit);
  status = score_read(refs, &there, 1, &r, err);
  if (status == GM_OK && out->n == 0)
    status = gm_fail(err, GM_ERR_ARGUMENT, "%s: no expression about the pictures", refs->name);
  size_t n_there = out->n;
  if (status == GM_OK) status = score_read(absent, &nothing, 1, &r, err);
  if (status == GM_OK && out->n == n_there)
    status =
        gm_fail(err, GM_ERR_ARGUMENT, "%s: no expression about the pictures", absent->name);
  return status == GM_OK ? sort_truths(out, err) : status;
}

void presence_set_free(presence_set *set) {
  free(set->entries);
  free(set->truths);
  gm_name_table_free(&set->ids);
  score_set_free(&set->set);
  *set = (presence_set){0};
}
