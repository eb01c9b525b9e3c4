/* test_attention.c - gm_attention against softmax(q k^T) v in double precision, over every
 * combination of the paths inside: reading and steps, caches of every type, causal or not,
 * grouped heads, several spans, batches. */
#include "activations.h"
#include "ops_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct attention_case {
  size_t batch, tq, heads, kv_heads, head_dim, n_spans, span[3];
  bool causal;
  gm_type k_type, v_type;
  bool rounded; /* by gm_attention_rounded */
  gm_way way;
} attention_case;

/* Queries, a cache in one block per span, and the same keys as floats. */
typedef struct attention_data {
  attention_case shape;
  size_t tk, q_row, out_row, row, queries;
  float *q, *out;
  float *keys[3], *values[3]; /* [batch * n, row] */
  void *stored_keys[3], *stored_values[3];
  gm_kv_span spans[3];
} attention_data;

/* Rounds floats to a cache's type in place and returns them in that type. */
static void *to_type(gm_type type, float *x, size_t n) {
  const gm_type_traits *traits = gm_type_traits_of(type);
  void *stored = malloc(gm_type_row_bytes(type, n) + 1);
  assert_non_null(stored);
  traits->from_float(stored, x, n);
  traits->to_float(x, stored, n);
  return stored;
}

/* Rounds floats to bf16 in place. */
static void round_floats(float *x, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] = gm_bf16_to_f32(gm_f32_to_bf16(x[i]));
}

static attention_data *make_data(const attention_case *shape, uint64_t seed) {
  attention_data *d = calloc(1, sizeof *d);
  assert_non_null(d);
  gm_rng rng = {seed};
  d->shape = *shape;
  d->queries = shape->batch * shape->tq;
  d->q_row = shape->heads * shape->head_dim + 3; /* part of a wider row */
  d->out_row = shape->heads * shape->head_dim + 5;
  /* Blocks of 32 do not straddle rows. */
  bool blocks = shape->k_type == GM_TYPE_Q8_0 || shape->v_type == GM_TYPE_Q8_0;
  d->row = shape->kv_heads * shape->head_dim + (blocks ? 64 : 7);
  d->q = random_floats(&rng, d->queries * d->q_row, -1, 1);
  d->out = random_floats(&rng, d->queries * d->out_row, 7, 8);
  for (size_t i = 0; i < shape->n_spans; i++) {
    size_t n = shape->batch * shape->span[i] * d->row;
    d->tk += shape->span[i];
    d->keys[i] = random_floats(&rng, n, -1, 1);
    d->values[i] = random_floats(&rng, n, -1, 1);
    if (shape->rounded) round_floats(d->keys[i], n), round_floats(d->values[i], n);
    d->stored_keys[i] = to_type(shape->k_type, d->keys[i], n);
    d->stored_values[i] = to_type(shape->v_type, d->values[i], n);
    d->spans[i] = (gm_kv_span){d->stored_keys[i], d->stored_values[i], shape->span[i], d->row,
                               shape->head_dim};
  }
  if (shape->rounded) round_floats(d->q, d->queries * d->q_row);
  return d;
}

/* If factors are rounded to bf16, rounds keys and values of other types too. */
static void round_stored(attention_data *d, const gm_kernels *kernels) {
  if (!d->shape.rounded || kernels->rounded[GM_TYPE_F32]->form == GM_TILE_WORDS) return;
  for (size_t i = 0; i < d->shape.n_spans; i++) {
    round_floats(d->keys[i], d->shape.batch * d->shape.span[i] * d->row);
    round_floats(d->values[i], d->shape.batch * d->shape.span[i] * d->row);
  }
}

static void free_data(attention_data *d) {
  free(d->q);
  free(d->out);
  for (size_t i = 0; i < 3; i++) {
    free(d->keys[i]);
    free(d->values[i]);
    free(d->stored_keys[i]);
    free(d->stored_values[i]);
  }
  free(d);
}

static void run(gm_compute *c, void *arg, float *out) {
  const attention_data *d = arg;
  const attention_case *s = &d->shape;
  gm_attention_args args = {.q = d->q,
                            .q_row = d->q_row,
                            .spans = d->spans,
                            .n_spans = s->n_spans,
                            .k_type = s->k_type,
                            .v_type = s->v_type,
                            .batch = s->batch,
                            .tq = s->tq,
                            .heads = s->heads,
                            .kv_heads = s->kv_heads,
                            .head_dim = s->head_dim,
                            .scale = 1 / sqrtf((float)s->head_dim),
                            .causal = s->causal,
                            .out = out,
                            .out_row = d->out_row};
  c->way = s->way;
  assert_ok(s->rounded ? gm_attention_rounded(c, &args) : gm_attention(c, &args), c->err);
}

/* Key or value j of the whole sequence, for a batch entry and kv head. */
static const float *kv_of(const attention_data *d, float *const *spans, size_t entry, size_t j,
                          size_t head) {
  size_t i = 0;
  for (; j >= d->shape.span[i]; i++) j -= d->shape.span[i];
  return spans[i] + (entry * d->shape.span[i] + j) * d->row + head * d->shape.head_dim;
}

/* The expected result of one query of one head. */
static void expect(const attention_data *d, size_t entry, size_t query, size_t head,
                   double *want) {
  const attention_case *s = &d->shape;
  size_t dim = s->head_dim, kv_head = head * s->kv_heads / s->heads;
  size_t seen = s->causal ? d->tk - s->tq + query + 1 : d->tk;
  const float *q = d->q + (entry * s->tq + query) * d->q_row + head * dim;
  double *p = malloc(seen * sizeof *p), max = -INFINITY, sum = 0;
  assert_non_null(p);
  for (size_t j = 0; j < seen; j++) {
    const float *k = kv_of(d, d->keys, entry, j, kv_head);
    p[j] = 0;
    for (size_t i = 0; i < dim; i++) p[j] += (double)q[i] * (double)k[i];
    p[j] /= sqrt((double)dim);
    max = fmax(max, p[j]);
  }
  for (size_t j = 0; j < seen; j++) sum += p[j] = exp(p[j] - max);
  for (size_t i = 0; i < dim; i++) want[i] = 0;
  for (size_t j = 0; j < seen; j++) {
    const float *v = kv_of(d, d->values, entry, j, kv_head);
    for (size_t i = 0; i < dim; i++) want[i] += p[j] / sum * (double)v[i];
  }
  free(p);
}

/* |q|, |k|, |v| <= 1, so a score is at most sqrt(dim) and, as a sum of dim rounded products in
 * any order, off by at most (dim + 2) UNIT sqrt(dim); a weight is off by twice that relative to
 * itself (numerator and denominator) plus the sums over the keys and a few roundings of exp.
 * For keys in Q8_0 q is rounded to steps of 1/32767 at most: half a step in each of dim
 * products, over sqrt(dim). Rounded: q, k and v are bf16 as they stand, so only the weights are
 * rounded, by 2^-9 of themselves; their sum is not. Rounded to words: q and k by half a step of
 * 1/4095 and 1/8191 at most, in a score each dim times over sqrt(dim); v by half a step;
 * weights by half a step of the largest in 64, which is below 8 times their mean, since scores
 * have a deviation of 1/3. */
static double bound_of(const attention_data *d, const gm_kernels *kernels) {
  double dim = (double)d->shape.head_dim;
  double steps = d->shape.k_type == GM_TYPE_Q8_0 ? 2 * sqrt(dim) / 65534 : 0;
  if (d->shape.rounded) steps = 0x1p-9;
  if (d->shape.rounded && kernels->rounded[GM_TYPE_F32]->form == GM_TILE_WORDS)
    steps = 2 * sqrt(dim) * (0.5 / GM_XW_TOP + 0.5 / GM_WW_TOP) + 0.5 / GM_WW_TOP +
            8 * 0.5 / GM_XW_TOP;
  return steps + UNIT * (2 * (dim + 2) * sqrt(dim) + 2 * (double)d->tk + 16);
}

static void check_case(const gm_kernels *kernels, const attention_case *shape, uint64_t seed) {
  attention_data *d = make_data(shape, seed);
  round_stored(d, kernels);
  size_t n = d->queries * d->out_row, width = shape->heads * shape->head_dim;
  char what[160];
  snprintf(what, sizeof what,
           "batch %zu tq %zu tk %zu heads %zu/%zu dim %zu spans %zu causal %d types %d %d "
           "rounded %d way %d seed %llu",
           shape->batch, shape->tq, d->tk, shape->heads, shape->kv_heads, shape->head_dim,
           shape->n_spans, shape->causal, shape->k_type, shape->v_type, shape->rounded,
           (int)shape->way, (unsigned long long)seed);
  float *out = run_op_with(kernels, run, d, d->out, n, what);
  double want[GM_MAX_HEAD_DIM];
  for (size_t row = 0; row < d->queries; row++) {
    for (size_t h = 0; h < shape->heads; h++) {
      expect(d, row / shape->tq, row % shape->tq, h, want);
      assert_within(out + row * d->out_row + h * shape->head_dim, want, shape->head_dim,
                    bound_of(d, kernels), what);
    }
    /* The bytes between the rows must not change. */
    assert_same_bits(out + row * d->out_row + width, d->out + row * d->out_row + width, 5,
                     what);
  }
  free(out);
  free_data(d);
}

static void test_attention_against_double(void **state) {
  (void)state;
#define FULL GM_TYPE_F32, GM_TYPE_F32, false, GM_WAY_READ
#define HALF GM_TYPE_F16, GM_TYPE_F16, false, GM_WAY_READ
#define EIGHT GM_TYPE_Q8_0, GM_TYPE_Q8_0, false, GM_WAY_READ
  static const attention_case cases[] = {
      {1, 1, 1, 1, 1, 1, {1}, false, FULL},
      {1, 1, 4, 4, 64, 1, {300}, true, FULL},
      {1, 1, 8, 2, 128, 2, {257, 31}, true, HALF},
      {1, 4, 4, 1, 80, 3, {256, 1, 512}, true, HALF},
      {1, 3, 6, 3, 7, 2, {255, 2}, true, FULL},
      {1, 5, 4, 2, 16, 1, {5}, true, FULL},
      {1, 33, 2, 1, 64, 2, {100, 33}, true, HALF},
      {1, 129, 2, 2, 13, 1, {129}, false, FULL},
      {1, 300, 4, 2, 32, 2, {77, 300}, true, FULL},
      {1, 300, 2, 1, 40, 1, {300}, true, HALF},
      {1, 70, 1, 1, 256, 2, {1, 131}, true, FULL},
      {3, 50, 3, 3, 64, 1, {50}, false, FULL},
      {2, 2, 4, 2, 24, 2, {260, 9}, true, HALF},
      {4, 17, 2, 1, 20, 2, {3, 17}, true, FULL},
      {1, 1, 8, 4, 128, 2, {300, 5}, true, EIGHT},
      {1, 3, 4, 4, 32, 2, {64, 3}, true, EIGHT},
      {1, 2, 2, 1, 96, 1, {259}, true, GM_TYPE_Q8_0, GM_TYPE_F16, false, GM_WAY_READ},
      {1, 1, 2, 2, 256, 1, {7}, true, GM_TYPE_F16, GM_TYPE_Q8_0, false, GM_WAY_READ},
      {1, 1, 3, 1, 160, 1, {70}, true, GM_TYPE_F32, GM_TYPE_Q8_0, false, GM_WAY_READ},
      {1, 70, 4, 2, 64, 2, {140, 70}, true, EIGHT},
      {1, 513, 1, 1, 64, 1, {513}, false, FULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    check_case(NULL, &cases[i], 77 + i);
    attention_case step = cases[i];
    step.way = GM_WAY_STEP;
    if (step.batch == 1) check_case(NULL, &step, 77 + i);
  }
}

/* By every table of kernels. */
static void test_rounded_attention_against_double(void **state) {
  (void)state;
#define ROUNDED GM_TYPE_F32, GM_TYPE_F32, true, GM_WAY_READ
  static const attention_case cases[] = {
      {1, 1, 1, 1, 1, 1, {1}, false, ROUNDED},
      {3, 50, 3, 3, 64, 1, {50}, false, ROUNDED},
      {4, 17, 2, 2, 20, 1, {17}, true, ROUNDED},
      {1, 40, 2, 2, 80, 1, {70}, true, ROUNDED},
      {2, 3, 1, 1, 33, 1, {257}, false, ROUNDED},
      {1, 530, 2, 2, 64, 1, {530}, true, ROUNDED},
      {1, 20, 4, 1, 64, 3, {1, 130, 20}, true, GM_TYPE_F16, GM_TYPE_F16, true, GM_WAY_READ},
      {1, 300, 4, 2, 32, 2, {7, 300}, true, GM_TYPE_Q8_0, GM_TYPE_Q8_0, true, GM_WAY_READ},
      {1, 15, 6, 3, 96, 3, {63, 2, 64}, true, GM_TYPE_F16, GM_TYPE_Q8_0, true, GM_WAY_READ},
      {2, 5, 2, 1, 128, 2, {40, 70}, false, GM_TYPE_Q8_0, GM_TYPE_F32, true, GM_WAY_READ},
      {1, 1, 1, 1, 256, 2, {31, 2}, true, GM_TYPE_F32, GM_TYPE_F16, true, GM_WAY_READ},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (size_t t = 0; gm_kernels_at(t); t++) check_case(gm_kernels_at(t), &cases[i], 177 + i);
}

/* ---- sequences that share their first keys */

enum { PARTS = 5 };

/* Each part is also a sequence by itself: the shared spans, then one of its own. */
typedef struct parts_data {
  attention_data *each[PARTS];
  gm_attention_part parts[PARTS];
  float *q, *out;
  size_t queries, shared;
} parts_data;

static void share_spans(attention_data *to, const attention_data *from, size_t n) {
  for (size_t i = 0; i < n; i++) {
    size_t keys = to->shape.span[i] * to->row;
    size_t k_bytes = gm_type_row_bytes(to->shape.k_type, keys);
    size_t v_bytes = gm_type_row_bytes(to->shape.v_type, keys);
    memcpy(to->keys[i], from->keys[i], keys * sizeof(float));
    memcpy(to->values[i], from->values[i], keys * sizeof(float));
    memcpy(to->stored_keys[i], from->stored_keys[i], k_bytes);
    memcpy(to->stored_values[i], from->stored_values[i], v_bytes);
  }
}

static void make_parts(parts_data *p, const attention_case *shape, const size_t *tq,
                       const size_t *own) {
  *p = (parts_data){.shared = shape->n_spans - 1};
  for (size_t i = 0; i < PARTS; i++) {
    attention_case one = *shape;
    one.tq = tq[i];
    one.span[p->shared] = own[i];
    p->each[i] = make_data(&one, 377 + i);
    if (i > 0) share_spans(p->each[i], p->each[0], p->shared);
    p->parts[i] = (gm_attention_part){p->each[i]->spans + p->shared, 1, tq[i]};
    p->queries += tq[i];
  }
  size_t q_row = p->each[0]->q_row, at = 0;
  p->q = zeros(p->queries * q_row);
  p->out = zeros(p->queries * p->each[0]->out_row);
  for (size_t i = 0; i < PARTS; at += tq[i++])
    memcpy(p->q + at * q_row, p->each[i]->q, tq[i] * q_row * sizeof *p->q);
}

static void free_parts(parts_data *p) {
  for (size_t i = 0; i < PARTS; i++) free_data(p->each[i]);
  free(p->q);
  free(p->out);
}

static void run_parts(gm_compute *c, void *arg, float *out) {
  const parts_data *p = arg;
  const attention_data *first = p->each[0];
  gm_attention_args args = {.q = p->q,
                            .q_row = first->q_row,
                            .spans = first->spans,
                            .n_spans = p->shared,
                            .k_type = first->shape.k_type,
                            .v_type = first->shape.v_type,
                            .tq = p->queries,
                            .heads = first->shape.heads,
                            .kv_heads = first->shape.kv_heads,
                            .head_dim = first->shape.head_dim,
                            .scale = 1 / sqrtf((float)first->shape.head_dim),
                            .causal = true,
                            .parts = p->parts,
                            .n_parts = PARTS,
                            .out = out,
                            .out_row = first->out_row};
  bool rounded = first->shape.rounded;
  c->way = first->shape.way;
  assert_ok(rounded ? gm_attention_rounded(c, &args) : gm_attention(c, &args), c->err);
}

static void check_parts(const gm_kernels *kernels, gm_way way, const attention_case *shape,
                        const size_t *tq, const size_t *own) {
  parts_data p;
  make_parts(&p, shape, tq, own);
  for (size_t i = 0; i < PARTS; i++) p.each[i]->shape.way = way;
  for (size_t i = 0; i < PARTS; i++) round_stored(p.each[i], kernels);
  size_t out_row = p.each[0]->out_row, row = 0;
  float *out = run_op_with(kernels, run_parts, &p, p.out, p.queries * out_row, "parts");
  double want[GM_MAX_HEAD_DIM];
  char what[80];
  for (size_t i = 0; i < PARTS; i++)
    for (size_t query = 0; query < tq[i]; query++, row++)
      for (size_t h = 0; h < shape->heads; h++) {
        snprintf(what, sizeof what, "part %zu of %zu shared spans, query %zu, head %zu", i,
                 p.shared, query, h);
        expect(p.each[i], 0, query, h, want);
        assert_within(out + row * out_row + h * shape->head_dim, want, shape->head_dim,
                      bound_of(p.each[i], kernels), what);
      }
  free_parts(&p);
  free(out);
}

/* Single queries; blocks and chunks that end within a part; own keys from before the queries,
 * and more than a tile of them; no shared keys. */
static void test_parts_behind_shared_keys(void **state) {
  (void)state;
  for (gm_way way = GM_WAY_READ; way <= GM_WAY_STEP; way++) {
    check_parts(NULL, way, &(attention_case){1, 0, 4, 2, 64, 2, {300}, true, HALF},
                (size_t[]){1, 1, 1, 1, 1}, (size_t[]){1, 5, 1, 200, 17});
    check_parts(NULL, way, &(attention_case){1, 0, 2, 2, 40, 3, {7, 131}, true, FULL},
                (size_t[]){14, 1, 47, 160, 3}, (size_t[]){14, 9, 47, 161, 150});
    check_parts(NULL, way, &(attention_case){1, 0, 8, 2, 32, 2, {1}, true, EIGHT},
                (size_t[]){60, 70, 3, 1, 2}, (size_t[]){61, 70, 3, 20, 2});
    check_parts(NULL, way, &(attention_case){1, 0, 2, 1, 32, 1, {0}, true, HALF},
                (size_t[]){1, 1, 3, 1, 2}, (size_t[]){1, 500, 3, 256, 130});
  }
}

/* By every table of kernels: shared keys that fill less than a chunk, a chunk and a rest, or
 * whole chunks; tiles of several parts, and parts of several tiles. */
static void test_rounded_parts_behind_shared_keys(void **state) {
  (void)state;
  for (size_t t = 0; gm_kernels_at(t); t++) {
    const gm_kernels *kernels = gm_kernels_at(t);
    check_parts(
        kernels, GM_WAY_READ,
        &(attention_case){
            1, 0, 4, 2, 64, 2, {300}, true, GM_TYPE_F16, GM_TYPE_F16, true, GM_WAY_READ},
        (size_t[]){1, 1, 1, 1, 1}, (size_t[]){1, 5, 1, 200, 17});
    check_parts(kernels, GM_WAY_READ,
                &(attention_case){1, 0, 2, 2, 40, 3, {7, 121}, true, ROUNDED},
                (size_t[]){14, 1, 47, 160, 3}, (size_t[]){14, 9, 47, 161, 150});
    check_parts(
        kernels, GM_WAY_READ,
        &(attention_case){
            1, 0, 8, 2, 32, 2, {3}, true, GM_TYPE_Q8_0, GM_TYPE_Q8_0, true, GM_WAY_READ},
        (size_t[]){60, 70, 3, 1, 2}, (size_t[]){61, 70, 3, 20, 2});
  }
}

/* Each part by itself is bit-identical, if factors are rounded one by one. */
static void test_rounded_parts_do_not_show_in_each_other(void **state) {
  (void)state;
  static const size_t tq[] = {14, 1, 47, 160, 3}, own[] = {14, 9, 47, 161, 150};
  for (size_t t = 0; gm_kernels_at(t); t++) {
    if (gm_kernels_at(t)->rounded[GM_TYPE_F32]->form == GM_TILE_WORDS) continue;
    parts_data p;
    make_parts(
        &p,
        &(attention_case){
            1, 0, 4, 2, 64, 3, {7, 140}, true, GM_TYPE_F16, GM_TYPE_F16, true, GM_WAY_READ},
        tq, own);
    size_t out_row = p.each[0]->out_row, row = 0;
    float *all =
        run_op_with(gm_kernels_at(t), run_parts, &p, p.out, p.queries * out_row, "all");
    for (size_t i = 0; i < PARTS; row += tq[i++]) {
      float *alone = run_op_with(gm_kernels_at(t), run, p.each[i], p.each[i]->out,
                                 tq[i] * out_row, "alone");
      for (size_t j = 0; j < tq[i]; j++)
        assert_same_bits(all + (row + j) * out_row, alone + j * out_row,
                         p.each[i]->shape.heads * p.each[i]->shape.head_dim, "a part's row");
      free(alone);
    }
    free(all);
    free_parts(&p);
  }
}

/* Queries 55 to 131 of 200 by themselves, their keys in other spans: bit-identical, if factors
 * are rounded one by one. Keys that a query does not attend to have no effect. */
static void test_rounded_attention_does_not_show_where_it_was_cut(void **state) {
  (void)state;
  static const attention_case shape = {
      1, 200, 4, 2, 64, 1, {240}, true, GM_TYPE_F16, GM_TYPE_F16, true, GM_WAY_READ};
  for (size_t t = 0; gm_kernels_at(t); t++) {
    if (gm_kernels_at(t)->rounded[GM_TYPE_F32]->form == GM_TILE_WORDS) continue;
    attention_data *d = make_data(&shape, 11);
    size_t n = shape.tq * d->out_row, width = shape.heads * shape.head_dim;
    float *whole = run_op_with(gm_kernels_at(t), run, d, d->out, n, "whole");
    attention_data cut = *d;
    enum { FIRST = 55, TQ = 77, KEYS = 172, BEFORE = 45 };
    size_t before = gm_type_row_bytes(GM_TYPE_F16, BEFORE * d->row);
    cut.shape.tq = cut.queries = TQ;
    cut.shape.n_spans = 2;
    cut.q += FIRST * d->q_row;
    cut.spans[0].n = BEFORE;
    cut.spans[1] = cut.spans[0];
    cut.spans[1].n = KEYS - BEFORE;
    cut.spans[1].k = (const char *)cut.spans[0].k + before;
    cut.spans[1].v = (const char *)cut.spans[0].v + before;
    float *part = run_op_with(gm_kernels_at(t), run, &cut, d->out, TQ * d->out_row, "cut");
    for (size_t i = 0; i < TQ; i++)
      assert_same_bits(part + i * d->out_row, whole + (FIRST + i) * d->out_row, width, "a row");
    free(part);
    free(whole);
    free_data(d);
  }
}

/* A NaN in a query, a key or a value reaches all results that depend on it: those of query 30
 * alone, or, from a key or a value, those of queries 10 and later. Other results do not change.
 * The exception is values, which queries of the same tile read with weight 0. */
static void test_rounded_attention_keeps_what_is_no_number(void **state) {
  (void)state;
  static const attention_case shape = {1, 40, 1, 1, 32, 1, {40}, true, ROUNDED};
  static const float bad[] = {NAN, INFINITY};
  for (size_t t = 0; gm_kernels_at(t); t++)
    for (size_t i = 0; i < 6; i++) {
      /* An infinity also changes the step of its neighbours. */
      bool words = gm_kernels_at(t)->rounded[GM_TYPE_F32]->form == GM_TILE_WORDS;
      if (words && i % 2 == 1) continue;
      attention_data *d = make_data(&shape, 5);
      size_t n = shape.tq * d->out_row;
      float *clean = run_op_with(gm_kernels_at(t), run, d, d->out, n, "clean");
      float *keys = d->stored_keys[0], *values = d->stored_values[0];
      float *to[] = {d->q + 30 * d->q_row, keys + 10 * d->row, values + 10 * d->row};
      to[i / 2][3] = bad[i % 2];
      float *out = run_op_with(gm_kernels_at(t), run, d, d->out, n, "not finite");
      for (size_t row = 0; row < shape.tq; row++) {
        bool depends = i / 2 == 0 ? row == 30 : row >= 10;
        const float *got = out + row * d->out_row;
        /* A score of -infinity is a weight of 0. */
        bool none = i == 3 && d->q[row * d->q_row + 3] < 0;
        if (depends && !none) assert_true(!isfinite(got[3]));
        if (!depends && i / 2 < 2 && i % 2 == 0)
          assert_same_bits(got, clean + row * d->out_row, shape.head_dim, "another row");
      }
      free(out);
      free(clean);
      free_data(d);
    }
}

/* gm_attention of tq queries, which may round; alone, or as one part after the first span;
 * compared with both ways. */
static void check_way(const gm_kernels *kernels, size_t tq, bool part, gm_way way,
                      bool rounds) {
  attention_data *d = make_data(
      &(attention_case){
          1, tq, 2, 1, 32, 2, {70, 20}, true, GM_TYPE_F16, GM_TYPE_F16, false, GM_WAY_READ},
      9);
  gm_compute *c = compute_open(2, kernels);
  size_t n = tq * d->out_row;
  float *got = zeros(n), *exact = zeros(n), *rounded = zeros(n);
  gm_attention_part own = {d->spans + 1, 1, tq};
  gm_attention_args args = {.q = d->q,
                            .q_row = d->q_row,
                            .spans = d->spans,
                            .n_spans = part ? 1 : 2,
                            .k_type = GM_TYPE_F16,
                            .v_type = GM_TYPE_F16,
                            .tq = tq,
                            .heads = 2,
                            .kv_heads = 1,
                            .head_dim = 32,
                            .scale = 1,
                            .causal = true,
                            .parts = part ? &own : NULL,
                            .n_parts = part,
                            .out = exact,
                            .out_row = d->out_row};
  char what[120];
  snprintf(what, sizeof what, "%s%s: %zu queries, part %d, way %d", kernels->name,
           kernels->features, tq, part, (int)way);
  c->way = way;
  assert_ok(gm_attention(c, &args), c->err);
  args.out = rounded;
  assert_ok(gm_attention_rounded(c, &args), c->err);
  args.out = got;
  args.rounded = true;
  assert_ok(gm_attention(c, &args), c->err);
  assert_same_bits(got, rounds ? rounded : exact, n, what);
  assert_memory_not_equal(exact, rounded, n * sizeof *exact);
  compute_close(c);
  free(got), free(exact), free(rounded);
  free_data(d);
}

/* Steps stay exact, like their products, and words are never used. Nothing is rounded unless
 * allowed. The number of queries does not matter. */
static void test_which_attention_is_rounded(void **state) {
  (void)state;
  for (size_t t = 0; gm_kernels_at(t); t++) {
    const gm_kernels *kernels = gm_kernels_at(t);
    bool bf16 = kernels->rounded[GM_TYPE_F32]->form != GM_TILE_WORDS;
    for (size_t tq = 1; tq <= 19; tq += 6)
      for (int part = 0; part < 2; part++) {
        check_way(kernels, tq, part, GM_WAY_STEP, false);
        check_way(kernels, tq, part, GM_WAY_READ, bf16);
      }
  }
}

/* Two keys whose scores differ by ln 3: weights 1/4 and 3/4, by hand. */
static void test_attention_by_hand(void **state) {
  (void)state;
  gm_compute *c = compute_open(1, NULL);
  float q[] = {1, 0}, k[] = {0, 5, 1.0986123F, -5}, v[] = {8, 0, 0, 4}, out[2];
  gm_kv_span span = {k, v, 2, 2, 2};
  gm_attention_args args = {.q = q,
                            .q_row = 2,
                            .spans = &span,
                            .n_spans = 1,
                            .tq = 1,
                            .heads = 1,
                            .kv_heads = 1,
                            .head_dim = 2,
                            .scale = 1,
                            .out = out,
                            .out_row = 2};
  assert_ok(gm_attention(c, &args), c->err);
  assert_within(out, (double[]){2, 3}, 2, 1e-6, "two keys");
  compute_close(c);
}

/* Scores of +-2000 overflow a naive exponential; the largest key gets all the weight. */
static void test_attention_with_huge_scores(void **state) {
  (void)state;
  enum { KEYS = 300, QUERIES = 6 };
  gm_compute *c = compute_open(2, NULL);
  float q[QUERIES], k[KEYS], v[KEYS], out[QUERIES];
  for (size_t i = 0; i < QUERIES; i++) q[i] = i % 2 ? -2000 : 2000;
  for (size_t j = 0; j < KEYS; j++) {
    k[j] = (float)j / KEYS - 0.5F;
    v[j] = (float)j;
  }
  gm_kv_span span = {k, v, KEYS, 1, 1};
  for (size_t tq = 1; tq <= QUERIES; tq += 5) {
    c->way = tq == 1 ? GM_WAY_STEP : GM_WAY_READ;
    gm_attention_args args = {.q = q,
                              .q_row = 1,
                              .spans = &span,
                              .n_spans = 1,
                              .tq = tq,
                              .heads = 1,
                              .kv_heads = 1,
                              .head_dim = 1,
                              .scale = 1,
                              .out = out,
                              .out_row = 1};
    assert_ok(gm_attention(c, &args), c->err);
    /* Neighbouring scores are 20/3 apart, so the weights fall off by r = exp(-20/3) and move
     * the mean of 0, 1, ... by r / (1 - r) = 0.0012743. */
    for (size_t i = 0; i < tq; i++) {
      double want = i % 2 ? 0.0012743 : 299 - 0.0012743;
      assert_float_equal(out[i], want, 1e-4);
    }
  }
  compute_close(c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_attention_against_double),
      cmocka_unit_test(test_rounded_attention_against_double),
      cmocka_unit_test(test_parts_behind_shared_keys),
      cmocka_unit_test(test_rounded_parts_behind_shared_keys),
      cmocka_unit_test(test_rounded_parts_do_not_show_in_each_other),
      cmocka_unit_test(test_rounded_attention_does_not_show_where_it_was_cut),
      cmocka_unit_test(test_rounded_attention_keeps_what_is_no_number),
      cmocka_unit_test(test_which_attention_is_rounded),
      cmocka_unit_test(test_attention_by_hand),
      cmocka_unit_test(test_attention_with_huge_scores),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
