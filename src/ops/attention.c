/* attention.c - ops.h: multi-head attention without the matrix of scores.
 *
 * A task is (batch entry, kv head, chunk of queries). It walks over tiles of keys; a tile is
 * transposed once (and widened to f32) and serves all queries of the chunk in all query heads
 * that share the kv head. Scores of ROW_BLOCK queries against the tile become weights by the
 * online softmax (Milakov, Gimelshein 2018; Dao et al. 2022), and the output rows are rescaled
 * where a larger score turns up. Sequences that share their first keys are one block of queries
 * to the whole tiles of these, and then go over the rest and their own keys one by one.
 *
 * Where attention is causal, tiles begin at multiples of KEY_TILE in the whole sequence and are
 * gathered from as many spans as it takes. So a query's result depends on its own keys alone:
 * not on the other queries, on where spans begin or on what is shared. Nor does it depend on
 * the number of threads: the sizes of chunks and tiles are constants.
 *
 * Decoding (GM_WAY_STEP) is attention_step.c's; queries whose factors may be rounded are
 * attention_rounded.c's. */
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
  KEYS = KEY_TILE + TILE_SLACK
};

typedef struct attention_job {
  const gm_attention_args *a;
  const gm_row_kernels *k;
  size_t group;         /* query heads of one kv head */
  size_t tk;            /* keys in all spans, without the parts' */
  size_t shared;        /* of these, those in tiles that serve all parts */
  size_t chunk, chunks; /* queries per task, tasks per head */
  float *scratch;       /* one per worker */
  size_t scratch_floats;
} attention_job;

/* Neighbouring keys of the whole sequence. */
typedef struct key_tile {
  size_t position, n;
} key_tile;

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

/* Queries first .. first + n - 1 of all, of a job without parts. */
static query_run run_of(const attention_job *job, size_t first, size_t n) {
  const gm_attention_args *a = job->a;
  return (query_run){0, n, a->causal ? job->tk - a->tq + first + 1 : job->tk, a->causal};
}

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

static void load_tile(const attention_job *job, const chunk_state *s,
                      const gm_attention_part *part, const key_tile *tile) {
  const gm_attention_args *a = job->a;
  const gm_kv_place at = {a, part, s->entry, s->kv_head};
  size_t d = a->head_dim;
  gm_kv_stretch from;
  for (size_t i = 0; i < tile->n; i += from.n) {
    from = gm_kv_stretch_at(&at, tile->position + i, tile->n - i);
    gm_kv_widen(job->k, s->values + i * d, a->k_type, from.k, from.row, from.n, d);
  }
  job->k->transpose(s->keys, KEYS, s->values, d, tile->n, d);
  for (size_t i = 0; i < tile->n; i += from.n) {
    from = gm_kv_stretch_at(&at, tile->position + i, tile->n - i);
    gm_kv_widen(job->k, s->values + i * d, a->v_type, from.v, from.row, from.n, d);
  }
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

/* A run over its keys from `position` on, a multiple of KEY_TILE, to the last that it sees.
 * part: whose they are, NULL where the call has none or all share them. out: of the chunk's
 * first row, in the kv head's first query head. */
static void attend_keys(const attention_job *job, chunk_state *s, const query_run *run,
                        const gm_attention_part *part, size_t position, float *out) {
  const gm_attention_args *a = job->a;
  size_t end = run->seen + (run->causal ? run->n - 1 : 0);
  size_t most = a->causal || a->parts ? KEY_TILE : KEYS;
  for (key_tile tile = {position, 0}; tile.position < end; tile.position += tile.n) {
    tile.n = end - tile.position <= most ? end - tile.position : KEY_TILE;
    load_tile(job, s, part, &tile);
    for (size_t g = 0; g < job->group; g++)
      for (size_t block = 0; block < run->n; block += ROW_BLOCK)
        attend_block(job, s, run, &tile, g, block,
                     out + (run->first + block) * a->out_row + g * a->head_dim);
  }
}

/* The parts whose queries are in the chunk over the keys that are not in shared tiles. */
static void attend_parts(const attention_job *job, chunk_state *s, float *out) {
  size_t end = s->first + s->n, at = 0; /* at: the part's first query */
  const gm_attention_part *part = job->a->parts, *last = part + job->a->n_parts;
  for (; part < last && at < end; at += part++->tq) {
    if (at + part->tq <= s->first) continue;
    size_t from = at > s->first ? at : s->first;
    size_t to = at + part->tq < end ? at + part->tq : end;
    size_t tk = job->tk + gm_kv_keys_in(part->spans, part->n_spans);
    query_run run = {from - s->first, to - from, tk - part->tq + (from - at) + 1, true};
    attend_keys(job, s, &run, part, job->shared, out);
  }
}

static void keep_lse(const attention_job *job, const chunk_state *s) {
  const gm_attention_args *a = job->a;
  float *lse = a->lse + (s->entry * a->tq + s->first) * a->heads + s->kv_head * job->group;
  for (size_t g = 0; g < job->group; g++) {
    const float *max = s->max + g * job->chunk, *sum = s->sum + g * job->chunk;
    for (size_t i = 0; i < s->n; i++) lse[i * a->heads + g] = max[i] + logf(sum[i]);
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
  query_run run = a->parts ? (query_run){0, s.n, job->shared, false} : run_of(job, first, s.n);
  attend_keys(job, &s, &run, NULL, 0, out);
  if (a->parts) attend_parts(job, &s, out);
  for (size_t g = 0; g < job->group; g++)
    for (size_t i = 0; i < s.n; i++)
      job->k->scale(out + i * a->out_row + g * d, d, 1 / s.sum[g * job->chunk + i]);
  if (a->lse) keep_lse(job, &s);
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

/* Words do not serve: neighbours have their step in common, also those that a query does not
 * see. */
static bool rounds(const gm_compute *c, const gm_attention_args *args) {
  return args->rounded && c->kernels->rounded[GM_TYPE_F32]->form != GM_TILE_WORDS;
}

gm_status gm_attention(gm_compute *c, const gm_attention_args *args) {
  attention_job job = {.a = args,
                       .k = &c->kernels->rows,
                       .group = args->heads / args->kv_heads,
                       .tk = gm_kv_keys_in(args->spans, args->n_spans)};
  assert(args->heads % args->kv_heads == 0 && args->head_dim <= GM_MAX_HEAD_DIM);
  assert(gm_kv_fits(args->k_type, args->head_dim) && gm_kv_fits(args->v_type, args->head_dim));
  assert(args->parts || (job.tk > 0 && (!args->causal || job.tk >= args->tq)));
  assert(!args->lse || (c->way == GM_WAY_READ && !rounds(c, args)));
  if (args->tq == 0) return GM_OK;
  if (c->way == GM_WAY_STEP) return gm_attention_step(c, args);
  if (rounds(c, args)) return gm_attention_rounded(c, args);
  job.shared = job.tk / KEY_TILE * KEY_TILE;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  gm_status status = attend_many(c, &job);
  gm_arena_restore(&c->arena, mark);
  return status;
}
