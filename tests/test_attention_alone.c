/* test_attention_alone.c - causal attention is batch-invariant: each query's result is
 * bit-identical to the one alone, by every table of kernels, with any other queries, spans and
 * shared keys. */
#include "ops_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEQS = 16, HEADS = 4, KV_HEADS = 2, DIM = 32, ROW = KV_HEADS * DIM, MOST_SPANS = 1024 };
enum { WIDTH = HEADS * DIM, SHARED = 700, MOST_KEYS = SHARED + 300 };

/* A sequence's keys and values [keys, ROW] as one block, and its queries [tq, WIDTH], at its
 * last positions. */
typedef struct sequence {
  size_t keys, tq;
  void *k, *v;
  float *q;
} sequence;

/* Sequences whose first SHARED keys are the same, and how they are computed. */
typedef struct sequences {
  gm_type type;
  bool rounded;
  gm_way way;
  sequence each[SEQS];
} sequences;

static void *stored(gm_type type, const float *x, size_t n) {
  void *to = malloc(gm_type_row_bytes(type, n));
  assert_non_null(to);
  gm_type_traits_of(type)->from_float(to, x, n);
  return to;
}

static sequences make_sequences(gm_type type, gm_way way) {
  static const size_t tq[SEQS] = {1, 5, 40, 2, 1, 70, 3, 13, 1, 1, 20, 6, 50, 1, 9, 4};
  static const size_t more[SEQS] = {0,  3,  100, 56,  68, 1,  200, 0,
                                    67, 69, 7,   120, 0,  29, 250, 8};
  sequences s = {.type = type, .way = way};
  gm_rng rng = {7};
  float *k = random_floats(&rng, MOST_KEYS * ROW, -2, 2);
  float *v = random_floats(&rng, MOST_KEYS * ROW, -2, 2);
  for (size_t i = 0; i < SEQS; i++) {
    sequence *to = &s.each[i];
    to->tq = way == GM_WAY_STEP ? 1 : tq[i];
    to->keys = SHARED + more[i] % 230 + to->tq;
    for (size_t j = SHARED * ROW; j < MOST_KEYS * ROW; j++) {
      k[j] = (float)gm_rng_unit(&rng) - 0.5F;
      v[j] = (float)gm_rng_unit(&rng) - 0.5F;
    }
    to->k = stored(type, k, to->keys * ROW);
    to->v = stored(type, v, to->keys * ROW);
    to->q = random_floats(&rng, to->tq * WIDTH, -2, 2);
  }
  free(k);
  free(v);
  return s;
}

static void free_sequences(sequences *s) {
  for (size_t i = 0; i < SEQS; i++) {
    free(s->each[i].k);
    free(s->each[i].v);
    free(s->each[i].q);
  }
}

/* Keys first .. end - 1 of a sequence, the first span and others of `step` keys each. */
static size_t cut_spans(const sequences *s, const sequence *of, size_t first, size_t end,
                        size_t step, gm_kv_span *spans) {
  size_t n_spans = 0;
  for (size_t n; first < end; first += n) {
    size_t bytes = gm_type_row_bytes(s->type, first * ROW);
    n = end - first < step ? end - first : step;
    assert_true(n_spans < MOST_SPANS);
    spans[n_spans++] =
        (gm_kv_span){(const char *)of->k + bytes, (const char *)of->v + bytes, n, ROW, DIM};
  }
  return n_spans;
}

static gm_attention_args args_of(const sequences *s) {
  return (gm_attention_args){.q_row = WIDTH,
                             .k_type = s->type,
                             .v_type = s->type,
                             .heads = HEADS,
                             .kv_heads = KV_HEADS,
                             .head_dim = DIM,
                             .scale = 1 / sqrtf(DIM),
                             .causal = true,
                             .rounded = s->rounded,
                             .out_row = WIDTH};
}

/* Queries first .. end - 1 of a sequence by themselves, its keys cut into spans. */
static void attend_alone(gm_compute *c, const sequences *s, const sequence *of, size_t first,
                         size_t end, size_t step, float *out) {
  gm_kv_span spans[MOST_SPANS];
  gm_attention_args args = args_of(s);
  args.q = of->q + first * WIDTH;
  args.tq = end - first;
  args.spans = spans;
  args.n_spans = cut_spans(s, of, 0, of->keys - of->tq + end, step, spans);
  args.out = out;
  assert_ok(gm_attention(c, &args), c->err);
}

/* The first n sequences in one call; their `common` first keys are given once. */
static void attend_together(gm_compute *c, const sequences *s, size_t n, size_t common,
                            size_t step, float *const *want) {
  gm_kv_span *spans = malloc((SEQS + 1) * MOST_SPANS * sizeof *spans);
  gm_attention_part parts[SEQS];
  gm_attention_args args = args_of(s);
  assert_non_null(spans);
  args.spans = spans;
  args.n_spans = cut_spans(s, &s->each[0], 0, common, step, spans);
  args.parts = parts;
  args.n_parts = n;
  for (size_t i = 0; i < n; i++) {
    gm_kv_span *own = spans + (i + 1) * MOST_SPANS;
    size_t n_own = cut_spans(s, &s->each[i], common, s->each[i].keys, step + i, own);
    parts[i] = (gm_attention_part){own, n_own, s->each[i].tq};
    args.tq += s->each[i].tq;
  }
  float *q = zeros(args.tq * WIDTH), *out = zeros(args.tq * WIDTH), *at = q;
  for (size_t i = 0; i < n; at += s->each[i++].tq * WIDTH)
    memcpy(at, s->each[i].q, s->each[i].tq * WIDTH * sizeof *q);
  args.q = q;
  args.out = out;
  assert_ok(gm_attention(c, &args), c->err);
  char what[160];
  at = out;
  for (size_t i = 0; i < n; at += s->each[i++].tq * WIDTH) {
    snprintf(what, sizeof what,
             "%s%s type %d way %d rounded %d: sequence %zu of %zu, %zu in common, spans of %zu",
             c->kernels->name, c->kernels->features, s->type, (int)s->way, s->rounded, i, n,
             common, step);
    assert_same_bits(at, want[i], s->each[i].tq * WIDTH, what);
  }
  free(spans);
  free(q);
  free(out);
}

static void check(gm_compute *c, const sequences *s) {
  static const size_t counts[] = {1, 2, 3, 5, 8, 9, 16};
  static const size_t commons[] = {SHARED, 0, 256, 300, 17, 128, 640};
  float *want[SEQS], *again = zeros(MOST_KEYS * WIDTH);
  c->way = s->way;
  for (size_t i = 0; i < SEQS; i++) {
    const sequence *of = &s->each[i];
    want[i] = zeros(of->tq * WIDTH);
    attend_alone(c, s, of, 0, of->tq, MOST_KEYS, want[i]);
    /* The keys in other spans; and the queries in several calls. */
    size_t step = 3 + 41 * (i % 5), cut = of->tq / 3;
    attend_alone(c, s, of, 0, cut, step + 1, again);
    attend_alone(c, s, of, cut, of->tq, step, again + cut * WIDTH);
    assert_same_bits(again, want[i], of->tq * WIDTH, "in several calls");
  }
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    attend_together(c, s, counts[i], commons[i], 128, want);
    attend_together(c, s, counts[i], commons[(i + 3) % 7], 9, want);
  }
  for (size_t i = 0; i < SEQS; i++) free(want[i]);
  free(again);
}

static void check_way(gm_way way) {
  static const gm_type types[] = {GM_TYPE_F32, GM_TYPE_F16, GM_TYPE_Q8_0};
  for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
    sequences s = make_sequences(types[t], way);
    for (size_t i = 0; gm_kernels_at(i); i++)
      for (int rounded = 0; rounded < 2; rounded++) {
        gm_compute *c = compute_open(2, gm_kernels_at(i));
        s.rounded = rounded;
        check(c, &s);
        compute_close(c);
      }
    free_sequences(&s);
  }
}

static void test_reading(void **state) {
  (void)state;
  check_way(GM_WAY_READ);
}

static void test_steps(void **state) {
  (void)state;
  check_way(GM_WAY_STEP);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_reading),
      cmocka_unit_test(test_steps),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
