/* test_linear_bwd.c - linear layers that learn: the forward and every gradient against a plain
 * f64 forward and its central differences, and the same bits for any number of threads.
 *
 * The loss is the sum of y * dy, which is linear in each single number that it depends on. So a
 * central difference has no truncation error, whatever its step, and in f64 its rounding is far
 * below that of f32. */
#include "ops_support.h"

#include "ops_bwd.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 60 }; /* elements of a tensor that are checked */

/* y = x w^T + bias + scale * (x a^T) b^T; w are rows [first, first + n) of a tensor of `all`
 * rows. Rows of x, y and their gradients are `gap` longer than they need be. */
typedef struct layer {
  size_t m, n, k, rank, first, all, gap;
  gm_tensor whole, w;
  float *x, *bias, *dy, *a, *b, scale;
  void *bytes;
  double *xd, *wd, *biasd, *ad, *bd; /* the same in f64, and the differences' point */
  float *dw, *dbias, *da, *db;       /* sums; dw and db of all rows */
  bool kept;                         /* the pair is the tensor's own, and does not learn */
  gm_pair own;
  gm_lora pair;
  gm_learned learned[2];
  gm_learned_set set;
} layer;

static double *doubles(const float *x, size_t n) {
  double *y = malloc((n ? n : 1) * sizeof *y);
  assert_non_null(y);
  for (size_t i = 0; i < n; i++) y[i] = (double)x[i];
  return y;
}

static void make_weights(layer *l, gm_type type, gm_rng *rng) {
  const gm_type_traits *traits = gm_type_traits_of(type);
  float *w = random_floats(rng, l->all * l->k, -0.5F, 0.5F);
  l->whole = (gm_tensor){.type = type,
                         .n_dims = 2,
                         .shape = {l->all, l->k, 1, 1},
                         .row_bytes = gm_type_row_bytes(type, l->k)};
  l->whole.data = l->bytes = malloc(l->all * l->whole.row_bytes);
  assert_non_null(l->bytes);
  traits->from_float(l->bytes, w, l->all * l->k);
  traits->to_float(w, l->bytes, l->all * l->k);
  l->w = gm_tensor_slice(&l->whole, l->first, l->n);
  l->wd = doubles(w + l->first * l->k, l->n * l->k);
  free(w);
}

/* learns: w (then F32) and the bias; rank > 0: the pair. */
static void make_layer(layer *l, gm_type type, bool learns, uint64_t seed) {
  gm_rng rng = {seed};
  l->all = l->first + l->n + 3;
  make_weights(l, type, &rng);
  l->x = random_floats(&rng, l->m * (l->k + l->gap), -0.5F, 0.5F);
  l->dy = random_floats(&rng, l->m * (l->n + l->gap), -0.5F, 0.5F);
  l->bias = random_floats(&rng, l->n, -0.5F, 0.5F);
  l->a = random_floats(&rng, l->rank * l->k, -0.5F, 0.5F);
  l->b = random_floats(&rng, l->all * l->rank, -0.5F, 0.5F);
  l->scale = l->kept ? 1 : 0.75F;
  l->own = (gm_pair){l->rank, l->a, l->b, l->bytes};
  if (l->kept) l->w.pair = &l->own;
  l->xd = doubles(l->x, l->m * (l->k + l->gap)), l->biasd = doubles(l->bias, l->n);
  l->ad = doubles(l->a, l->rank * l->k);
  l->bd = doubles(l->b + l->first * l->rank, l->n * l->rank);
  /* Gradients are added to what is there. */
  l->dw = random_floats(&rng, l->all * l->k, -0.5F, 0.5F);
  l->dbias = random_floats(&rng, l->n, -0.5F, 0.5F);
  l->da = random_floats(&rng, l->rank * l->k, -0.5F, 0.5F);
  l->db = random_floats(&rng, l->all * l->rank, -0.5F, 0.5F);
  l->pair = (gm_lora){l->rank, l->scale, l->a, l->b, l->da, l->db};
  gm_learned *w = &l->learned[l->set.n++];
  *w = (gm_learned){.weights = l->bytes, .bytes = l->all * l->whole.row_bytes};
  if (learns) w->gradient = l->dw;
  if (l->rank && !l->kept) w->lora = &l->pair;
  if (!learns && !w->lora) l->set.n--;
  if (learns)
    l->learned[l->set.n++] =
        (gm_learned){.weights = l->bias, .bytes = l->n * sizeof(float), .gradient = l->dbias};
  l->set.all = l->learned;
  gm_learned_set_sort(&l->set);
}

static void free_layer(layer *l) {
  free(l->bytes), free(l->x), free(l->dy), free(l->bias), free(l->a), free(l->b);
  free(l->xd), free(l->wd), free(l->biasd), free(l->ad), free(l->bd);
  free(l->dw), free(l->dbias), free(l->da), free(l->db);
}

static double y_at(const layer *l, size_t i, size_t j) {
  const double *x = l->xd + i * (l->k + l->gap);
  double sum = l->biasd[j];
  for (size_t c = 0; c < l->k; c++) sum += x[c] * l->wd[j * l->k + c];
  for (size_t r = 0; r < l->rank; r++) {
    double inner = 0;
    for (size_t c = 0; c < l->k; c++) inner += x[c] * l->ad[r * l->k + c];
    sum += (double)l->scale * inner * l->bd[j * l->rank + r];
  }
  return sum;
}

/* The part of the loss that lies in rows [i0, i1) and columns [j0, j1) of y. */
static double loss_of(const layer *l, size_t i0, size_t i1, size_t j0, size_t j1) {
  double sum = 0;
  for (size_t i = i0; i < i1; i++)
    for (size_t j = j0; j < j1; j++)
      sum += y_at(l, i, j) * (double)l->dy[i * (l->n + l->gap) + j];
  return sum;
}

/* The loss's derivative by *at, which changes only this part of y. */
static double difference(const layer *l, double *at, size_t i0, size_t i1, size_t j0,
                         size_t j1) {
  double before = *at;
  *at = before + 0.5;
  double up = loss_of(l, i0, i1, j0, j1);
  *at = before - 0.5;
  double down = loss_of(l, i0, i1, j0, j1);
  *at = before;
  return up - down;
}

/* A chain of `terms` sums whose terms are at most `term` is off by terms * UNIT of terms * term
 * at most; the sum is added to a number below 0.5. */
static double chain_error(size_t terms, double term) {
  double n = (double)terms + 2;
  return n * UNIT * (n * term + 0.5);
}

static void check(double got, double want, double bound, const char *what, size_t i) {
  if (!(fabs(got - want) <= bound))
    fail_msg("%s: element %zu is %.9g, wanted %.9g, allowed %.3g", what, i, got, want, bound);
}

typedef struct results {
  float *y, *dx, *dw, *dbias, *da, *db;
} results;

static float *copy_of(const float *x, size_t n) {
  float *y = zeros(n);
  if (n) memcpy(y, x, n * sizeof *y);
  return y;
}

/* Both passes with the layer's sums as they were; y and dx begin as given. */
static results run_layer(layer *l, unsigned threads, const gm_kernels *kernels, bool bf16,
                         bool add) {
  gm_compute *c = compute_open(threads, kernels);
  gm_error err = {0};
  c->err = &err;
  gm_training t = {.c = c, .learned = &l->set, .bf16 = bf16};
  size_t ldx = l->k + l->gap, ldy = l->n + l->gap;
  results r = {zeros(l->m * ldy),
               copy_of(l->x, l->m * ldx), /* any numbers, to be added to */
               copy_of(l->dw, l->all * l->k),
               copy_of(l->dbias, l->n),
               copy_of(l->da, l->rank * l->k),
               copy_of(l->db, l->all * l->rank)};
  for (size_t i = 0; i < l->set.n; i++) {
    gm_learned *one = &l->learned[i];
    if (one->gradient) one->gradient = one->weights == l->bytes ? r.dw : r.dbias;
    one->reached = false;
  }
  l->pair.gradient_a = r.da, l->pair.gradient_b = r.db;
  assert_ok(gm_linear_train(&t, &l->w, l->bias, l->x, ldx, l->m, r.y, ldy), &err);
  assert_ok(gm_linear_back(&t, &l->w, l->bias, l->x, ldx, l->dy, ldy, l->m, r.dx, ldx, add),
            &err);
  for (size_t i = 0; i < l->set.n; i++) assert_true(l->learned[i].reached);
  compute_close(c);
  return r;
}

static void free_results(results *r) {
  free(r->y), free(r->dx), free(r->dw), free(r->dbias), free(r->da), free(r->db);
}

/* Relative error of a term's two factors when they are rounded: none, or bf16's. */
static double rounding_of(bool bf16) {
  return bf16 ? 0x1p-8 + 0x1p-16 : 0;
}

static void check_outputs(const layer *l, const results *r, double bound, const char *what) {
  size_t ldx = l->k + l->gap, ldy = l->n + l->gap;
  for (size_t i = 0; i < l->m; i++) {
    for (size_t j = 0; j < l->n; j++)
      check((double)r->y[i * ldy + j], y_at(l, i, j), bound, what, i * l->n + j);
    for (size_t g = 0; g < l->gap; g++) {
      assert_true(r->y[i * ldy + l->n + g] == 0);
      assert_true(r->dx[i * ldx + l->k + g] == l->x[i * ldx + l->k + g]);
    }
  }
}

static size_t step_of(size_t n) {
  return n > SAMPLES ? n / SAMPLES : 1;
}

static void check_layer(layer *l, const results *r, bool learns, bool add, bool bf16,
                        const char *name) {
  char what[128];
  size_t ldx = l->k + l->gap, m = l->m, n = l->n, k = l->k, rank = l->rank;
  /* The pair's product is a chain of `rank` terms, each a chain of k: its inner numbers are at
   * most k / 4, and their error goes through the outer chain. */
  double inner = 0.25 * (double)k * (double)l->scale, widest = inner * 0.5 * (double)rank;
  size_t longest = m > n ? m : n;
  longest = (longest > k ? longest : k) + rank;
  double bound = chain_error(longest, 0.25) + (double)longest * 0.25 * rounding_of(bf16) +
                 (rank ? chain_error(longest, inner) * (double)(rank + 1) + UNIT * widest : 0);

  (void)snprintf(what, sizeof what, "%s: y", name);
  check_outputs(l, r, bound, what);
  for (size_t i = 0; i < m * k; i += step_of(m * k)) {
    size_t row = i / k, at = row * ldx + i % k;
    double want = difference(l, &l->xd[at], row, row + 1, 0, n);
    (void)snprintf(what, sizeof what, "%s: dx", name);
    check((double)r->dx[at], want + (add ? (double)l->x[at] : 0), bound, what, i);
  }
  for (size_t i = 0; i < n * k; i += step_of(n * k)) {
    size_t at = l->first * k + i;
    double want = learns ? difference(l, &l->wd[i], 0, m, i / k, i / k + 1) : 0;
    (void)snprintf(what, sizeof what, "%s: dw", name);
    check((double)r->dw[at], want + (double)l->dw[at], learns ? bound : 0, what, i);
  }
  for (size_t i = 0; i < l->first * k; i++) assert_true(r->dw[i] == l->dw[i]);
  for (size_t i = 0; i < n; i += step_of(n)) {
    double want = learns ? difference(l, &l->biasd[i], 0, m, i, i + 1) : 0;
    (void)snprintf(what, sizeof what, "%s: dbias", name);
    check((double)r->dbias[i], want + (double)l->dbias[i], learns ? bound : 0, what, i);
  }
  for (size_t i = 0; i < rank * k; i += step_of(rank * k)) {
    double want = l->kept ? 0 : difference(l, &l->ad[i], 0, m, 0, n);
    (void)snprintf(what, sizeof what, "%s: da", name);
    check((double)r->da[i], want + (double)l->da[i], bound, what, i);
  }
  for (size_t i = 0; i < n * rank; i += step_of(n * rank)) {
    size_t at = l->first * rank + i;
    double want = l->kept ? 0 : difference(l, &l->bd[i], 0, m, i / rank, i / rank + 1);
    (void)snprintf(what, sizeof what, "%s: db", name);
    check((double)r->db[at], want + (double)l->db[at], bound, what, i);
  }
}

typedef struct shape {
  gm_type type;
  bool learns;
  size_t m, n, k, rank, first, gap;
  bool kept;
} shape;

static const shape shapes[] = {
    {GM_TYPE_F32, true, 1, 1, 1, 0, 0, 0, false},
    {GM_TYPE_F32, true, 7, 33, 65, 0, 2, 3, false},
    {GM_TYPE_F32, true, 31, 5, 17, 0, 0, 1, false},
    {GM_TYPE_F32, true, 45, 70, 129, 0, 1, 0, false},
    {GM_TYPE_F16, false, 13, 37, 50, 0, 0, 0, false},
    {GM_TYPE_Q8_0, false, 9, 21, 96, 0, 3, 2, false},
    {GM_TYPE_Q4_K, false, 5, 40, 512, 0, 1, 0, false},
    {GM_TYPE_F32, true, 11, 19, 40, 4, 2, 1, false},
    {GM_TYPE_Q4_K, false, 6, 15, 256, 3, 4, 0, false},
    {GM_TYPE_F16, false, 12, 35, 33, 8, 0, 0, false},
    {GM_TYPE_Q8_0, false, 9, 20, 64, 4, 2, 1, true},
    {GM_TYPE_F32, true, 10, 17, 30, 3, 1, 0, true},
};

static void layer_of(layer *l, const shape *s, uint64_t seed) {
  *l = (layer){.m = s->m,
               .n = s->n,
               .k = s->k,
               .rank = s->rank,
               .first = s->first,
               .gap = s->gap,
               .kept = s->kept};
  make_layer(l, s->type, s->learns, seed);
}

static void check_shape(const shape *s, const gm_kernels *kernels, bool bf16, bool add) {
  char name[96];
  layer l;
  layer_of(&l, s, s->m + s->n);
  (void)snprintf(name, sizeof name, "%s%s %s m %zu n %zu k %zu rank %zu", kernels->name,
                 bf16 ? " bf16" : "", gm_type_traits_of(s->type)->name, s->m, s->n, s->k,
                 s->rank);
  results r = run_layer(&l, 2, kernels, bf16, add);
  check_layer(&l, &r, s->learns, add, bf16, name);
  free_results(&r);
  free_layer(&l);
}

static void gradients(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
    check_shape(&shapes[i], gm_kernels_best(), false, i % 2 == 0);
}

/* Factors are rounded to bf16 where the processor has instructions for it. */
static void gradients_bf16(void **state) {
  (void)state;
  static const size_t chosen[] = {1, 3, 4, 6};
  for (size_t i = 0; i < sizeof chosen / sizeof chosen[0]; i++)
    check_shape(&shapes[chosen[i]], gm_kernels_best(), true, false);
}

static void gradients_of_all_kernels(void **state) {
  (void)state;
  const gm_kernels *kernels;
  for (size_t i = 0; (kernels = gm_kernels_at(i)); i++) {
    check_shape(&shapes[1], kernels, false, true);
    check_shape(&shapes[1], kernels, true, true);
    check_shape(&shapes[8], kernels, false, true);
  }
}

static void check_threads(const shape *s, bool bf16) {
  layer l;
  layer_of(&l, s, 5);
  results one = run_layer(&l, 1, NULL, bf16, true);
  for (unsigned threads = 2; threads <= 3; threads++) {
    results r = run_layer(&l, threads, NULL, bf16, true);
    assert_same_bits(r.y, one.y, l.m * (l.n + l.gap), "y");
    assert_same_bits(r.dx, one.dx, l.m * (l.k + l.gap), "dx");
    assert_same_bits(r.dw, one.dw, l.all * l.k, "dw");
    assert_same_bits(r.dbias, one.dbias, l.n, "dbias");
    assert_same_bits(r.da, one.da, l.rank * l.k, "da");
    assert_same_bits(r.db, one.db, l.all * l.rank, "db");
    free_results(&r);
  }
  free_results(&one);
  free_layer(&l);
}

static void same_bits_for_any_threads(void **state) {
  (void)state;
  for (int bf16 = 0; bf16 < 2; bf16++) {
    check_threads(&(shape){GM_TYPE_F32, true, 150, 131, 257, 5, 3, 2, false}, bf16);
    check_threads(&(shape){GM_TYPE_F32, true, 1030, 70, 90, 0, 0, 0, false}, bf16);
    check_threads(&(shape){GM_TYPE_Q4_K, false, 66, 600, 256, 8, 0, 0, false}, bf16);
  }
}

/* Long enough for k to be cut, and more rows than a block has. */
static void long_sums(void **state) {
  (void)state;
  check_shape(&(shape){GM_TYPE_F32, true, 1100, 40, 30, 0, 0, 0, false}, gm_kernels_best(),
              false, true);
  check_shape(&(shape){GM_TYPE_F32, true, 20, 50, 1300, 0, 0, 0, false}, gm_kernels_best(),
              false, true);
  check_shape(&(shape){GM_TYPE_Q8_0, false, 20, 1200, 64, 0, 0, 0, false}, gm_kernels_best(),
              false, true);
}

static void rows_of_a_table(void **state) {
  (void)state;
  enum { ROWS = 9, DIM = 300, N = 7, LD = DIM + 2 };
  static const int32_t ids[N] = {3, 0, 3, 8, 3, 1, 0};
  gm_rng rng = {4};
  float *table = random_floats(&rng, (size_t)ROWS * DIM, -1, 1);
  float *dy = random_floats(&rng, (size_t)N * LD, -1, 1), *gradient = zeros((size_t)ROWS * DIM);
  gm_tensor tensor = f32_matrix(table, ROWS, DIM);
  gm_learned learned = {
      .weights = table, .bytes = (size_t)ROWS * DIM * sizeof(float), .gradient = gradient};
  gm_learned_set set = {&learned, 1};
  gm_compute *c = compute_open(2, NULL);
  gm_training t = {.c = c, .learned = &set};
  for (int times = 1; times <= 2; times++) {
    gm_get_rows_back(&t, &tensor, ids, N, dy, LD);
    for (int32_t row = 0; row < ROWS; row++)
      for (size_t d = 0; d < DIM; d++) {
        double want = 0;
        for (size_t i = 0; i < N; i++)
          if (ids[i] == row) want += times * (double)dy[i * LD + d];
        /* At most six terms below 1. */
        check((double)gradient[(size_t)row * DIM + d], want, 36 * UNIT, "table", d);
      }
  }
  assert_true(learned.reached);
  set.n = 0; /* frozen: nothing to do */
  gm_get_rows_back(&t, &tensor, ids, N, dy, LD);
  compute_close(c);
  free(table), free(dy), free(gradient);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(gradients),
                                     cmocka_unit_test(gradients_bf16),
                                     cmocka_unit_test(gradients_of_all_kernels),
                                     cmocka_unit_test(same_bits_for_any_threads),
                                     cmocka_unit_test(long_sums),
                                     cmocka_unit_test(rows_of_a_table)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
