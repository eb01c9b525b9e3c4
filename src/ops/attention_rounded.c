/* attention_rounded.c - ops.h: attention of whole sequences, its factors rounded to 16 bits.
 *
 * A task is (batch entry, head, chunk of queries). It packs the head's keys [T, d] and values,
 * transposed, [d, T] as weights of two matrix products, and takes the queries in tiles: scores
 * of a tile against all keys, softmax over its rows, sums of values. Sequences are short enough
 * for a head and a tile's scores to stay in a cache of their own, so nothing is rescaled.
 *
 * A row's result depends neither on the number of threads nor on the batch. */
#include "ops.h"

#include "sizes.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum {
  QUERY_CHUNK = 512,
  VALUE_PIECE = 64, /* keys whose values are transposed at once */
  MOST_ROWS = 16    /* of a tile */
};

/* What a worker's scratch holds. */
enum { KEYS, VALUES, QUERY, WEIGHTS, SCORES, ROWS, PIECE, MIXED, PARTS };

typedef struct rounded_job {
  const gm_attention_args *a;
  const gm_kernels *kernels;
  const gm_matmul *mm;
  size_t tk, chunk, chunks;        /* keys; queries of a task, tasks of a head */
  size_t key_panels, value_panels; /* of mm->nr keys, of mm->nr elements of a head */
  size_t key_bytes, value_bytes;   /* of one panel */
  unsigned char *scratch;
  size_t at[PARTS + 1]; /* where the parts of a worker's scratch begin */
} rounded_job;

/* A worker's scratch. */
typedef struct rounded_state {
  unsigned char *keys, *values, *query, *weights;
  float *scores; /* [key_panels][mr][nr], as tiles leave them */
  float *rows;   /* [mr][key_panels * nr] */
  float *piece;  /* [head_dim][VALUE_PIECE] */
  float *mixed;  /* [mr][nr] */
} rounded_state;

static rounded_state state_of(const rounded_job *job, size_t worker) {
  unsigned char *base = job->scratch + worker * job->at[PARTS];
#define FLOATS(part) (float *)(void *)(base + job->at[part])
  return (rounded_state){base + job->at[KEYS],    base + job->at[VALUES], base + job->at[QUERY],
                         base + job->at[WEIGHTS], FLOATS(SCORES),         FLOATS(ROWS),
                         FLOATS(PIECE),           FLOATS(MIXED)};
#undef FLOATS
}

static void pack_head(const rounded_job *job, const rounded_state *s, size_t entry,
                      size_t head) {
  const gm_matmul *mm = job->mm;
  const gm_kv_span *span = job->a->spans;
  size_t d = job->a->head_dim, at = entry * span->n * span->row + head * span->head;
  const float *k = (const float *)span->k + at, *v = (const float *)span->v + at;
  for (size_t p = 0; p < job->key_panels; p++) {
    size_t first = p * mm->nr, n = job->tk - first < mm->nr ? job->tk - first : mm->nr;
    mm->pack_w(s->keys + p * job->key_bytes, k + first * span->row, span->row * sizeof *k, n,
               d);
  }
  for (size_t first = 0; first < job->tk; first += VALUE_PIECE) {
    size_t n = job->tk - first < VALUE_PIECE ? job->tk - first : VALUE_PIECE;
    size_t offset = first / mm->chunk * mm->w_chunk_bytes * mm->nr;
    job->kernels->rows.transpose(s->piece, VALUE_PIECE, v + first * span->row, span->row, n, d);
    for (size_t p = 0; p < job->value_panels; p++) {
      size_t rows = d - p * mm->nr < mm->nr ? d - p * mm->nr : mm->nr;
      mm->pack_w(s->values + p * job->value_bytes + offset, s->piece + p * mm->nr * VALUE_PIECE,
                 VALUE_PIECE * sizeof *s->piece, rows, n);
    }
  }
}

/* rows[i] = weights that add up to sum[i], of a tile whose queries see `most` keys and less. */
static void weigh(const rounded_job *job, const rounded_state *s, size_t query, size_t n,
                  size_t most, float *sum) {
  const gm_matmul *mm = job->mm;
  size_t ld = job->key_panels * mm->nr, width = mm->nr * sizeof(float);
  for (size_t i = 0; i < n; i++) {
    float *row = s->rows + i * ld, max = -INFINITY;
    size_t seen = job->a->causal ? job->tk - job->a->tq + query + i + 1 : job->tk;
    for (size_t p = 0; p * mm->nr < seen; p++)
      memcpy(row + p * mm->nr, s->scores + (p * mm->mr + i) * mm->nr, width);
    sum[i] = job->kernels->rows.softmax_step(row, seen, job->a->scale, &max);
    memset(row + seen, 0, (most - seen) * sizeof *row);
  }
}

/* Queries query .. query + n - 1, n <= mr, of a packed head; q and out at the first of them. */
static void attend_tile(const rounded_job *job, const rounded_state *s, size_t query, size_t n,
                        const float *q, float *out) {
  const gm_matmul *mm = job->mm;
  const gm_attention_args *a = job->a;
  size_t d = a->head_dim, most = a->causal ? job->tk - a->tq + query + n : job->tk;
  float sum[MOST_ROWS];
  mm->pack_x(s->query, q, a->q_row, n, mm->mr, d);
  for (size_t p = 0; p * mm->nr < most; p++)
    mm->tile(s->scores + p * mm->mr * mm->nr, s->query, s->keys + p * job->key_bytes, d, true);
  weigh(job, s, query, n, most, sum);
  mm->pack_x(s->weights, s->rows, job->key_panels * mm->nr, n, mm->mr, most);
  for (size_t p = 0; p < job->value_panels; p++) {
    size_t columns = d - p * mm->nr < mm->nr ? d - p * mm->nr : mm->nr;
    mm->tile(s->mixed, s->weights, s->values + p * job->value_bytes, most, true);
    for (size_t i = 0; i < n; i++)
      memcpy(out + i * a->out_row + p * mm->nr, s->mixed + i * mm->nr, columns * sizeof *out);
  }
  for (size_t i = 0; i < n; i++) job->kernels->rows.scale(out + i * a->out_row, d, 1 / sum[i]);
}

static void chunk_task(void *arg, size_t task, size_t worker) {
  const rounded_job *job = arg;
  const gm_attention_args *a = job->a;
  size_t first = task % job->chunks * job->chunk, head = task / job->chunks % a->heads;
  size_t entry = task / job->chunks / a->heads, end = first + job->chunk;
  rounded_state s = state_of(job, worker);
  pack_head(job, &s, entry, head);
  if (end > a->tq) end = a->tq;
  for (size_t query = first; query < end; query += job->mm->mr) {
    size_t row = entry * a->tq + query,
           n = end - query < job->mm->mr ? end - query : job->mm->mr;
    attend_tile(job, &s, query, n, a->q + row * a->q_row + head * a->head_dim,
                a->out + row * a->out_row + head * a->head_dim);
  }
}

static void plan(rounded_job *job) {
  const gm_attention_args *a = job->a;
  const gm_matmul *mm = job->mm;
  size_t even = gm_ceil_div(a->tq, QUERY_CHUNK), key_chunks = gm_ceil_div(job->tk, mm->chunk);
  job->chunk = gm_ceil_div(gm_ceil_div(a->tq, even), mm->mr) * mm->mr;
  job->chunks = gm_ceil_div(a->tq, job->chunk);
  job->key_panels = gm_ceil_div(job->tk, mm->nr);
  job->value_panels = gm_ceil_div(a->head_dim, mm->nr);
  size_t query_bytes = gm_ceil_div(a->head_dim, mm->chunk) * mm->x_chunk_bytes * mm->mr;
  size_t score_bytes = job->key_panels * mm->mr * mm->nr * sizeof(float);
  job->key_bytes = gm_ceil_div(a->head_dim, mm->chunk) * mm->w_chunk_bytes * mm->nr;
  job->value_bytes = key_chunks * mm->w_chunk_bytes * mm->nr;
  size_t bytes[PARTS] = {[KEYS] = job->key_panels * job->key_bytes,
                         [VALUES] = job->value_panels * job->value_bytes,
                         [QUERY] = query_bytes,
                         [WEIGHTS] = key_chunks * mm->x_chunk_bytes * mm->mr,
                         [SCORES] = score_bytes,
                         [ROWS] = score_bytes,
                         [PIECE] = a->head_dim * VALUE_PIECE * sizeof(float),
                         [MIXED] = mm->mr * mm->nr * sizeof(float)};
  for (size_t i = 0; i < PARTS; i++)
    job->at[i + 1] = job->at[i] + gm_ceil_div(bytes[i], 64) * 64;
}

gm_status gm_attention_rounded(gm_compute *c, const gm_attention_args *args) {
  const gm_matmul *mm = c->kernels->rounded[GM_TYPE_F32];
  size_t entries = args->batch ? args->batch : 1;
  rounded_job job = {.a = args, .kernels = c->kernels, .mm = mm, .tk = args->spans[0].n};
  assert(args->n_spans == 1 && args->heads == args->kv_heads);
  assert(args->k_type == GM_TYPE_F32 && args->v_type == GM_TYPE_F32);
  assert(args->head_dim <= GM_MAX_HEAD_DIM && mm->mr <= MOST_ROWS);
  assert(VALUE_PIECE % mm->chunk == 0 && mm->w_chunk_bytes * mm->nr % 64 == 0);
  assert(job.tk > 0 && (!args->causal || job.tk >= args->tq));
  if (args->tq == 0) return GM_OK;
  plan(&job);
  gm_arena_mark mark = gm_arena_save(&c->arena);
  job.scratch = gm_scratch(c, gm_pool_threads(c->pool) * job.at[PARTS], "attention");
  if (!job.scratch) return GM_ERR_MEMORY;
  gm_pool_run(c->pool, chunk_task, &job, entries * args->heads * job.chunks);
  gm_arena_restore(&c->arena, mark);
  return GM_OK;
}
