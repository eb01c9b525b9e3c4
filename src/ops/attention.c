/* attention.c - ops.h: multi-head attention without the matrix of scores.
 *
 * Many queries: a task is (batch entry, kv head, chunk of queries). It walks over tiles of
 * keys; a tile is transposed once (and widened, if the cache is f16) and serves all queries of
 * the chunk in all query heads that share the kv head. Scores of ROW_BLOCK queries against the
 * tile become weights by the online softmax (Milakov, Gimelshein 2018; Dao et al. 2022), and
 * the output rows are rescaled where a larger score turns up.
 *
 * Few queries (decoding): memory is what counts, so a task is (batch entry, kv head, range of
 * keys), reads the range once as it lies in the cache, and leaves a partial result per query;
 * these are then merged in order.
 *
 * The sizes of chunks, tiles and ranges are constants, so the result is the same for every
 * number of threads. */
#include "ops.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { QUERY_CHUNK = 256, ROW_BLOCK = 32, KEY_TILE = 128, KEY_RANGE = 256, FEW_QUERIES = 4 };

typedef struct attention_job {
  const gm_attention_args *a;
  const gm_row_kernels *k;
  size_t group;         /* query heads of one kv head */
  size_t tk;            /* keys in all spans */
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

static const void *kv_at(const gm_attention_args *a, const void *base, size_t elements) {
  size_t bytes = a->kv_type == GM_TYPE_F32 ? sizeof(float) : sizeof(uint16_t);
  return (const unsigned char *)base + elements * bytes;
}

/* Keys first .. first + n - 1 of a span, in batch entry and kv head. */
static key_tile tile_of(const gm_attention_args *a, const gm_kv_span *span, size_t entry,
                        size_t kv_head, size_t first, size_t n) {
  size_t at = (entry * span->n + first) * span->row + kv_head * span->head;
  return (key_tile){kv_at(a, span->k, at), kv_at(a, span->v, at), span->row, first, n};
}

/* Keys that query i sees. */
static size_t keys_seen(const attention_job *job, size_t query) {
  return job->a->causal ? job->tk - job->a->tq + query + 1 : job->tk;
}

static size_t keys_seen_in(const attention_job *job, size_t query, const key_tile *tile) {
  size_t seen = keys_seen(job, query);
  if (seen <= tile->position) return 0;
  return seen - tile->position < tile->n ? seen - tile->position : tile->n;
}

/* ---- many queries */

/* What a worker keeps while it is at a task. */
typedef struct chunk_state {
  size_t first, n;     /* queries */
  const float *values; /* the tile's [n, head_dim], row stride ld_values */
  size_t ld_values;
  float *keys, *wide,
      *scores;      /* [head_dim, KEY_TILE], [KEY_TILE, head_dim], [ROW_BLOCK, KEY_TILE] */
  float *max, *sum; /* [group, chunk] */
} chunk_state;

static size_t chunk_floats(const gm_attention_args *a, size_t group, size_t chunk) {
  return (2 * KEY_TILE * a->head_dim + ROW_BLOCK * KEY_TILE + 2 * group * chunk + 15) / 16 * 16;
}

static void load_tile(const attention_job *job, chunk_state *s, const key_tile *tile) {
  size_t d = job->a->head_dim;
  const float *keys = tile->k;
  size_t ld = tile->row;
  s->values = tile->v;
  s->ld_values = tile->row;
  if (job->a->kv_type == GM_TYPE_F16) {
    const uint16_t *k = tile->k, *v = tile->v;
    for (size_t j = 0; j < tile->n; j++) job->k->widen_f16(s->wide + j * d, k + j * ld, d);
    job->k->transpose(s->keys, KEY_TILE, s->wide, d, tile->n, d);
    for (size_t j = 0; j < tile->n; j++) job->k->widen_f16(s->wide + j * d, v + j * ld, d);
    s->values = s->wide;
    s->ld_values = d;
  } else {
    job->k->transpose(s->keys, KEY_TILE, keys, ld, tile->n, d);
  }
}

/* One block of queries of one head against one tile: scores, weights, output. */
static void attend_block(const attention_job *job, chunk_state *s, const key_tile *tile,
                         size_t head, size_t block, const float *q, float *out) {
  const gm_attention_args *a = job->a;
  size_t rows = s->n - block < ROW_BLOCK ? s->n - block : ROW_BLOCK;
  size_t first = s->first + block;
  size_t most = keys_seen_in(job, first + rows - 1, tile);
  if (most == 0) return;
  float keep[ROW_BLOCK];
  float *max = s->max + head * job->chunk + block, *sum = s->sum + head * job->chunk + block;
  job->k->tile_product(s->scores, KEY_TILE, NULL, q, a->q_row, s->keys, KEY_TILE, rows, most,
                       a->head_dim);
  for (size_t i = 0; i < rows; i++) {
    float *row = s->scores + i * KEY_TILE, before = max[i];
    size_t seen = keys_seen_in(job, first + i, tile);
    keep[i] = 1;
    if (seen > 0) {
      float added = job->k->softmax_step(row, seen, a->scale, &max[i]);
      keep[i] = expf(before - max[i]);
      sum[i] = sum[i] * keep[i] + added;
    }
    memset(row + seen, 0, (most - seen) * sizeof *row);
  }
  job->k->tile_product(out, a->out_row, tile->position == 0 ? NULL : keep, s->scores, KEY_TILE,
                       s->values, s->ld_values, rows, a->head_dim, most);
}

static void attend_tile(const attention_job *job, chunk_state *s, const key_tile *tile,
                        size_t entry, size_t kv_head) {
  const gm_attention_args *a = job->a;
  load_tile(job, s, tile);
  for (size_t g = 0; g < job->group; g++) {
    size_t column = (kv_head * job->group + g) * a->head_dim;
    for (size_t block = 0; block < s->n; block += ROW_BLOCK) {
      size_t row = entry * a->tq + s->first + block;
      attend_block(job, s, tile, g, block, a->q + row * a->q_row + column,
                   a->out + row * a->out_row + column);
    }
  }
}

static void chunk_task(void *arg, size_t task, size_t worker) {
  const attention_job *job = arg;
  const gm_attention_args *a = job->a;
  size_t chunk = task % job->chunks, kv_head = task / job->chunks % a->kv_heads;
  size_t entry = task / job->chunks / a->kv_heads;
  chunk_state s = {.first = chunk * job->chunk};
  s.n = a->tq - s.first < job->chunk ? a->tq - s.first : job->chunk;
  s.keys = job->scratch + worker * job->scratch_floats;
  s.wide = s.keys + KEY_TILE * a->head_dim;
  s.scores = s.wide + KEY_TILE * a->head_dim;
  s.max = s.scores + ROW_BLOCK * KEY_TILE;
  s.sum = s.max + job->group * job->chunk;
  for (size_t i = 0; i < job->group * job->chunk; i++) {
    s.max[i] = -INFINITY;
    s.sum[i] = 0;
  }
  size_t position = 0, seen = keys_seen(job, s.first + s.n - 1);
  for (size_t i = 0; i < a->n_spans; i++) {
    const gm_kv_span *span = &a->spans[i];
    for (size_t at = 0; at < span->n && position + at < seen; at += KEY_TILE) {
      size_t n = span->n - at < KEY_TILE ? span->n - at : KEY_TILE;
      key_tile tile = tile_of(a, span, entry, kv_head, at, n);
      tile.position += position;
      attend_tile(job, &s, &tile, entry, kv_head);
    }
    position += span->n;
  }
  for (size_t g = 0; g < job->group; g++) {
    for (size_t i = 0; i < s.n; i++) {
      float *out = a->out + (entry * a->tq + s.first + i) * a->out_row;
      job->k->scale(out + (kv_head * job->group + g) * a->head_dim, a->head_dim,
                    1 / s.sum[g * job->chunk + i]);
    }
  }
}

static gm_status attend_many(gm_compute *c, attention_job *job) {
  const gm_attention_args *a = job->a;
  job->chunks = (a->tq + QUERY_CHUNK - 1) / QUERY_CHUNK;
  job->chunk = (a->tq + job->chunks - 1) / job->chunks;
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

static void range_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const attention_job *job = arg;
  const gm_attention_args *a = job->a;
  const gm_row_kernels *k = job->k;
  size_t range = task % job->ranges, kv_head = task / job->ranges % a->kv_heads;
  size_t entry = task / job->ranges / a->kv_heads;
  key_tile tile = find_range(job, entry, kv_head, range);
  float scores[KEY_RANGE];
  for (size_t i = 0; i < job->group * a->tq; i++) {
    size_t head = kv_head * job->group + i / a->tq, query = i % a->tq;
    float *partial = partial_at(job, entry, head, query, range);
    const float *q = a->q + (entry * a->tq + query) * a->q_row + head * a->head_dim;
    size_t n = keys_seen_in(job, query, &tile);
    partial[0] = -INFINITY;
    partial[1] = 0;
    if (n == 0) continue;
    if (a->kv_type == GM_TYPE_F16)
      k->dots_f16(scores, q, tile.k, tile.row, n, a->head_dim);
    else
      k->dots_f32(scores, q, tile.k, tile.row, n, a->head_dim);
    partial[1] = k->softmax_step(scores, n, a->scale, &partial[0]);
    if (a->kv_type == GM_TYPE_F16)
      k->mix_f16(partial + 2, scores, tile.v, tile.row, n, a->head_dim);
    else
      k->mix_f32(partial + 2, scores, tile.v, tile.row, n, a->head_dim);
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

gm_status gm_attention(gm_compute *c, const gm_attention_args *args) {
  attention_job job = {
      .a = args, .k = &c->kernels->rows, .group = args->heads / args->kv_heads};
  for (size_t i = 0; i < args->n_spans; i++) job.tk += args->spans[i].n;
  assert(args->heads % args->kv_heads == 0 && args->head_dim <= GM_MAX_HEAD_DIM);
  assert(args->kv_type == GM_TYPE_F32 || args->kv_type == GM_TYPE_F16);
  assert(job.tk > 0 && (!args->causal || job.tk >= args->tq));
  if (args->tq == 0) return GM_OK;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  gm_status status = args->tq <= FEW_QUERIES ? attend_few(c, &job) : attend_many(c, &job);
  gm_arena_restore(&c->arena, mark);
  return status;
}
