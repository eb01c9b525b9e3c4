/* train_state.c - see train_state.h. */
#include "train_state.h"

#include "bytes.h"
#include "checked.h"
#include "mapping.h"
#include "new_file.h"
#include "sizes.h"
#include "sum64.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
  SIZE_AT = 8,
  RUN_AT = 16,
  RUN = 64,
  COUNTS_AT = 80, /* TENSORS .. PLACE, u64 each */
  HEAD = 136,
  SUM = 8,
  BUFFERS = 4,
  TENSOR_HEAD = 24 /* bytes of a tensor's entry beside its name */
};
enum { TENSORS, UPDATES, SKIPPED, IN_ROW, AVERAGED, WITH_AVERAGE, PLACE, COUNTS };

static const unsigned char magic[8] = "GMSTATE\1";

/* The buffers of a tensor that the state keeps; returns how many. */
static size_t buffers_of(const gm_params *params, const gm_param *p, float *out[BUFFERS]) {
  out[0] = p->value;
  out[1] = p->moment1;
  out[2] = p->moment2;
  out[3] = p->average;
  return params->with_average ? BUFFERS : BUFFERS - 1;
}

/* ---- sizes ---- */

/* Bytes before the first array. The names are in memory, so they cannot overflow. */
static size_t head_bytes(const gm_params *params, size_t place) {
  size_t bytes = HEAD + place;
  for (size_t i = 0; i < params->n; i++) bytes += TENSOR_HEAD + strlen(params->all[i].name);
  return bytes;
}

/* Of the whole file; the arrays are in memory. */
static size_t file_bytes(const gm_params *params, size_t place) {
  size_t bytes = head_bytes(params, place) + SUM;
  float *buffers[BUFFERS];
  for (size_t i = 0; i < params->n; i++)
    bytes += buffers_of(params, &params->all[i], buffers) * params->all[i].n * sizeof(float);
  return bytes;
}

/* ---- writing ---- */

static void put(unsigned char **at, uint64_t value, size_t n) {
  gm_put_le(*at, value, n);
  *at += n;
}

static void put_bytes(unsigned char **at, const void *bytes, size_t n) {
  if (n) memcpy(*at, bytes, n);
  *at += n;
}

static void put_head(unsigned char *at, const gm_train_state *s) {
  const gm_params *params = s->params;
  const gm_optimiser *o = s->optimiser;
  const uint64_t counts[COUNTS] = {
      [TENSORS] = params->n,         [UPDATES] = o->updates,
      [SKIPPED] = o->skipped,        [IN_ROW] = o->skipped_in_row,
      [AVERAGED] = params->averaged, [WITH_AVERAGE] = params->with_average,
      [PLACE] = s->place_bytes};
  put_bytes(&at, magic, sizeof magic);
  put(&at, file_bytes(params, s->place_bytes), 8);
  put_bytes(&at, s->run, RUN);
  for (size_t i = 0; i < COUNTS; i++) put(&at, counts[i], 8);
  put_bytes(&at, s->place, s->place_bytes);
  for (size_t i = 0; i < params->n; i++) {
    const gm_param *p = &params->all[i];
    size_t length = strlen(p->name);
    put(&at, length, 4);
    put_bytes(&at, p->name, length);
    put(&at, (uint64_t)p->how, 4);
    put(&at, p->n, 8);
    put(&at, p->steps, 8);
  }
}

typedef struct summed_file {
  gm_new_file file;
  gm_sum64_state sum;
} summed_file;

static gm_status write_summed(summed_file *f, const void *bytes, size_t n, gm_error *err) {
  gm_sum64_add(&f->sum, bytes, n);
  return gm_new_file_write(&f->file, bytes, n, err);
}

static gm_status write_all(summed_file *f, const gm_train_state *s, const void *head,
                           size_t bytes, gm_error *err) {
  unsigned char sum[SUM];
  GM_TRY(write_summed(f, head, bytes, err));
  for (size_t i = 0; i < s->params->n; i++) {
    const gm_param *p = &s->params->all[i];
    float *buffers[BUFFERS];
    size_t n = buffers_of(s->params, p, buffers);
    for (size_t b = 0; b < n; b++)
      GM_TRY(write_summed(f, buffers[b], p->n * sizeof(float), err));
  }
  gm_put_le(sum, gm_sum64_end(&f->sum), SUM);
  GM_TRY(gm_new_file_write(&f->file, sum, SUM, err));
  return gm_new_file_commit(&f->file, err);
}

gm_status gm_train_state_write(const gm_train_state *s, const char *path, gm_error *err) {
  size_t bytes = head_bytes(s->params, s->place_bytes);
  assert(strlen(s->run) == RUN && s->place_bytes <= GM_MAX_PLACE);
  assert(!s->params->swapped);
  unsigned char *head = malloc(bytes);
  if (!head) return gm_fail_memory(err, path, bytes);
  put_head(head, s);
  summed_file f = {.sum = gm_sum64_begin()};
  gm_status status = gm_new_file_begin(&f.file, path, err);
  if (status == GM_OK) status = write_all(&f, s, head, bytes, err);
  gm_new_file_end(&f.file);
  free(head);
  return status;
}

/* ---- reading ---- */

typedef struct reader {
  const unsigned char *bytes;
  size_t size, at; /* size: without the sum */
  const char *name;
  gm_error *err;
} reader;

static gm_status damaged(const reader *r) {
  return gm_fail(r->err, GM_ERR_MODEL,
                 "%s: the training state is damaged; go on from the model file beside it",
                 r->name);
}

static gm_status cut_short(const reader *r, uint64_t wanted) {
  return gm_fail(
      r->err, GM_ERR_MODEL,
      "%s: found %zu bytes, wanted %llu or more: the training state was cut short; go "
      "on from the model file beside it",
      r->name, r->size, (unsigned long long)wanted);
}

static const unsigned char *take(reader *r, size_t n) {
  if (!gm_extent_fits(r->at, n, r->size)) return NULL;
  const unsigned char *from = r->bytes + r->at;
  r->at += n;
  return from;
}

/* Head and sum. *count = the counts. */
static gm_status check_file(reader *r, const char *run, uint64_t counts[COUNTS]) {
  const unsigned char *b = r->bytes;
  size_t size = r->size;
  size_t known = gm_min_size(size, sizeof magic - 1);
  if (known && memcmp(b, magic, known) != 0)
    return gm_fail(r->err, GM_ERR_MODEL, "%s: found no training state (last.state of a run)",
                   r->name);
  if (size < HEAD + SUM) return cut_short(r, HEAD + SUM);
  if (b[7] != magic[7])
    return gm_fail(r->err, GM_ERR_MODEL,
                   "%s: found a training state of version %u, wanted %u: it is of another "
                   "gromatic",
                   r->name, b[7], magic[7]);
  if (gm_le64(b + SIZE_AT) > size) return cut_short(r, gm_le64(b + SIZE_AT));
  if (gm_le64(b + SIZE_AT) != size) return damaged(r);
  r->size -= SUM;
  if (gm_sum64(b, r->size) != gm_le64(b + r->size)) return damaged(r);
  if (memcmp(b + RUN_AT, run, RUN) != 0)
    return gm_fail(r->err, GM_ERR_MODEL,
                   "%s: the training state is of another run: base model, data or options "
                   "differ; use those of the run, or begin a new one",
                   r->name);
  for (size_t i = 0; i < COUNTS; i++) counts[i] = gm_le64(b + COUNTS_AT + 8 * i);
  r->at = HEAD;
  return GM_OK;
}

/* The entry of a tensor against the one that learns; *steps = its count. */
static gm_status check_tensor(reader *r, const gm_param *p, uint64_t *steps) {
  const unsigned char *length = take(r, 4);
  size_t n = length ? gm_le32(length) : 0;
  const unsigned char *name = length ? take(r, n) : NULL;
  const unsigned char *rest = name ? take(r, TENSOR_HEAD - 4) : NULL;
  if (!rest) return damaged(r);
  if (n != strlen(p->name) || memcmp(name, p->name, n) != 0)
    return gm_fail(
        r->err, GM_ERR_MODEL,
        "%s: the training state has tensor %.*s where the model has %s: another model "
        "or other parts of it are being trained",
        r->name, n > 100 ? 100 : (int)n, (const char *)name, p->name);
  if (gm_le32(rest) != (uint32_t)p->how || gm_le64(rest + 4) != p->n)
    return gm_fail(r->err, GM_ERR_MODEL,
                   "%s: tensor %s has %llu weights in training, and %zu now", r->name, p->name,
                   (unsigned long long)gm_le64(rest + 4), p->n);
  *steps = gm_le64(rest + 12);
  return GM_OK;
}

/* The entries of all tensors, and room for their arrays and no more. */
static gm_status check_tensors(reader *r, const gm_params *params, const uint64_t *counts,
                               uint64_t *steps) {
  if (counts[TENSORS] != params->n || counts[WITH_AVERAGE] != params->with_average)
    return gm_fail(
        r->err, GM_ERR_MODEL,
        "%s: the training state has %llu tensors %s averages, wanted %zu %s averages", r->name,
        (unsigned long long)counts[TENSORS], counts[WITH_AVERAGE] ? "with" : "without",
        params->n, params->with_average ? "with" : "without");
  for (size_t i = 0; i < params->n; i++) GM_TRY(check_tensor(r, &params->all[i], &steps[i]));
  size_t wanted = file_bytes(params, (size_t)counts[PLACE]);
  return wanted == r->size + SUM ? GM_OK : damaged(r);
}

static gm_status read_checked(reader *r, gm_train_state *s, uint64_t *steps) {
  uint64_t counts[COUNTS];
  gm_params *params = s->params;
  GM_TRY(check_file(r, s->run, counts));
  if (counts[PLACE] > GM_MAX_PLACE) return damaged(r);
  size_t place_bytes = (size_t)counts[PLACE];
  const unsigned char *from = take(r, place_bytes);
  if (!from) return damaged(r);
  GM_TRY(check_tensors(r, params, counts, steps));
  void *place = malloc(place_bytes + 1);
  if (!place) return gm_fail_memory(r->err, r->name, place_bytes);
  memcpy(place, from, place_bytes);
  s->place = place;
  s->place_bytes = place_bytes;
  for (size_t i = 0; i < params->n; i++) {
    float *buffers[BUFFERS];
    size_t n = buffers_of(params, &params->all[i], buffers);
    size_t bytes = params->all[i].n * sizeof(float);
    for (size_t b = 0; b < n; b++) memcpy(buffers[b], take(r, bytes), bytes);
    params->all[i].steps = steps[i];
  }
  params->averaged = counts[AVERAGED];
  params->swapped = false;
  s->optimiser->updates = counts[UPDATES];
  s->optimiser->skipped = counts[SKIPPED];
  s->optimiser->skipped_in_row = counts[IN_ROW];
  return GM_OK;
}

gm_status gm_train_state_parse(gm_train_state *s, const void *bytes, size_t size,
                               const char *name, gm_error *err) {
  reader r = {.bytes = bytes, .size = size, .name = name, .err = err};
  uint64_t *steps = calloc(s->params->n + 1, sizeof *steps);
  assert(strlen(s->run) == RUN);
  if (!steps) return gm_fail_memory(err, name, s->params->n * sizeof *steps);
  gm_status status = read_checked(&r, s, steps);
  free(steps);
  return status;
}

gm_status gm_train_state_read(gm_train_state *s, const char *path, gm_error *err) {
  gm_mapping file;
  GM_TRY(gm_map_file(&file, path, true, err));
  gm_status status = gm_train_state_parse(s, file.data, file.size, path, err);
  gm_unmap(&file);
  return status;
}
