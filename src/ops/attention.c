/* attention.c - ops.h: multi-head attention without the matrix of scores.
 *
 * Many queries: a task is (batch entry, kv head, chunk of queries). It walks over tiles of
 * keys; a tile is transposed once (and widened to f32) and serves all queries of
 * the chunk in all query heads that share the kv head. Scores of ROW_BLOCK queries against the
 * tile become weights by the online softmax (Milakov, Gimelshein 2018; Dao et al. 2022), and
 * the output rows are rescaled where a larger score turns up. Sequences that share their first
 * keys are one block of queries to these, and then go over their own keys one by one.
 *
 * Few queries (decoding): memory is what counts, so a task is (batch entry, kv head, range of
 * keys), reads the range once as it lies in the cache, and leaves a partial result per query;
 * these are then merged in order. Ranges of a head, and heads, lie behind each other.
 *
 * Many queries whose factors may be rounded are attention_rounded.c's.
 *
 * The sizes of chunks, tiles and ranges are constants, so the result is the same for every
 * number of threads. */
#include "ops.h"

#include "kv_rows.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum {
  QUERY_CHUNK = 256, /* rows of a task: queries times heads of one kv head */
  ROW_BLOCK = 48,
  ROW_STEP = 12, /* chunks are multiples of it: products like whole groups of rows */
  KEY_TILE = 128,
  /* A rest of up to so many keys goes into the tile before it, unless causal: what a query
   * gives must not depend on keys that it does not see. */
  TILE_SLACK = 16,
  KEYS = KEY_TILE + TILE_SLACK,
  KEY_RANGE = 256,
  FEW_QUERIES = 4
};

typedef struct attention_job {
  const gm_attention_args *a;
  const gm_row_kernels *k;
  size_t group;         /* query heads of one kv head */
  size_t tk;            /* keys in all spans, without the parts' */
  size_t chunk, chunks; /* queries per task, tasks per head */
  size_t ranges;        /* of keys */
  float *scratch;       /* one per worker, or the partial results */
  size_t scratch_floats;
} attention_job;

/* A run of neighbouring keys of one span. */
typedef struct key_tile {
  const void *k, *v;
  size_t row;      /* elements from one key to the next */
  size_t position; /* of the first key in the whole sequence */
  size_t n;
} key_tile;

/* Keys first .. first + n - 1 of a span, in batch entry and kv head. */
static key_tile tile_of(const gm_attention_args *a, const gm_kv_span *span, size_t entry,
                        size_t kv_head, size_t first, size_t n) {
  size_t at = (entry * span->n + first) * span->row + kv_head * span->head;
  return (key_tile){gm_kv_at(a->k_type, span->k, at), gm_kv_at(a->v_type, span->v, at),
                    span->row, first, n};
}

/* Neighbouring queries that see the same keys but for the last ones: query i of them sees
 * keys 0 .. seen - 1, or if causal as many as i more. */
typedef struct query_run {
  size_t first, n; /* rows of a chunk */
  size_t seen;
  bool causal;
} query_run;

static size_t keys_seen_in(const query_run *run, size_t query, const key_tile *tile) {
  size_t seen = run->seen + (run->causal ? query : 0);
  if (seen <= tile->position) return 0;
  return seen - tile->position < tile->n ? seen - tile->position : tile->n;
}

static size_t keys_in(const gm_kv_span *spans, size_t n_spans) {
  size_t n = 0;
  for (size_t i = 0; i < n_spans; i++) n += spans[i].n;
  return n;
}

/* Queries first .. first + n - 1 of all, of a job without parts. */
static query_run run_of(const attention_job *job, size_t first, size_t n) {
  const gm_attention_args *a = job->a;
  return (query_run){0, n, a->causal ? job->tk - a->tq + first + 1 : job->tk, a->causal};
}

/* ---- many queries */

/* What a worker keeps while it is at a task. Rows of one head lie far apart in the activations,
 * often by a multiple of 4096 bytes, so that few of them fit a cache's sets: tiles are copies.
 */
typedef struct chunk_state {
  size_t entry, kv_head;
  size_t first, n; /* queries */
  float *queries;  /* [group, chunk, head_dim] */
  float *keys;     /* [head_dim, KEYS]: transposed */
  float *values;   /* [KEYS, head_dim] */
  float *scores;   /* [ROW_BLOCK, KEYS] */
  float *max;      /* [group, chunk] */
  float *sum;      /* [group, chunk] */
} chunk_state;

static size_t chunk_floats(const gm_attention_args *a, size_t group, size_t chunk) {
  size_t floats = (group * chunk + 2 * KEYS) * a->head_dim + ROW_BLOCK * KEYS;
  return (floats + 2 * group * chunk + 15) / 16 * 16;
}

static chunk_state start_chunk(const attention_job *job, float *scratch, size_t entry,
                               size_t kv_head, size_t first) {
  const gm_attention_args *a = job->a;
  size_t d = a->head_dim, left = a->tq - first, rows = job->group * job->chunk;
  chunk_state s = {entry, kv_head, first, left < job->chunk ? left : job->chunk,
                   .queries = scratch};
  s.keys = s.queries + rows * d;
  s.values = s.keys + KEYS * d;
  s.scores = s.values + KEYS * d;
  s.max = s.scores + ROW_BLOCK * KEYS;
  s.sum = s.max + rows;
  for (size_t i = 0; i < rows; i++) {
    s.max[i] = -INFINITY;
    s.sum[i] = 0;
  }
  for (size_t g = 0; g < job->group; g++) {
    const float *q = a->q + (entry * a->tq + first) * a->q_row + (kv_head * job->group + g) * d;
    for (size_t i = 0; i < s.n; i++)
      memcpy(s.queries + (g * job->chunk + i) * d, q + i * a->q_row, d * sizeof *q);
  }
  return s;
}

static void load_tile(const attention_job *job, chunk_state *s, const key_tile *tile) {
  const gm_attention_args *a = job->a;
  size_t d = a->head_dim;
  gm_kv_widen(job->k, s->values, a->k_type, tile->k, tile->row, tile->n, d);
  job->k->transpose(s->keys, KEYS, s->values, d, tile->n, d);
  gm_kv_widen(job->k, s->values, a->v_type, tile->v, tile->row, tile->n, d);
}

/* ROW_BLOCK queries of a run, from row `block` of it on, in one head and against one tile:
 * scores, weights, output. */
static void attend_block(const attention_job *job, chunk_state *s, const query_run *run,
                         const key_tile *tile, size_t head, size_t block, float *out) {
  const gm_attention_args *a = job->a;
  size_t rows = run->n - block < ROW_BLOCK ? run->n - block : ROW_BLOCK, d = a->head_dim;
  size_t most = keys_seen_in(run, block + rows - 1, tile);
  if (most == 0) return;
  size_t row = head * job->chunk + run->first + block;
  float keep[ROW_BLOCK], *max = s->max + row, *sum = s->sum + row;
  job->k->tile_product(s->scores, KEYS, NULL, s->queries + row * d, d, s->keys, KEYS, rows,
                       most, d);
  for (size_t i = 0; i < rows; i++) {
    float *scores = s->scores + i * KEYS, before = max[i];
    size_t seen = keys_seen_in(run, block + i, tile);
    keep[i] = 1;
    if (seen > 0) {
      float added = job->k->softmax_step(scores, seen, a->scale, &max[i]);
      keep[i] = max[i] == before ? 1 : expf(before - max[i]);
      sum[i] = sum[i] * keep[i] + added;
    }
    memset(scores + seen, 0, (most - seen) * sizeof *scores);
  }
  job->k->tile_product(out, a->out_row, tile->position == 0 ? NULL : keep, s->scores, KEYS,
                       s->values, d, rows, d, most);
}

/* out: of the chunk's first row, in the kv head's first query head. */
static void attend_tile(const attention_job *job, chunk_state *s, const query_run *run,
                        const key_tile *tile, float *out) {
  load_tile(job, s, tile);
  for (size_t g = 0; g < job->group; g++)
    for (size_t block = 0; block < run->n; block += ROW_BLOCK)
      attend_block(job, s, run, tile, g, block,
                   out + (run->first + block) * job->a->out_row + g * job->a->head_dim);
}

/* A run over the keys of some spans, the first of which stands at `position`. */
static void attend_spans(const attention_job *job, chunk_state *s, const query_run *run,
                         const gm_kv_span *spans, size_t n_spans, size_t position, float *out) {
  size_t seen = run->seen + (run->causal ? run->n - 1 : 0);
  size_t most = job->a->causal ? KEY_TILE : KEYS;
  for (const gm_kv_span *span = spans; span < spans + n_spans; span++) {
    for (size_t at = 0, n; at < span->n && position + at < seen; at += n) {
      size_t left = span->n - at;
      n = left <= most ? left : KEY_TILE;
      key_tile tile = tile_of(job->a, span, s->entry, s->kv_head, at, n);
      tile.position += position;
      attend_tile(job, s, run, &tile, out);
    }
    position += span->n;
  }
}

/* The parts whose queries are in the chunk over their own keys. */
static void attend_parts(const attention_job *job, chunk_state *s, float *out) {
  size_t end = s->first + s->n, at = 0; /* at: the part's first query */
  const gm_attention_part *part = job->a->parts, *last = part + job->a->n_parts;
  for (; part < last && at < end; at += part++->tq) {
    if (at + part->tq <= s->first) continue;
    size_t from = at > s->first ? at : s->first;
    size_t to = at + part->tq < end ? at + part->tq : end;
    size_t tk = job->tk + keys_in(part->spans, part->n_spans);
    query_run run = {from - s->first, to - from, tk - part->tq + (from - at) + 1, true};
    attend_spans(job, s, &run, part->spans, part->n_spans, job->tk, out);
  }
}

static void chunk_task(void *arg, size_t task, size_t worker) {
  const attention_job *job = arg;
  const gm_attention_args *a = job->a;
  size_t first = task % job->chunks * job->chunk, kv_head = task / job->chunks % a->kv_heads;
  size_t entry = task / job->chunks / a->kv_heads, d = a->head_dim;
  chunk_state s =
      start_chunk(job, job->scratch + worker * job->scratch_floats, entry, kv_head, first);
  float *out = a->out + (entry * a->tq + first) * a->out_row + kv_head * job->group * d;
  query_run run = a->parts ? (query_run){0, s.n, job->tk, false} : run_of(job, first, s.n);
  attend_spans(job, &s, &run, a->spans, a->n_spans, 0, out);
  if (a->parts) attend_parts(job, &s, out);
  for (size_t g = 0; g < job->group; g++)
    for (size_t i = 0; i < s.n; i++)
      job->k->scale(out + i * a->out_row + g * d, d, 1 / s.sum[g * job->chunk + i]);
}

static gm_status attend_many(gm_compute *c, attention_job *job) {
  const gm_attention_args *a = job->a;
  size_t most = QUERY_CHUNK / job->group > ROW_BLOCK ? QUERY_CHUNK / job->group : ROW_BLOCK;
  size_t even = (a->tq + most - 1) / most;
  job->chunk = ((a->tq + even - 1) / even + ROW_STEP - 1) / ROW_STEP * ROW_STEP;
  job->chunks = (a->tq + job->chunk - 1) / job->chunk;
  job->scratch_floats = chunk_floats(a, job->group, job->chunk);
  job->scratch = gm_scratch_f32(c, gm_pool_threads(c->pool) * job->scratch_floats, "attention");
  if (!job->scratch) return GM_ERR_MEMORY;
  size_t entries = a->batch ? a->batch : 1;
  gm_pool_run(c->pool, chunk_task, job, entries * a->kv_heads * job->chunks);
  return GM_OK;
}

/* ---- few queries */

/* A partial result: max, sum, head_dim output values. It stands at
 * [entry][head][query][range]. */
static float *partial_at(const attention_job *job, size_t entry, size_t head, size_t query,
                         size_t range) {
  const gm_attention_args *a = job->a;
  size_t i = ((entry * a->heads + head) * a->tq + query) * job->ranges + range;
  return job->scratch + i * (a->head_dim + 2);
}

/* The range of that number, counted over all spans. */
static key_tile find_range(const attention_job *job, size_t entry, size_t kv_head,
                           size_t range) {
  const gm_attention_args *a = job->a;
  size_t position = 0;
  const gm_kv_span *span = a->spans;
  for (; range >= (span->n + KEY_RANGE - 1) / KEY_RANGE; span++) {
    range -= (span->n + KEY_RANGE - 1) / KEY_RANGE;
    position += span->n;
  }
  size_t at = range * KEY_RANGE, n = span->n - at < KEY_RANGE ? span->n - at : KEY_RANGE;
  key_tile tile = tile_of(a, span, entry, kv_head, at, n);
  tile.position += position;
  return tile;
}

/* Scores of the first n keys, as they lie in the cache. */
static void score(const attention_job *job, float *scores, const float *q, const key_tile *tile,
                  size_t n) {
  size_t d = job->a->head_dim;
  if (job->a->k_type == GM_TYPE_F16)
    job->k->dots_f16(scores, q, tile->k, tile->row, n, d);
  else if (job->a->k_type == GM_TYPE_Q8_0)
    job->k->dots_q8_0(scores, q, tile->k, tile->row, n, d);
  else
    job->k->dots_f32(scores, q, tile->k, tile->row, n, d);
}

/* The weighted sum of the first n values. */
static void mix(const attention_job *job, float *out, const float *weights,
                const key_tile *tile, size_t n) {
  size_t d = job->a->head_dim;
  if (job->a->v_type == GM_TYPE_F16)
    job->k->mix_f16(out, weights, tile->v, tile->row, n, d);
  else if (job->a->v_type == GM_TYPE_Q8_0)
    job->k->mix_q8_0(out, weights, tile->v, tile->row, n, d);
  else
    job->k->mix_f32(out, weights, tile->v, tile->row, n, d);
}

static void range_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const attention_job *job = arg;
  const gm_attention_args *a = job->a;
  const gm_row_kernels *k = job->k;
  size_t range = task % job->ranges, kv_head = task / job->ranges % a->kv_heads;
  size_t entry = task / job->ranges / a->kv_heads;
  key_tile tile = find_range(job, entry, kv_head, range);
  float scores[KEY_RANGE];
  query_run run = run_of(job, 0, a->tq);
  for (size_t i = 0; i < job->group * a->tq; i++) {
    size_t head = kv_head * job->group + i / a->tq, query = i % a->tq;
    float *partial = partial_at(job, entry, head, query, range);
    const float *q = a->q + (entry * a->tq + query) * a->q_row + head * a->head_dim;
    size_t n = keys_seen_in(&run, query, &tile);
    partial[0] = -INFINITY;
    partial[1] = 0;
    if (n == 0) continue;
    score(job, scores, q, &tile, n);
    partial[1] = k->softmax_step(scores, n, a->scale, &partial[0]);
    mix(job, partial + 2, scores, &tile, n);
  }
}

/* Merges the ranges of one (entry, head, query). */
static void merge_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const attention_job *job = arg;
  const gm_attention_args *a = job->a;
  size_t query = task % a->tq, head = task / a->tq % a->heads, entry = task / a->tq / a->heads;
  const float *partials = partial_at(job, entry, head, query, 0);
  size_t step = a->head_dim + 2;
  float max = -INFINITY, sum = 0;
  for (size_t r = 0; r < job->ranges; r++)
    if (partials[r * step] > max) max = partials[r * step];
  float *out = a->out + (entry * a->tq + query) * a->out_row + head * a->head_dim;
  memset(out, 0, a->head_dim * sizeof *out);
  for (size_t r = 0; r < job->ranges; r++) {
    const float *partial = partials + r * step;
    if (partial[1] == 0) continue;
    float weight = expf(partial[0] - max);
    sum += weight * partial[1];
    for (size_t i = 0; i < a->head_dim; i++) out[i] += weight * partial[2 + i];
  }
  job->k->scale(out, a->head_dim, 1 / sum);
}

static gm_status attend_few(gm_compute *c, attention_job *job) {
  const gm_attention_args *a = job->a;
  size_t entries = a->batch ? a->batch : 1;
  for (size_t i = 0; i < a->n_spans; i++)
    job->ranges += (a->spans[i].n + KEY_RANGE - 1) / KEY_RANGE;
  job->scratch = gm_scratch_f32(c, entries * a->heads * a->tq * job->ranges * (a->head_dim + 2),
                                "attention");
  if (!job->scratch) return GM_ERR_MEMORY;
  gm_pool_run(c->pool, range_task, job, entries * a->kv_heads * job->ranges);
  gm_pool_run(c->pool, merge_task, job, entries * a->heads * a->tq);
  return GM_OK;
}

/* Whether many queries are rounded. Few sequences that go on by a token each aren't, as
 * products of so few rows aren't (linear.c). Nor do words serve: neighbours have their step in
 * common, also those that a query does not see. */
static bool rounds(const gm_compute *c, const gm_attention_args *args) {
  if (!args->rounded || c->kernels->rounded[GM_TYPE_F32]->form == GM_TILE_WORDS) return false;
  return !args->parts || c->steady || args->tq > GM_GEMV_ROWS;
}

gm_status gm_attention(gm_compute *c, const gm_attention_args *args) {
  attention_job job = {.a = args,
                       .k = &c->kernels->rows,
                       .group = args->heads / args->kv_heads,
                       .tk = keys_in(args->spans, args->n_spans)};
  assert(args->heads % args->kv_heads == 0 && args->head_dim <= GM_MAX_HEAD_DIM);
  assert(args->k_type != GM_TYPE_Q8_0 || args->head_dim % 32 == 0);
  assert(args->v_type != GM_TYPE_Q8_0 || args->head_dim % 32 == 0);
  assert(job.tk > 0 && (!args->causal || args->parts || job.tk >= args->tq));
  if (args->tq == 0) return GM_OK;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  bool few = args->tq <= FEW_QUERIES && !args->parts && !c->steady;
  if (!few && rounds(c, args)) return gm_attention_rounded(c, args);
  gm_status status = few ? attend_few(c, &job) : attend_many(c, &job);
  gm_arena_restore(&c->arena, mark);
  return status;
}
