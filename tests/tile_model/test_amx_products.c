/* test_amx_products.c - the level that has AMX's tiles, on the model of them: which table is
 * chosen, and that products of bytes are those of the level below, bit by bit. */
#include "tile_model.h"

#include "ops_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const gm_type byte_types[] = {GM_TYPE_Q8_0, GM_TYPE_Q4_0, GM_TYPE_Q4_K, GM_TYPE_Q6_K};
enum { BYTE_TYPES = sizeof byte_types / sizeof byte_types[0] };

static const gm_kernels *table_of(const char *features) {
  const gm_kernels *k;
  for (size_t i = 0; (k = gm_kernels_at(i)) != NULL; i++)
    if (strcmp(k->features, features) == 0) return k;
  return NULL;
}

/* Skips the test where the processor lacks what the model needs beside tiles. */
static const gm_kernels *tiles(void) {
  const gm_kernels *k = table_of("vnni+bf16+amx");
  if (!k) skip();
  return k;
}

/* ---- the choice of a table: in processes of their own, as it is made once ---- */

static void in_child(int (*run)(void), const char *what) {
  fflush(NULL);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) _exit(run());
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  if (status != 0) fail_msg("%s: found status %d, wanted 0", what, status);
}

static int refused(void) {
  gm_tile_model_refuse();
  const gm_kernels *best = gm_kernels_best();
  if (strstr(best->features, "amx") || table_of("vnni+bf16+amx")) return 1;
  bool wanted = table_of("vnni+bf16") != NULL; /* else it was not asked */
  return gm_kernels_tiles_refused() == wanted && gm_tile_model_asked() == wanted ? 0 : 2;
}

static int capped(void) {
  if (setenv("GROMATIC_CPU", "avx512", 1) != 0) return 1;
  const gm_kernels *best = gm_kernels_best();
  if (gm_kernels_check(NULL) != GM_OK || gm_kernels_tiles_refused()) return 2;
  return strstr(best->features, "amx") || gm_tile_model_asked() != 0 ? 3 : 0;
}

static int named(void) {
  if (setenv("GROMATIC_CPU", "amx", 1) != 0) return 1;
  const gm_kernels *best = gm_kernels_best(), *k = table_of("vnni+bf16+amx");
  if (gm_kernels_check(NULL) != GM_OK) return 2;
  return !k || best == k ? 0 : 3;
}

static void tables_are_chosen(void **state) {
  (void)state;
  in_child(refused, "a system that refuses");
  in_child(capped, "GROMATIC_CPU=avx512");
  in_child(named, "GROMATIC_CPU=amx");
  (void)tiles();
  assert_string_equal(gm_kernels_best()->features, "vnni+bf16+amx");
  assert_int_equal(gm_tile_model_asked(), 1);
  assert_false(gm_kernels_tiles_refused());
}

/* ---- products ---- */

static float *product(const gm_kernels *k, gm_pool *pool, const float *x, size_t m,
                      const gm_tensor *w) {
  size_t n = gm_tensor_rows(w), columns = gm_tensor_cols(w);
  float *y = zeros(m * n);
  gm_compute c = {.kernels = k, .pool = pool};
  const gm_linear_out out = {.w = w, .y = y, .ldy = n};
  assert_int_equal(gm_linear(&c, x, columns, m, &out, 1), GM_OK);
  gm_arena_free(&c.arena);
  assert_int_equal(gm_tile_model_in_use(), 0);
  return y;
}

typedef struct factors {
  float *x;
  unsigned char *bytes;
  gm_tensor w;
} factors;

static factors make(gm_type type, size_t m, size_t n, size_t k) {
  gm_rng rng = {m * 31 + n * 7 + k + (uint64_t)type};
  factors f = {.x = zeros(m * k)};
  float *row = zeros(k);
  size_t row_bytes = gm_type_row_bytes(type, k);
  f.bytes = malloc(n * row_bytes);
  assert_non_null(f.bytes);
  for (size_t i = 0; i < m * k; i++) f.x[i] = (float)(gm_rng_unit(&rng) * 2 - 1);
  for (size_t j = 0; j < n; j++) {
    for (size_t i = 0; i < k; i++) row[i] = (float)(gm_rng_unit(&rng) * 2 - 1);
    gm_type_traits_of(type)->from_float(f.bytes + j * row_bytes, row, k);
  }
  free(row);
  f.w = (gm_tensor){
      .type = type, .n_dims = 2, .shape = {n, k}, .row_bytes = row_bytes, .data = f.bytes};
  return f;
}

static void free_factors(factors *f) {
  free(f->x);
  free(f->bytes);
}

static void check_bits(gm_type type, size_t m, size_t n, size_t k) {
  const gm_kernels *with = tiles(), *below = table_of("vnni+bf16");
  assert_non_null(below);
  assert_ptr_equal(with->matmul[type]->pack_w, below->matmul[type]->pack_w);
  assert_ptr_equal(with->matmul[type]->gemv, below->matmul[type]->gemv);
  factors f = make(type, m, n, k);
  unsigned long loads = gm_tile_model_loads();
  float *want = product(below, NULL, f.x, m, &f.w);
  assert_int_equal(gm_tile_model_loads(), loads);
  float *got = product(with, NULL, f.x, m, &f.w);
  assert_true(gm_tile_model_loads() > loads);
  for (size_t i = 0; i < m * n; i++)
    if (memcmp(&got[i], &want[i], 4) != 0)
      fail_msg("%s, m %zu n %zu k %zu: y[%zu,%zu] is %.9g, without tiles %.9g",
               gm_type_traits_of(type)->name, m, n, k, i / n, i % n, (double)got[i],
               (double)want[i]);
  free(want);
  free(got);
  free_factors(&f);
}

static void bytes_have_the_bits_of_vnni(void **state) {
  (void)state;
  static const size_t ns[] = {1, 31, 32, 33, 70}, ks[] = {256, 512, 768};
  static const size_t odd_ks[] = {32, 64, 96, 160, 224, 288, 352, 544};
  for (size_t m = 1; m <= 48; m++)
    for (size_t t = 0; t < BYTE_TYPES; t++) {
      bool small = gm_type_traits_of(byte_types[t])->block == 32;
      check_bits(byte_types[t], m, ns[m % 5], ks[(m + t) % 3]);
      if (small) check_bits(byte_types[t], m, ns[(m + 2) % 5], odd_ks[m % 8]);
    }
}

/* So long that k is cut, and as many rows as several tasks have. */
static void long_rows_have_the_bits_of_vnni(void **state) {
  (void)state;
  check_bits(GM_TYPE_Q4_K, 37, 33, 10240);
  check_bits(GM_TYPE_Q8_0, 401, 40, 288);
}

static void rows_do_not_show_in_each_other(void **state) {
  (void)state;
  static const gm_type types[] = {GM_TYPE_F16, GM_TYPE_BF16, GM_TYPE_Q4_K};
  enum { M = 45, N = 33, K = 512 };
  const gm_kernels *k = tiles();
  for (size_t t = 0; t < 3; t++) {
    factors f = make(types[t], M, N, K);
    float *all = product(k, NULL, f.x, M, &f.w);
    for (size_t m = 1; m < M; m += 11) {
      float *some = product(k, NULL, f.x + (M - m) * K, m, &f.w);
      assert_memory_equal(some, all + (M - m) * N, m * N * sizeof *some);
      free(some);
    }
    free(all);
    free_factors(&f);
  }
}

/* ---- threads and processes ---- */

static factors shared;
static float *wanted;
enum { M = 70, N = 80, K = 512 };

static int same_in_child(void) {
  float *y = product(gm_kernels_best(), NULL, shared.x, M, &shared.w);
  return memcmp(y, wanted, M * N * sizeof *y) == 0 && gm_tile_model_asked() == 1 ? 0 : 1;
}

static void threads_and_children_compute_the_same(void **state) {
  (void)state;
  const gm_kernels *k = tiles();
  gm_error err;
  gm_pool *pool;
  shared = make(GM_TYPE_Q4_K, M, N, K);
  wanted = product(k, NULL, shared.x, M, &shared.w);
  in_child(same_in_child, "a forked process");
  assert_ok(gm_pool_create(&pool, 3, &err), &err);
  float *y = product(k, pool, shared.x, M, &shared.w);
  assert_memory_equal(y, wanted, M * N * sizeof *y);
  gm_pool_free(pool);
  free(y);
  free(wanted);
  free_factors(&shared);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tables_are_chosen), /* first: it must find no table filled */
      cmocka_unit_test(bytes_have_the_bits_of_vnni),
      cmocka_unit_test(long_rows_have_the_bits_of_vnni),
      cmocka_unit_test(rows_do_not_show_in_each_other),
      cmocka_unit_test(threads_and_children_compute_the_same),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
