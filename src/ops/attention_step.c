/* attention_step.c - ops.h: attention of sequences that go on by a token each (GM_WAY_STEP).
 *
 * Memory is what counts, so a task is (kv head, range of keys). It reads the range as it lies
 * in the cache and leaves a partial result per query; these are then merged in order. Ranges
 * begin at multiples of KEY_RANGE in the whole sequence, and sums go over a range key by key:
 * where spans begin makes no difference to a result. Ranges that several sequences share are
 * one task each for all of their queries, so that memory is read once; a query's sums are those
 * that it has alone. */
#include "ops.h"

#include "kv_rows.h"
#include "sizes.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { KEY_RANGE = 256 };

/* One sequence: its queries and ranges. */
typedef struct step_part {
  const gm_attention_part *part; /* NULL: the call has no parts */
  size_t first, n;               /* its queries among the call's */
  size_t seen;                   /* keys that its first query sees */
  size_t ranges;                 /* of all its keys, the shared ones included */
  size_t unit;                   /* number of the first range that is its own */
} step_part;

typedef struct step_job {
  const gm_attention_args *a;
  const gm_row_kernels *k;
  step_part *parts;
  size_t n_parts;
  bool causal;
  size_t group;  /* query heads of one kv head */
  size_t shared; /* ranges that all queries have in common */
  size_t units;  /* ranges of a kv head: the shared ones, then each part's own */
  size_t most;   /* ranges of one query */
  float *partials;
} step_job;

/* A partial result: max, sum, head_dim output values. */
static float *partial_at(const step_job *job, size_t head, size_t query, size_t range) {
  const gm_attention_args *a = job->a;
  return job->partials + ((head * a->tq + query) * job->most + range) * (a->head_dim + 2);
}

static void score(const step_job *job, float *scores, const float *q,
                  const gm_kv_stretch *keys) {
  job->k->kv[job->a->k_type].dots(scores, q, keys->k, keys->row, keys->n, job->a->head_dim);
}

/* out = the weighted sum of the values, or out + that if add. */
static void mix(const step_job *job, float *out, const float *weights,
                const gm_kv_stretch *values, bool add) {
  job->k->kv[job->a->v_type].mix(out, weights, values->v, values->row, values->n,
                                 job->a->head_dim, add);
}

/* The first n keys of a range that begins at `position`, in one query and head. */
static void attend_keys(const step_job *job, const gm_kv_place *at, size_t position, size_t n,
                        const float *q, float *partial) {
  float scores[KEY_RANGE];
  gm_kv_stretch keys;
  for (size_t i = 0; i < n; i += keys.n) {
    keys = gm_kv_stretch_at(at, position + i, n - i);
    score(job, scores + i, q, &keys);
  }
  partial[0] = -INFINITY;
  partial[1] = job->k->softmax_step(scores, n, job->a->scale, &partial[0]);
  for (size_t i = 0; i < n; i += keys.n) {
    keys = gm_kv_stretch_at(at, position + i, n - i);
    mix(job, partial + 2, scores + i, &keys, i > 0);
  }
}

/* A range against all queries of a part, in all heads of the kv head. */
static void attend_range(const step_job *job, const step_part *part, size_t kv_head,
                         size_t range) {
  const gm_attention_args *a = job->a;
  const gm_kv_place at = {.a = a, .part = part->part, .kv_head = kv_head};
  size_t position = range * KEY_RANGE;
  for (size_t i = 0; i < part->n; i++) {
    size_t query = part->first + i, seen = part->seen + (job->causal ? i : 0);
    size_t n = seen > position ? gm_min_size(seen - position, KEY_RANGE) : 0;
    for (size_t g = 0; g < job->group; g++) {
      size_t head = kv_head * job->group + g;
      float *partial = partial_at(job, head, query, range);
      partial[1] = 0;
      if (n > 0)
        attend_keys(job, &at, position, n, a->q + query * a->q_row + head * a->head_dim,
                    partial);
    }
  }
}

static void range_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const step_job *job = arg;
  size_t unit = task % job->units, kv_head = task / job->units, i = job->n_parts;
  if (unit < job->shared) {
    for (i = 0; i < job->n_parts; i++) attend_range(job, &job->parts[i], kv_head, unit);
    return;
  }
  while (job->parts[i - 1].unit > unit) i--;
  const step_part *part = &job->parts[i - 1];
  attend_range(job, part, kv_head, job->shared + unit - part->unit);
}

/* Merges the ranges of one head and part. */
static void merge_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const step_job *job = arg;
  const gm_attention_args *a = job->a;
  const step_part *part = &job->parts[task % job->n_parts];
  size_t head = task / job->n_parts, step = a->head_dim + 2;
  for (size_t query = part->first; query < part->first + part->n; query++) {
    const float *partials = partial_at(job, head, query, 0), *end = partials;
    float max = -INFINITY, sum = 0;
    for (size_t r = 0; r < part->ranges; r++, end += step)
      if (end[1] != 0 && end[0] > max) max = end[0];
    float *out = a->out + query * a->out_row + head * a->head_dim;
    memset(out, 0, a->head_dim * sizeof *out);
    for (const float *partial = partials; partial < end; partial += step) {
      if (partial[1] == 0) continue;
      float weight = expf(partial[0] - max);
      sum += weight * partial[1];
      for (size_t i = 0; i < a->head_dim; i++) out[i] += weight * partial[2 + i];
    }
    job->k->scale(out, a->head_dim, 1 / sum);
  }
}

/* Fills in the parts and numbers of ranges. */
static void plan(step_job *job) {
  const gm_attention_args *a = job->a;
  size_t tk = gm_kv_keys_in(a->spans, a->n_spans), first = 0;
  job->shared = a->parts ? tk / KEY_RANGE : 0;
  job->units = job->shared;
  for (size_t i = 0; i < job->n_parts; i++) {
    const gm_attention_part *part = a->parts ? &a->parts[i] : NULL;
    size_t keys = tk + (part ? gm_kv_keys_in(part->spans, part->n_spans) : 0);
    step_part *to = &job->parts[i];
    *to = (step_part){.part = part, .first = first, .n = part ? part->tq : a->tq};
    assert(keys >= to->n);
    to->seen = job->causal ? keys - to->n + 1 : keys;
    to->ranges = gm_ceil_div(keys, KEY_RANGE);
    to->unit = job->units;
    assert(to->ranges > job->shared);
    job->units += to->ranges - job->shared;
    job->most = gm_max_size(job->most, to->ranges);
    first += to->n;
  }
  assert(first == a->tq);
}

gm_status gm_attention_step(gm_compute *c, const gm_attention_args *args) {
  assert(args->batch <= 1);
  gm_arena_mark mark = gm_arena_save(&c->arena);
  step_job job = {.a = args,
                  .k = &c->kernels->rows,
                  .n_parts = args->parts ? args->n_parts : 1,
                  .causal = args->parts || args->causal,
                  .group = args->heads / args->kv_heads};
  job.parts = gm_scratch(c, job.n_parts * sizeof *job.parts, "attention");
  if (!job.parts) return GM_ERR_MEMORY;
  plan(&job);
  job.partials =
      gm_scratch_f32(c, args->heads * args->tq * job.most * (args->head_dim + 2), "attention");
  if (job.partials) {
    gm_pool_run(c->pool, range_task, &job, args->kv_heads * job.units);
    gm_pool_run(c->pool, merge_task, &job, args->heads * job.n_parts);
  }
  gm_arena_restore(&c->arena, mark);
  return job.partials ? GM_OK : GM_ERR_MEMORY;
}
