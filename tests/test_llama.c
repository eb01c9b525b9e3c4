/* test_llama.c - the language model by itself: the logits are bit-identical however its rows
 * are split into calls, batches and shared caches. The tests of scenes check their values. */
#include "scene_support.h"

#include "rng.h"
#include "row_tree.h"

#include <stdlib.h>
#include <string.h>

static gm_model *mini;
static const gm_groma *groma;
static const gm_llama *llama;

static void assert_same_logits(const float *a, const float *b) {
  assert_memory_equal(a, b, llama->vocab * sizeof *a);
}

static int open_model(void **state) {
  (void)state;
  mini = test_model(GM_REFERENCE_MINI, NULL, NULL);
  groma = mini->groma;
  llama = groma->llama;
  return 0;
}

static int close_model(void **state) {
  (void)state;
  gm_model_free(mini);
  return 0;
}

/* n rows, every fifth a vector, every seventh an added token. */
static gm_llama_row *random_rows(uint64_t seed, size_t n, float **vectors) {
  gm_rng rng = {seed};
  gm_llama_row *rows = malloc(n * sizeof *rows);
  *vectors = malloc(n * llama->dim * sizeof **vectors);
  assert_non_null(rows);
  assert_non_null(*vectors);
  for (size_t i = 0; i < n; i++) {
    float *vector = *vectors + i * llama->dim;
    for (size_t k = 0; k < llama->dim; k++) vector[k] = (float)gm_rng_unit(&rng) - 0.5f;
    size_t added = llama->base_vocab + gm_rng_u64(&rng) % (llama->vocab - llama->base_vocab);
    size_t plain = gm_rng_u64(&rng) % llama->base_vocab;
    rows[i] = (gm_llama_row){i % 5 == 4 ? vector : NULL, (int32_t)(i % 7 ? plain : added)};
  }
  return rows;
}

static gm_kv_seq empty_seq(void) {
  return (gm_kv_seq){.shape = groma->kv_shape};
}

static void forward(const gm_llama_run *runs, size_t n) {
  gm_error err;
  gm_compute *c = test_enter(mini, NULL, &err);
  assert_ok(gm_llama_forward(llama, c, runs, n, NULL, NULL), &err);
  test_leave();
}

static void step(const gm_llama_run *runs, size_t n) {
  gm_error err;
  gm_compute *c = test_enter(mini, NULL, &err);
  assert_ok(gm_llama_step(llama, c, runs, n), &err);
  test_leave();
}

/* Logits after rows[n], in one call on a sequence of its own; free() them. */
static float *logits_of(const gm_llama_row *rows, size_t n) {
  float *logits = malloc(llama->vocab * sizeof *logits);
  assert_non_null(logits);
  gm_kv_seq seq = empty_seq();
  forward(&(gm_llama_run){&seq, rows, n, logits, NULL}, 1);
  assert_int_equal(seq.n, n);
  gm_kv_clear(&seq);
  return logits;
}

static void pieces_equal_the_whole(void **state) {
  (void)state;
  enum { N = 60 };
  float *vectors, logits[2000];
  gm_llama_row *rows = random_rows(1, N, &vectors);
  float *whole = logits_of(rows, N);
  gm_kv_seq seq = empty_seq();
  for (size_t at = 0, n; at < N; at += n) {
    n = at < 20 ? 1 : at < 40 ? 7 : N - at;
    forward(&(gm_llama_run){&seq, rows + at, n, logits, NULL}, 1);
  }
  assert_same_logits(logits, whole);
  gm_kv_clear(&seq);
  free(whole);
  free(rows);
  free(vectors);
}

static void long_input_is_cut_into_batches(void **state) {
  (void)state;
  enum { N = 900 }; /* more than the rows of one batch */
  float *vectors, logits[2000];
  gm_llama_row *rows = random_rows(2, N, &vectors);
  float *whole = logits_of(rows, N);
  gm_kv_seq seq = empty_seq();
  forward(&(gm_llama_run){&seq, rows, 500, NULL, NULL}, 1);
  forward(&(gm_llama_run){&seq, rows + 500, N - 500, logits, NULL}, 1);
  assert_same_logits(logits, whole);
  gm_kv_clear(&seq);
  free(whole);
  free(rows);
  free(vectors);
}

static void a_batch_equals_one_after_another(void **state) {
  (void)state;
  enum { SEQS = 4, PREFIX = 30 };
  const size_t lengths[SEQS] = {1, 40, 3, 730}; /* the last one spans two batches */
  float *vectors[SEQS + 1], *logits[SEQS];
  gm_llama_row *prefix = random_rows(3, PREFIX, &vectors[SEQS]), *rows[SEQS];
  gm_error err;
  gm_kv_seq shared = empty_seq(), seqs[SEQS];
  forward(&(gm_llama_run){&shared, prefix, PREFIX, NULL, NULL}, 1);
  gm_llama_run runs[SEQS];
  for (size_t i = 0; i < SEQS; i++) {
    rows[i] = random_rows(10 + i, lengths[i], &vectors[i]);
    logits[i] = malloc(llama->vocab * sizeof *logits[i]);
    assert_ok(gm_kv_fork(&seqs[i], &shared, &err), &err);
    runs[i] = (gm_llama_run){&seqs[i], rows[i], lengths[i], logits[i], NULL};
  }
  forward(runs, SEQS);
  for (size_t i = 0; i < SEQS; i++) {
    gm_llama_row *all = malloc((PREFIX + lengths[i]) * sizeof *all);
    assert_non_null(all);
    memcpy(all, prefix, PREFIX * sizeof *all);
    memcpy(all + PREFIX, rows[i], lengths[i] * sizeof *all);
    float *alone = logits_of(all, PREFIX + lengths[i]);
    assert_same_logits(logits[i], alone);
    assert_int_equal(seqs[i].n, PREFIX + lengths[i]);
    gm_kv_clear(&seqs[i]);
    free(alone);
    free(all);
    free(rows[i]);
    free(vectors[i]);
    free(logits[i]);
  }
  gm_kv_clear(&shared);
  free(prefix);
  free(vectors[SEQS]);
}

static bool count_down(void *user) {
  return (*(int *)user)-- <= 0;
}

/* Common prefixes are computed once. Rows, letters for ids: abcdx.., abcdy, abe, abcd, f, abcdx
 */
static void a_tree_equals_one_after_another(void **state) {
  (void)state;
  enum { SEQS = 6, PREFIX = 12, LONG = 790, OWN = 5 };
  static const char *const begin[SEQS] = {"abcdx", "abcdy", "abe", "abcd", "f", "abcdx"};
  float *vectors, *logits[SEQS];
  gm_llama_row *filler = random_rows(3, PREFIX + OWN + LONG, &vectors), *rows[SEQS];
  gm_error err;
  gm_kv_seq shared = empty_seq(), seqs[SEQS];
  forward(&(gm_llama_run){&shared, filler, PREFIX, NULL, NULL}, 1);
  gm_llama_run runs[SEQS];
  for (size_t i = 0; i < SEQS; i++) {
    size_t own = strlen(begin[i]), n = own + (i == 0 ? LONG : 0); /* one spans two batches */
    rows[i] = malloc((PREFIX + n) * sizeof *rows[i]);
    logits[i] = malloc(llama->vocab * sizeof *logits[i]);
    memcpy(rows[i], filler, (PREFIX + n) * sizeof *filler);
    for (size_t j = 0; j < own; j++) rows[i][PREFIX + j] = (gm_llama_row){NULL, begin[i][j]};
    if (i == 0) rows[i][PREFIX + own].vector = vectors; /* a vector begins what is its own */
    assert_ok(gm_kv_fork(&seqs[i], &shared, &err), &err);
    runs[i] = (gm_llama_run){&seqs[i], rows[i] + PREFIX, n, logits[i], NULL};
  }
  gm_row_tree tree;
  assert_ok(gm_row_tree_grow(&tree, runs, SEQS, &err), &err);
  size_t all = 0;
  for (size_t i = 0; i < tree.n; i++) all += tree.runs[i].n;
  /* ab; e; c; d of abcd; d; x of the last, x of the first and the rest of it, y; f. The last x
   * is the end of a run, so it is computed twice. */
  assert_int_equal(all, 2 + 1 + 1 + 1 + 1 + 1 + (1 + LONG) + 1 + 1);

  for (int polls = 2; polls < 2 * (int)llama->n_layers; polls += 4) { /* in either batch */
    int left = polls;
    gm_callbacks callbacks = {.user = &left, .cancelled = count_down};
    gm_compute *c = test_enter(mini, &callbacks, &err);
    assert_int_equal(gm_llama_forward(llama, c, tree.runs, tree.n, NULL, NULL),
                     GM_ERR_CANCELLED);
    test_leave();
    for (size_t i = 0; i < SEQS; i++) assert_int_equal(seqs[i].n, PREFIX);
  }

  forward(tree.runs, tree.n);
  gm_row_tree_free(&tree);
  for (size_t i = 0; i < SEQS; i++) {
    float *alone = logits_of(rows[i], PREFIX + runs[i].n);
    assert_same_logits(logits[i], alone);
    assert_int_equal(seqs[i].n, PREFIX + runs[i].n);
    gm_kv_clear(&seqs[i]);
    free(alone);
    free(rows[i]);
    free(logits[i]);
  }
  gm_kv_clear(&shared);
  free(filler);
  free(vectors);
}

static void added_tokens_have_their_own_table(void **state) {
  (void)state;
  size_t dim = llama->dim, last = llama->vocab - 1;
  float *vector = malloc(dim * sizeof *vector);
  assert_non_null(vector);
  gm_get_rows(vector, dim, &llama->new_embed, (int32_t[]){(int32_t)(last - llama->base_vocab)},
              1);
  float *by_id = logits_of(&(gm_llama_row){NULL, (int32_t)last}, 1);
  float *by_vector = logits_of(&(gm_llama_row){vector, -1}, 1);
  assert_memory_equal(by_id, by_vector, llama->vocab * sizeof *by_id);
  free(by_id);
  free(by_vector);
  free(vector);
}

static void a_cancelled_call_leaves_the_sequence(void **state) {
  (void)state;
  enum { N = 20 };
  float *vectors, logits[2000];
  gm_llama_row *rows = random_rows(4, N, &vectors);
  float *whole = logits_of(rows, N);
  gm_kv_seq seq = empty_seq();
  forward(&(gm_llama_run){&seq, rows, 5, NULL, NULL}, 1);
  gm_llama_run rest = {&seq, rows + 5, N - 5, logits, NULL};
  for (int polls = 0; polls < (int)llama->n_layers; polls++) {
    gm_error err;
    int left = polls;
    gm_callbacks callbacks = {.user = &left, .cancelled = count_down};
    gm_compute *c = test_enter(mini, &callbacks, &err);
    assert_int_equal(gm_llama_forward(llama, c, &rest, 1, NULL, NULL), GM_ERR_CANCELLED);
    test_leave();
    assert_int_equal(seq.n, 5);
  }
  forward(&rest, 1);
  assert_same_logits(logits, whole);
  gm_kv_clear(&seq);
  free(whole);
  free(rows);
  free(vectors);
}

static void a_half_precision_cache_is_near(void **state) {
  (void)state;
  enum { N = 60 };
  float *vectors, logits[2000];
  gm_llama_row *rows = random_rows(5, N, &vectors);
  float *whole = logits_of(rows, N);
  gm_kv_seq seq = empty_seq();
  seq.shape.k_type = seq.shape.v_type = GM_TYPE_F16;
  forward(&(gm_llama_run){&seq, rows, N, logits, NULL}, 1);
  /* keys and values are off by 2^-12 of themselves, in each of 4 layers */
  assert_close(logits, whole, llama->vocab, 4e-3, "logits");
  assert_memory_not_equal(logits, whole, llama->vocab * sizeof *logits);
  gm_kv_clear(&seq);
  free(whole);
  free(rows);
  free(vectors);
}

/* q8_0: a step is 1/127 of the largest of 32 neighbours, so a number is off by up to 1/254 of
 * it and, evenly spread, by 1/254 / sqrt(3) = 2.3e-3 in the mean: 2^-12 / 2.3e-3 = 1/9.3 of
 * what half precision may do, whose bound above is 4e-3. */
static void an_8_bit_cache_is_near(void **state) {
  (void)state;
  enum { N = 60 };
  float *vectors, logits[2000], cut[2000];
  gm_llama_row *rows = random_rows(5, N, &vectors);
  float *whole = logits_of(rows, N);
  gm_kv_seq seq = empty_seq(), fork;
  seq.shape.k_type = seq.shape.v_type = GM_TYPE_Q8_0;
  forward(&(gm_llama_run){&seq, rows, N, logits, NULL}, 1);
  assert_close(logits, whole, llama->vocab, 9.3 * 4e-3, "logits");
  assert_memory_not_equal(logits, whole, llama->vocab * sizeof *logits);
  /* Again, on a fork, one row at a time, the STEP way. The cache holds the same blocks, except
   * for keys at the edge between two steps of a block. */
  gm_error err;
  gm_kv_truncate(&seq, 40);
  assert_ok(gm_kv_fork(&fork, &seq, &err), &err);
  for (size_t i = 40; i < N; i++) step(&(gm_llama_run){&fork, rows + i, 1, cut, NULL}, 1);
  assert_close(cut, logits, llama->vocab, 9.3 * 4e-3 / 4, "logits, row by row");
  gm_kv_clear(&seq);
  gm_kv_clear(&fork);
  free(whole);
  free(rows);
  free(vectors);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pieces_equal_the_whole),
      cmocka_unit_test(long_input_is_cut_into_batches),
      cmocka_unit_test(a_batch_equals_one_after_another),
      cmocka_unit_test(a_tree_equals_one_after_another),
      cmocka_unit_test(added_tokens_have_their_own_table),
      cmocka_unit_test(a_cancelled_call_leaves_the_sequence),
      cmocka_unit_test(a_half_precision_cache_is_near),
      cmocka_unit_test(an_8_bit_cache_is_near),
  };
  return cmocka_run_group_tests(tests, open_model, close_model);
}
