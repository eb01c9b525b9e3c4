/* convert_run.c - carries out the plan. A tensor is cut into slices (one index of upstream's
 * outer dimensions). All threads read, lay out and convert a piece of many slices, while the
 * piece before is hashed and written. */
#include "checked.h"
#include "convert.h"
#include "sha256.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
  PIECE = 8 << 20,  /* elements of a piece, unless a slice is larger */
  TASK = 256 << 10, /* elements of a task, unless a slice is larger */
};

/* How a tensor is cut into slices: slice s is elements [s * in, (s + 1) * in) of the source and
 * makes `parts` rows of `cols`; row p of slice s is row p * slices + s of the result. */
typedef struct cut {
  size_t slices, in, parts, cols, row_bytes;
} cut;

/* A converted piece that waits to be hashed and written. */
typedef struct written_piece {
  size_t tensor, offset, bytes;
  const unsigned char *data;
  bool first, last; /* of its tensor */
} written_piece;

typedef struct run {
  const gm_plan *plan;
  gm_checkpoint *weights;
  gm_gguf_writer *writer;
  const gm_plan_options *options;
  gm_error *err;
  unsigned char *pieces[2]; /* used alternately */
  size_t piece_bytes[2];
  unsigned last_piece; /* index of the one that was filled last */
  float **scratch;     /* per worker */
  size_t *scratch_size;
  size_t n_workers;
  written_piece waiting; /* bytes 0: none */
  gm_sha256_state sha;
  size_t elements, done; /* for progress */
  /* the job */
  const gm_plan_tensor *tensor;
  cut cut;
  size_t first, slices, slices_per_task; /* of the piece */
  unsigned char *out;
  pthread_mutex_t lock; /* guards the failure */
  size_t failed_task;
  gm_status status;
  gm_error failure;
} run;

static cut cut_of(const gm_plan_tensor *t, const gm_checkpoint_tensor *from) {
  cut c = {1, from->n_elements, 1, t->shape[t->n_dims - 1], 0};
  assert(from->n_elements > 0 && c.cols > 0);
  if (t->layout == GM_LAYOUT_SAME) {
    c.in = c.cols;
    c.slices = from->n_elements / c.in;
  } else if (t->layout == GM_LAYOUT_TRANSPOSED) { /* one slice, since each row needs elements
                                                     from all over it */
    c.parts = t->shape[0];
  } else {
    c.slices = from->shape[0];
    c.in = from->n_elements / c.slices;
    if (t->layout == GM_LAYOUT_TAPS) c.parts = t->shape[0] * t->shape[1];
  }
  assert(c.slices * c.in == from->n_elements);
  c.row_bytes = gm_type_row_bytes(t->type, c.cols);
  return c;
}

/* Row `part` of a slice. */
static void lay_out_row(float *row, const float *slice, const gm_plan_tensor *t, const cut *c,
                        size_t part) {
  size_t skip = t->layout == GM_LAYOUT_LAST_2 ? c->in - 2 : 0;
  assert(part < c->parts && skip + c->cols <= c->in);
  if (t->layout == GM_LAYOUT_TAPS || t->layout == GM_LAYOUT_TRANSPOSED) {
    for (size_t i = 0; i < c->cols; i++) row[i] = slice[i * c->parts + part];
  } else if (t->layout == GM_LAYOUT_BINS_FIRST) {
    assert(t->inner > 0 && c->cols % t->inner == 0);
    size_t bins = c->cols / t->inner;
    for (size_t b = 0; b < bins; b++)
      for (size_t i = 0; i < t->inner; i++) row[b * t->inner + i] = slice[i * bins + b];
  } else {
    memcpy(row, slice + skip, c->cols * sizeof *row);
  }
}

/* The largest magnitude that the type holds. Block types keep a scale in half precision, which
 * holds far more than weights need; one bound serves them all. */
static float limit_of(gm_type type) {
  if (type == GM_TYPE_F16) return 65504.0f;
  if (type == GM_TYPE_BF16) return 3.38e38f;
  return gm_type_traits_of(type)->quantised ? 500000.0f : FLT_MAX;
}

static gm_status check_values(const run *r, const float *x, size_t n, gm_error *err) {
  float limit = limit_of(r->tensor->type);
  bool ok = true;
  for (size_t i = 0; i < n; i++) ok &= fabsf(x[i]) <= limit; /* false for NaN */
  if (ok) return GM_OK;
  size_t i = 0;
  while (fabsf(x[i]) <= limit) i++;
  const char *name = r->weights->tensors[r->tensor->source].name;
  const char *type = gm_type_traits_of(r->tensor->type)->name;
  if (isfinite(x[i]))
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: tensor %s: found %g, which %s cannot hold; use --type bf16 or f32",
                   r->weights->path, name, (double)x[i], type);
  return gm_fail(err, GM_ERR_MODEL,
                 "%s: tensor %s: found %s among its values; the checkpoint is damaged",
                 r->weights->path, name, isnan(x[i]) ? "NaN" : "an infinity");
}

/* The worker's scratch of n floats; grows as needed. */
static float *scratch_of(run *r, size_t worker, size_t n) {
  if (r->scratch_size[worker] >= n) return r->scratch[worker];
  size_t bytes;
  if (!gm_mul_size(n, sizeof(float), &bytes)) return NULL;
  float *grown = realloc(r->scratch[worker], bytes);
  if (!grown) return NULL;
  r->scratch[worker] = grown;
  r->scratch_size[worker] = n;
  return grown;
}

static gm_status convert_slices(run *r, size_t first, size_t n, size_t worker, gm_error *err) {
  const cut *c = &r->cut;
  const gm_plan_tensor *t = r->tensor;
  assert(first >= r->first && first + n <= r->first + r->slices);
  unsigned char *out = r->out + (first - r->first) * c->row_bytes;
  if (r->options->fill && gm_type_traits_of(t->type)->quantised) {
    for (size_t p = 0; p < c->parts; p++)
      r->options->fill(r->weights, t->source, t->type, (p * c->slices + first) * c->cols,
                       n * c->cols, out + p * r->slices * c->row_bytes);
    return GM_OK;
  }
  float *slices = scratch_of(r, worker, n * c->in + c->cols);
  if (!slices) return gm_fail_memory(err, t->name, n * c->in * sizeof(float));
  float *row = slices + n * c->in;
  GM_TRY(gm_checkpoint_read(r->weights, t->source, first * c->in, n * c->in, slices, err));
  GM_TRY(check_values(r, slices, n * c->in, err));
  const gm_type_traits *traits = gm_type_traits_of(t->type);
  if (c->parts == 1 && c->in == c->cols && t->layout != GM_LAYOUT_BINS_FIRST) {
    traits->from_float(out, slices, n * c->cols);
    return GM_OK;
  }
  for (size_t s = 0; s < n; s++)
    for (size_t p = 0; p < c->parts; p++) {
      lay_out_row(row, slices + s * c->in, t, c, p);
      traits->from_float(out + (p * r->slices + s) * c->row_bytes, row, c->cols);
    }
  return GM_OK;
}

static gm_status write_waiting(run *r, gm_error *err) {
  written_piece *w = &r->waiting;
  if (w->bytes == 0) return GM_OK;
  if (r->options->sums) {
    if (w->first) gm_sha256_begin(&r->sha);
    gm_sha256_add(&r->sha, w->data, w->bytes);
    if (w->last) {
      char hex[65];
      gm_sha256_end(&r->sha, hex);
      gm_gguf_set_sum(r->writer, w->tensor, hex);
    }
  }
  return gm_gguf_write(r->writer, w->tensor, w->offset, w->data, w->bytes, err);
}

/* Task 0 hashes and writes the piece before; the others make this one. */
static void run_task(void *arg, size_t task, size_t worker) {
  run *r = arg;
  gm_error err = {GM_OK, ""};
  gm_status status;
  if (task == 0) {
    status = write_waiting(r, &err);
  } else {
    size_t first = (task - 1) * r->slices_per_task, left = r->slices - first;
    assert(first < r->slices);
    size_t n = left < r->slices_per_task ? left : r->slices_per_task;
    status = convert_slices(r, r->first + first, n, worker, &err);
  }
  if (status == GM_OK) return;
  pthread_mutex_lock(&r->lock);
  if (r->status == GM_OK || task < r->failed_task) {
    r->status = status;
    r->failed_task = task;
    r->failure = err;
  }
  pthread_mutex_unlock(&r->lock);
}

static gm_status take_failure(run *r) {
  if (r->status != GM_OK && r->err) *r->err = r->failure;
  return r->status;
}

static gm_status report(const run *r) {
  const gm_callbacks *c = r->options->callbacks;
  if (!c) return GM_OK;
  if (c->progress)
    c->progress(c->user, r->tensor->name,
                r->elements ? (double)r->done / (double)r->elements : 1.0);
  if (c->cancelled && c->cancelled(c->user))
    return gm_fail(r->err, GM_ERR_CANCELLED, "cancelled at tensor %s", r->tensor->name);
  return GM_OK;
}

static gm_status convert_piece(run *r, size_t tensor, size_t first, size_t slices) {
  const cut *c = &r->cut;
  size_t bytes =
      slices * c->parts * c->row_bytes; /* at most the tensor's size, so no overflow */
  assert(slices > 0 && first + slices <= c->slices && (c->parts == 1 || slices == c->slices));
  unsigned next = r->last_piece ^= 1;
  if (r->piece_bytes[next] < bytes) {
    free(r->pieces[next]);
    r->piece_bytes[next] = 0;
    r->pieces[next] = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
    if (!r->pieces[next]) return gm_fail_memory(r->err, r->tensor->name, bytes);
    r->piece_bytes[next] = bytes;
  }
  r->out = r->pieces[next];
  r->first = first;
  r->slices = slices;
  r->slices_per_task = c->in < TASK ? TASK / c->in : 1;
  size_t n_tasks = (slices + r->slices_per_task - 1) / r->slices_per_task;
  gm_pool_run(r->options->pool, run_task, r, 1 + n_tasks);
  GM_TRY(take_failure(r));
  r->waiting = (written_piece){tensor, first * c->row_bytes, bytes,
                               r->out, first == 0,           first + slices == c->slices};
  r->done += slices * c->in;
  assert(r->done <= r->elements);
  return report(r);
}

static gm_status convert_tensor(run *r, size_t tensor) {
  r->tensor = &r->plan->tensors[tensor];
  r->cut = cut_of(r->tensor, &r->weights->tensors[r->tensor->source]);
  size_t per_piece = r->cut.in < PIECE ? PIECE / r->cut.in : 1;
  /* The rows of several parts are not adjacent, so such a tensor is one piece. */
  if (r->cut.parts > 1) per_piece = r->cut.slices;
  for (size_t first = 0; first < r->cut.slices; first += per_piece) {
    size_t left = r->cut.slices - first;
    GM_TRY(convert_piece(r, tensor, first, left < per_piece ? left : per_piece));
  }
  return GM_OK;
}

static gm_status convert_all(run *r) {
  const gm_plan *plan = r->plan;
  for (size_t i = 0; i < plan->n_tensors; i++) {
    const gm_plan_tensor *t = &plan->tensors[i];
    gm_gguf_add_tensor(r->writer, t->name, t->type, t->n_dims, t->shape);
    r->elements += r->weights->tensors[t->source].n_elements;
  }
  if (r->options->sums) gm_gguf_put_sums(r->writer);
  GM_TRY(gm_gguf_begin(r->writer, r->err));
  for (size_t i = 0; i < plan->n_tensors; i++) GM_TRY(convert_tensor(r, i));
  return write_waiting(r, r->err);
}

gm_status gm_plan_run(const gm_plan *plan, gm_checkpoint *weights, gm_gguf_writer *writer,
                      const gm_plan_options *options, gm_error *err) {
  run r = {.plan = plan, .weights = weights, .writer = writer, .options = options, .err = err};
  r.n_workers = gm_pool_threads(options->pool);
  r.scratch = calloc(r.n_workers, sizeof *r.scratch);
  r.scratch_size = calloc(r.n_workers, sizeof *r.scratch_size);
  pthread_mutex_init(&r.lock, NULL);
  gm_status status = r.scratch && r.scratch_size
                         ? convert_all(&r)
                         : gm_fail_memory(err, "the converter", r.n_workers * 16);
  for (size_t i = 0; r.scratch && i < r.n_workers; i++) free(r.scratch[i]);
  free(r.scratch);
  free(r.scratch_size);
  free(r.pieces[0]);
  free(r.pieces[1]);
  pthread_mutex_destroy(&r.lock);
  return status;
}
