/* attention_rounded.c - ops.h: attention of many queries, its factors rounded to 16 bits.
 *
 * A task is (batch entry, kv head, chunk of queries). It packs the head's keys [T, d] and
 * values, transposed, [d, T] as weights of two matrix products, and takes the queries in tiles:
 * scores of a tile against all keys, softmax over its rows, sums of values. Sequences are short
 * enough for a head and a tile's scores to stay in a cache of their own, so nothing is
 * rescaled.
 *
 * Sequences that share their first keys: the whole chunks of these are packed once for all, and
 * a tile's rows of one part go on, in the same sums, with the rest and the part's own keys.
 *
 * A row's result depends neither on the number of threads, the batch and the other parts, nor
 * on where spans begin; nor, where factors are rounded one by one (bf16), on keys after those
 * that it sees. */
#include "ops.h"

#include "kv_rows.h"
#include "sizes.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum {
  QUERY_CHUNK = 512, /* rows of a task: queries times heads of one kv head */
  PIECE_KEYS = 64,   /* that are packed at once */
  MOST_ROWS = 32     /* of a tile */
};

/* What a worker's scratch holds. */
enum {
  KEYS,
  VALUES,
  OWN_KEYS,
  OWN_VALUES,
  QUERY,
  WEIGHTS,
  SCORES,
  ROWS,
  PIECE,
  ROOM,
  MIXED,
  REST,
  REGIONS
};

typedef struct rounded_job {
  const gm_attention_args *a;
  const gm_kernels *kernels;
  const gm_matmul *mm;
  size_t group;                        /* query heads of one kv head */
  size_t tk;                           /* keys in all spans, without the parts' */
  size_t shared;                       /* of these, those that are packed for all queries */
  size_t chunk, chunks;                /* queries of a task, tasks of a head */
  size_t ld;                           /* floats of a row of scores */
  size_t value_panels;                 /* of mm->nr elements of a head */
  size_t key_bytes;                    /* of a panel of keys */
  size_t value_bytes, own_value_bytes; /* of a panel of values */
  unsigned char *scratch;
  size_t at[REGIONS + 1]; /* where the regions of a worker's scratch begin */
} rounded_job;

/* A worker's scratch, and what is packed in it. */
typedef struct rounded_state {
  size_t entry, kv_head;
  unsigned char *keys, *values; /* the shared ones */
  unsigned char *own_keys, *own_values;
  const gm_attention_part *keys_of, *values_of; /* whose are packed; NULL: none yet */
  unsigned char *query, *weights;
  float *scores; /* [ld / nr][mr][nr], as tiles leave them */
  float *rows;   /* [mr][ld] */
  float *piece;  /* [head_dim][PIECE_KEYS] */
  float *room;   /* [PIECE_KEYS][head_dim] */
  float *mixed;  /* [value_panels][mr][nr] */
  float *rest;   /* [mr][nr] */
} rounded_state;

static rounded_state state_of(const rounded_job *job, size_t worker, size_t entry,
                              size_t kv_head) {
  unsigned char *base = job->scratch + worker * job->at[REGIONS];
#define FLOATS(region) (float *)(void *)(base + job->at[region])
  return (rounded_state){.entry = entry,
                         .kv_head = kv_head,
                         .keys = base + job->at[KEYS],
                         .values = base + job->at[VALUES],
                         .own_keys = base + job->at[OWN_KEYS],
                         .own_values = base + job->at[OWN_VALUES],
                         .query = base + job->at[QUERY],
                         .weights = base + job->at[WEIGHTS],
                         .scores = FLOATS(SCORES),
                         .rows = FLOATS(ROWS),
                         .piece = FLOATS(PIECE),
                         .room = FLOATS(ROOM),
                         .mixed = FLOATS(MIXED),
                         .rest = FLOATS(REST)};
#undef FLOATS
}

/* ---- packing */

/* Keys or values first .. first + n - 1, n <= PIECE_KEYS, of the shared spans and a part's
 * (NULL: none): where they lie if they are floats of one span, else copied to the state's room.
 * *row: floats from one to the next. */
static const float *rows_at(const rounded_job *job, const rounded_state *s,
                            const gm_attention_part *part, bool values, size_t first, size_t n,
                            size_t *row) {
  const gm_kv_place at = {job->a, part, s->entry, s->kv_head};
  gm_type type = values ? job->a->v_type : job->a->k_type;
  size_t d = job->a->head_dim;
  gm_kv_stretch from;
  for (size_t i = 0; i < n; i += from.n) {
    from = gm_kv_stretch_at(&at, first + i, n - i);
    const void *rows = values ? from.v : from.k;
    if (from.n == n && type == GM_TYPE_F32) {
      *row = from.row;
      return rows;
    }
    gm_kv_widen(&job->kernels->rows, s->room + i * d, type, rows, from.row, from.n, d);
  }
  *row = d;
  return s->room;
}

/* Keys first .. end - 1 as panels. */
static void pack_keys(const rounded_job *job, const rounded_state *s,
                      const gm_attention_part *part, unsigned char *panels, size_t first,
                      size_t end) {
  const gm_matmul *mm = job->mm;
  for (size_t n, row; first < end; first += n) {
    n = gm_min_size(end - first, PIECE_KEYS);
    const float *k = rows_at(job, s, part, false, first, n, &row);
    for (size_t i = 0; i < n; i += mm->nr, panels += job->key_bytes)
      mm->pack_w(panels, k + i * row, row * sizeof *k, gm_min_size(n - i, mm->nr),
                 job->a->head_dim);
  }
}

/* Values first .. end - 1, of each element of the head one after another, as panels of
 * panel_bytes. */
static void pack_values(const rounded_job *job, const rounded_state *s,
                        const gm_attention_part *part, unsigned char *panels,
                        size_t panel_bytes, size_t first, size_t end) {
  const gm_matmul *mm = job->mm;
  size_t d = job->a->head_dim;
  for (size_t n, row; first < end; first += n) {
    n = gm_min_size(end - first, PIECE_KEYS);
    const float *v = rows_at(job, s, part, true, first, n, &row);
    job->kernels->rows.transpose(s->piece, PIECE_KEYS, v, row, n, d);
    for (size_t p = 0; p < job->value_panels; p++)
      mm->pack_w(panels + p * panel_bytes, s->piece + p * mm->nr * PIECE_KEYS,
                 PIECE_KEYS * sizeof *s->piece, gm_min_size(d - p * mm->nr, mm->nr), n);
    panels += n / mm->chunk * mm->w_chunk_bytes * mm->nr;
  }
}

/* ---- a tile of queries */

/* Neighbouring queries of a tile that see the same keys but for the last ones: query i of them
 * sees `seen`, or if causal i more. */
typedef struct segment {
  const gm_attention_part *part; /* NULL: the call has none */
  size_t row, n;                 /* rows of the tile */
  size_t seen;
  size_t most; /* that its last query sees */
  bool causal;
} segment;

/* From row `row` of the n of a tile on, whose first is `query`. */
static segment segment_at(const rounded_job *job, size_t query, size_t n, size_t row) {
  const gm_attention_args *a = job->a;
  segment s = {NULL, row, n - row, job->tk, job->tk, a->causal};
  size_t at = 0; /* the part's first query */
  query += row;
  if (a->parts) {
    for (s.part = a->parts; query >= at + s.part->tq; s.part++) at += s.part->tq;
    s.n = gm_min_size(s.n, at + s.part->tq - query);
    s.seen = job->tk + gm_kv_keys_in(s.part->spans, s.part->n_spans) - s.part->tq;
    s.causal = true;
  } else if (a->causal) {
    s.seen = job->tk - a->tq;
  }
  if (s.causal) s.seen += query - at + 1;
  s.most = s.seen + (s.causal ? s.n - 1 : 0);
  return s;
}

/* Scores of the tile's queries against n keys, the first of which is `first`, a multiple of nr.
 */
static void score(const rounded_job *job, const rounded_state *s, const unsigned char *keys,
                  size_t first, size_t n) {
  const gm_matmul *mm = job->mm;
  for (size_t i = 0; i < n; i += mm->nr, keys += job->key_bytes)
    mm->tile(s->scores + (first + i) * mm->mr, s->query, keys, job->a->head_dim, true);
}

/* rows[i] = weights that add up to sum[i], of a segment's queries. */
static void weigh(const rounded_job *job, const rounded_state *s, const segment *g,
                  float *sum) {
  const gm_matmul *mm = job->mm;
  for (size_t i = g->row; i < g->row + g->n; i++) {
    float *row = s->rows + i * job->ld, max = -INFINITY;
    size_t seen = g->seen + (g->causal ? i - g->row : 0);
    for (size_t at = 0; at < seen; at += mm->nr)
      memcpy(row + at, s->scores + at * mm->mr + i * mm->nr, mm->nr * sizeof *row);
    sum[i] = job->kernels->rows.softmax_step(row, seen, job->a->scale, &max);
    memset(row + seen, 0, (g->most - seen) * sizeof *row);
  }
}

/* A segment's sums, to which the values behind the shared ones are added, go to out. */
static void finish(const rounded_job *job, rounded_state *s, const segment *g, const float *sum,
                   float *out) {
  const gm_matmul *mm = job->mm;
  const gm_attention_args *a = job->a;
  size_t d = a->head_dim, own = g->part ? g->most - job->shared : 0;
  out += g->row * a->out_row;
  if (own > 0 && s->values_of != g->part) {
    size_t keys = job->tk + gm_kv_keys_in(g->part->spans, g->part->n_spans);
    pack_values(job, s, g->part, s->own_values, job->own_value_bytes, job->shared, keys);
    s->values_of = g->part;
  }
  if (own > 0)
    mm->pack_x(s->weights, s->rows + g->row * job->ld + job->shared, job->ld, g->n, mm->mr,
               own);
  for (size_t p = 0; p < job->value_panels; p++) {
    const float *mixed = s->mixed + (p * mm->mr + g->row) * mm->nr;
    if (own > 0) {
      memcpy(s->rest, mixed, g->n * mm->nr * sizeof *mixed);
      mm->tile(s->rest, s->weights, s->own_values + p * job->own_value_bytes, own, false);
      mixed = s->rest;
    }
    size_t columns = gm_min_size(d - p * mm->nr, mm->nr);
    for (size_t i = 0; i < g->n; i++)
      memcpy(out + i * a->out_row + p * mm->nr, mixed + i * mm->nr, columns * sizeof *out);
  }
  for (size_t i = 0; i < g->n; i++)
    job->kernels->rows.scale(out + i * a->out_row, d, 1 / sum[g->row + i]);
}

/* Queries query .. query + n - 1, n <= mr, of one head; q and out at the first of them. */
static void attend_tile(const rounded_job *job, rounded_state *s, size_t query, size_t n,
                        const float *q, float *out) {
  const gm_matmul *mm = job->mm;
  const gm_attention_args *a = job->a;
  size_t shared = a->parts ? job->shared : segment_at(job, query, n, 0).most;
  float sum[MOST_ROWS];
  segment g;
  mm->pack_x(s->query, q, a->q_row, n, mm->mr, a->head_dim);
  score(job, s, s->keys, 0, shared);
  for (size_t row = 0; row < n; row += g.n) {
    g = segment_at(job, query, n, row);
    if (g.part && s->keys_of != g.part) {
      size_t keys = job->tk + gm_kv_keys_in(g.part->spans, g.part->n_spans);
      pack_keys(job, s, g.part, s->own_keys, job->shared, keys);
      s->keys_of = g.part;
    }
    if (g.part) score(job, s, s->own_keys, job->shared, g.most - job->shared);
    weigh(job, s, &g, sum);
  }
  if (shared == 0) memset(s->mixed, 0, job->value_panels * mm->mr * mm->nr * sizeof *s->mixed);
  if (shared > 0) mm->pack_x(s->weights, s->rows, job->ld, n, mm->mr, shared);
  for (size_t p = 0; p < job->value_panels && shared > 0; p++)
    mm->tile(s->mixed + p * mm->mr * mm->nr, s->weights, s->values + p * job->value_bytes,
             shared, true);
  for (size_t row = 0; row < n; row += g.n) {
    g = segment_at(job, query, n, row);
    finish(job, s, &g, sum, out);
  }
}

static void chunk_task(void *arg, size_t task, size_t worker) {
  const rounded_job *job = arg;
  const gm_attention_args *a = job->a;
  size_t first = task % job->chunks * job->chunk, kv_head = task / job->chunks % a->kv_heads;
  size_t entry = task / job->chunks / a->kv_heads;
  size_t end = gm_min_size(first + job->chunk, a->tq);
  rounded_state s = state_of(job, worker, entry, kv_head);
  size_t keys = a->parts ? job->shared : segment_at(job, first, end - first, 0).most;
  pack_keys(job, &s, NULL, s.keys, 0, keys);
  pack_values(job, &s, NULL, s.values, job->value_bytes, 0, keys);
  gm_matmul_begin(job->mm);
  for (size_t g = 0; g < job->group; g++)
    for (size_t query = first; query < end; query += job->mm->mr) {
      size_t row = entry * a->tq + query, at = (kv_head * job->group + g) * a->head_dim;
      attend_tile(job, &s, query, gm_min_size(end - query, job->mm->mr),
                  a->q + row * a->q_row + at, a->out + row * a->out_row + at);
    }
  gm_matmul_end(job->mm);
}

/* ---- all */

static void plan(rounded_job *job) {
  const gm_attention_args *a = job->a;
  const gm_matmul *mm = job->mm;
  size_t d = a->head_dim, even = gm_ceil_div(a->tq * job->group, QUERY_CHUNK);
  size_t whole = gm_max_size(mm->chunk, mm->nr), own = 0;
  job->chunk = gm_ceil_div(gm_ceil_div(a->tq, even), mm->mr) * mm->mr;
  job->chunks = gm_ceil_div(a->tq, job->chunk);
  job->shared = a->parts ? job->tk / whole * whole : job->tk;
  for (size_t i = 0; i < a->n_parts; i++)
    own = gm_max_size(own, gm_kv_keys_in(a->parts[i].spans, a->parts[i].n_spans));
  if (a->parts) own += job->tk - job->shared;
  size_t panels = gm_ceil_div(job->shared, mm->nr), own_panels = gm_ceil_div(own, mm->nr);
  size_t chunks = gm_ceil_div(job->shared, mm->chunk), own_chunks = gm_ceil_div(own, mm->chunk);
  job->ld = (panels + own_panels) * mm->nr;
  job->value_panels = gm_ceil_div(d, mm->nr);
  job->key_bytes = gm_ceil_div(d, mm->chunk) * mm->w_chunk_bytes * mm->nr;
  job->value_bytes = chunks * mm->w_chunk_bytes * mm->nr;
  job->own_value_bytes = own_chunks * mm->w_chunk_bytes * mm->nr;
  size_t bytes[REGIONS] = {[KEYS] = panels * job->key_bytes,
                           [VALUES] = job->value_panels * job->value_bytes,
                           [OWN_KEYS] = own_panels * job->key_bytes,
                           [OWN_VALUES] = job->value_panels * job->own_value_bytes,
                           [QUERY] = gm_ceil_div(d, mm->chunk) * mm->x_chunk_bytes * mm->mr,
                           [WEIGHTS] =
                               gm_max_size(chunks, own_chunks) * mm->x_chunk_bytes * mm->mr,
                           [SCORES] = job->ld * mm->mr * sizeof(float),
                           [ROWS] = job->ld * mm->mr * sizeof(float),
                           [PIECE] = d * PIECE_KEYS * sizeof(float),
                           [ROOM] = d * PIECE_KEYS * sizeof(float),
                           [MIXED] = job->value_panels * mm->mr * mm->nr * sizeof(float),
                           [REST] = mm->mr * mm->nr * sizeof(float)};
  for (size_t i = 0; i < REGIONS; i++)
    job->at[i + 1] = job->at[i] + gm_ceil_div(bytes[i], 64) * 64;
}

gm_status gm_attention_rounded(gm_compute *c, const gm_attention_args *args) {
  const gm_matmul *mm = c->kernels->rounded[GM_TYPE_F32];
  size_t entries = args->batch ? args->batch : 1;
  rounded_job job = {.a = args,
                     .kernels = c->kernels,
                     .mm = mm,
                     .group = args->heads / args->kv_heads,
                     .tk = gm_kv_keys_in(args->spans, args->n_spans)};
  assert(args->heads % args->kv_heads == 0 && (!args->parts || entries == 1));
  assert(args->head_dim <= GM_MAX_HEAD_DIM && mm->mr <= MOST_ROWS);
  assert(PIECE_KEYS % mm->chunk == 0 && PIECE_KEYS % mm->nr == 0 &&
         mm->w_chunk_bytes * mm->nr % 64 == 0);
  assert(gm_max_size(mm->chunk, mm->nr) % gm_min_size(mm->chunk, mm->nr) == 0);
  assert(args->parts || (job.tk > 0 && (!args->causal || job.tk >= args->tq)));
  if (args->tq == 0) return GM_OK;
  plan(&job);
  gm_arena_mark mark = gm_arena_save(&c->arena);
  job.scratch = gm_scratch(c, gm_pool_threads(c->pool) * job.at[REGIONS], "attention");
  if (!job.scratch) return GM_ERR_MEMORY;
  gm_pool_run(c->pool, chunk_task, &job, entries * args->kv_heads * job.chunks);
  gm_arena_restore(&c->arena, mark);
  return GM_OK;
}
