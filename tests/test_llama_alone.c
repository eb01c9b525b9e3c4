/* test_llama_alone.c - a sequence's logits are bit-identical alone and beside up to 15 others,
 * read and in steps of decoding: by every table of kernels, for weights and caches of every
 * type, after a shared prefix and after one that is not shared. */
#include "ops_support.h"
#include "scene_support.h"

#include "rng.h"
#include "row_tree.h"

#include <stdlib.h>
#include <string.h>

enum {
  SEQS = 16,
  PREFIX = 70,
  MOST_OWN = 20,
  STEPS = 2,
  MOST_ROWS = PREFIX + MOST_OWN + STEPS
};

/* The input of one model, rows [SEQS][MOST_ROWS], and the logits of each sequence alone,
 * [SEQS][1 + STEPS][vocab]. */
typedef struct fixture {
  const gm_llama *llama;
  gm_kv_shape shape;
  gm_compute *c;
  gm_llama_row rows[SEQS][MOST_ROWS];
  size_t own[SEQS]; /* rows read after the prefix; then STEPS follow */
  float *alone;
} fixture;

static float *logits_at(const fixture *f, float *logits, size_t seq, size_t step) {
  return logits + (seq * (1 + STEPS) + step) * f->llama->vocab;
}

static float *new_logits(const fixture *f) {
  return zeros(SEQS * (1 + STEPS) * f->llama->vocab);
}

static void make_rows(fixture *f) {
  gm_rng rng = {5};
  for (size_t i = 0; i < SEQS; i++) {
    f->own[i] = i % 3 == 0 ? 1 + i % 2 : 2 + gm_rng_u64(&rng) % (MOST_OWN - 1);
    for (size_t j = 0; j < MOST_ROWS; j++) {
      int32_t id = (int32_t)(gm_rng_u64(&rng) % f->llama->vocab);
      /* The prefix is the same for all, and so are the next rows of some. */
      bool same = i > 0 && (j < PREFIX || (i % 4 == 1 && j < PREFIX + 5));
      f->rows[i][j] = same ? f->rows[0][j] : (gm_llama_row){NULL, id};
    }
  }
}

static void forward(const fixture *f, const gm_llama_run *runs, size_t n) {
  assert_ok(gm_llama_forward(f->llama, f->c, runs, n, NULL, NULL), f->c->err);
}

/* Most continue from one prefix; reading it together with the rows gives the same. */
static void read_alone(fixture *f, size_t n_seqs) {
  gm_kv_seq prefix = {.shape = f->shape};
  forward(f, &(gm_llama_run){&prefix, f->rows[0], PREFIX, NULL, NULL}, 1);
  for (size_t i = 0; i < n_seqs; i++) {
    gm_kv_seq seq = {.shape = f->shape};
    if (i % 5 != 2) assert_ok(gm_kv_fork(&seq, &prefix, f->c->err), f->c->err);
    const gm_llama_row *rows = f->rows[i];
    size_t n = PREFIX + f->own[i], done = seq.n;
    float *logits = logits_at(f, f->alone, i, 0);
    forward(f, &(gm_llama_run){&seq, rows + done, n - done, logits, NULL}, 1);
    for (size_t s = 1; s <= STEPS; s++, n++) {
      gm_llama_run run = {&seq, rows + n, 1, logits_at(f, f->alone, i, s), NULL};
      assert_ok(gm_llama_step(f->llama, f->c, &run, 1), f->c->err);
    }
    gm_kv_clear(&seq);
  }
  gm_kv_clear(&prefix);
}

/* The first n sequences, each `apart`-th of which has a prefix of its own in memory. */
static void check_together(fixture *f, size_t n, size_t apart, bool tree_of_all) {
  gm_kv_seq shared = {.shape = f->shape, .least = 17}, seqs[SEQS];
  gm_llama_run runs[SEQS];
  float *logits = new_logits(f);
  forward(f, &(gm_llama_run){&shared, f->rows[0], 33, NULL, NULL}, 1);
  forward(f, &(gm_llama_run){&shared, f->rows[0] + 33, PREFIX - 33, NULL, NULL}, 1);
  for (size_t i = 0; i < n; i++) {
    bool own = !tree_of_all && i % apart == apart - 1;
    seqs[i] = (gm_kv_seq){.shape = f->shape};
    if (own)
      forward(f, &(gm_llama_run){&seqs[i], f->rows[0], PREFIX, NULL, NULL}, 1);
    else
      assert_ok(gm_kv_fork(&seqs[i], &shared, f->c->err), f->c->err);
    runs[i] = (gm_llama_run){&seqs[i], f->rows[i] + PREFIX, f->own[i],
                             logits_at(f, logits, i, 0), NULL};
  }
  if (tree_of_all) {
    gm_row_tree tree;
    assert_ok(gm_row_tree_grow(&tree, runs, n, f->c->err), f->c->err);
    forward(f, tree.runs, tree.n);
    gm_row_tree_free(&tree);
  } else {
    forward(f, runs, n);
  }
  for (size_t s = 1; s <= STEPS; s++) {
    for (size_t i = 0; i < n; i++)
      runs[i] = (gm_llama_run){&seqs[i], f->rows[i] + PREFIX + f->own[i] + s - 1, 1,
                               logits_at(f, logits, i, s), NULL};
    assert_ok(gm_llama_step(f->llama, f->c, runs, n), f->c->err);
  }
  for (size_t i = 0; i < n; i++) {
    for (size_t s = 0; s <= STEPS; s++)
      if (memcmp(logits_at(f, logits, i, s), logits_at(f, f->alone, i, s),
                 f->llama->vocab * sizeof *logits) != 0)
        fail_msg("%s%s, weights %d, cache %d: sequence %zu of %zu has other logits at step %zu",
                 f->c->kernels->name, f->c->kernels->features, f->llama->layers[0].q.type,
                 f->shape.k_type, i, n, s);
    gm_kv_clear(&seqs[i]);
  }
  gm_kv_clear(&shared);
  free(logits);
}

static void check_kernels(const gm_groma *groma, gm_type cache, const gm_kernels *kernels) {
  static const size_t counts[] = {1, 2, 3, 5, 8, 9, SEQS};
  size_t n = sizeof counts / sizeof *counts;
  if (strcmp(kernels->name, "ref") == 0) n = 3; /* plain C is slow */
  fixture f = {.llama = groma->llama, .shape = groma->kv_shape, .c = compute_open(2, kernels)};
  f.shape.k_type = f.shape.v_type = cache;
  f.alone = new_logits(&f);
  make_rows(&f);
  read_alone(&f, counts[n - 1]);
  for (size_t i = n == 3 ? 2 : 0; i < n; i++) check_together(&f, counts[i], 6, i % 2 == 1);
  compute_close(f.c);
  free(f.alone);
}

/* As gm_kernels_fast has it: weights in F32 are rounded like others. */
static gm_kernels rounding(const gm_kernels *kernels) {
  gm_kernels copy = *kernels;
  copy.rounds[GM_TYPE_F32] = copy.rounds[GM_TYPE_F16];
  return copy;
}

static void check_type(const char *name, gm_type cache) {
  gm_model *model = test_model(GM_TEST_DATA "/models/groma-mini", name, NULL);
  for (size_t i = 0; gm_kernels_at(i); i++) {
    gm_kernels fast = rounding(gm_kernels_at(i));
    check_kernels(model->groma, cache, gm_kernels_at(i));
    if (strcmp(name, "f32") == 0 && fast.rounds[GM_TYPE_F32])
      check_kernels(model->groma, cache, &fast);
  }
  gm_model_free(model);
}

static void test_floats(void **state) {
  (void)state;
  check_type("f32", GM_TYPE_F32);
  check_type("f16", GM_TYPE_F16);
  check_type("bf16", GM_TYPE_Q8_0);
}

static void test_blocks(void **state) {
  (void)state;
  check_type("q8_0", GM_TYPE_F16);
  check_type("q4_0", GM_TYPE_Q8_0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_floats),
      cmocka_unit_test(test_blocks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
