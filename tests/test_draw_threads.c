/* test_draw_threads.c - drawings made by several threads at once: each has the same bytes as
 * when made alone, and only one thread at a time uses FreeType, which cairo does not lock
 * correctly. Fonts are first looked up by all threads together. */
#include "draw_support.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 4, ROUNDS = 3 };

static char folder[] = "/tmp/gromatic-draw-XXXXXX";

/* ---- FreeType as cairo calls it ---- */

static atomic_int inside, most, calls;

typedef int load_glyph(void *face, unsigned glyph, int32_t flags);
load_glyph FT_Load_Glyph;

/* Replaces FreeType's own; waits, so that another thread inside would be noticed. */
__attribute__((visibility("default"))) int FT_Load_Glyph(void *face, unsigned glyph,
                                                         int32_t flags) {
  static _Atomic(load_glyph *) own;
  load_glyph *call = atomic_load(&own);
  if (!call) {
    void *found = dlsym(RTLD_NEXT, "FT_Load_Glyph");
    memcpy(&call, &found, sizeof call);
    atomic_store(&own, call);
  }
  static _Thread_local int depth; /* FreeType calls itself */
  if (depth > 0) return call(face, glyph, flags);
  depth++;
  int n = atomic_fetch_add(&inside, 1) + 1, seen = atomic_load(&most);
  while (n > seen && !atomic_compare_exchange_weak(&most, &seen, n)) {
  }
  atomic_fetch_add(&calls, 1);
  usleep(200);
  int code = call(face, glyph, flags);
  atomic_fetch_sub(&inside, 1);
  depth--;
  return code;
}

/* ---- drawings ---- */

static const char *const words[] = {"a black cat", "قطة سوداء", "漢字かな",
                                    "हिन्दी",       "ภาษาไทย",   "🐈 👍🏽"};
enum { WORDS = sizeof words / sizeof words[0] };

typedef struct artist {
  size_t number;
  const char *kind; /* of the file's name */
  gm_status status;
  gm_error err;
} artist;

static atomic_size_t waiting;

static void name_file(const artist *a, size_t round, char path[256]) {
  snprintf(path, 256, "%s/%s-%zu-%zu.png", folder, a->kind, a->number, round);
}

/* Another picture and text for each thread and round, so that glyphs are made again. */
static gm_status draw_one(artist *a, size_t round) {
  size_t i = a->number * ROUNDS + round;
  uint32_t width = (uint32_t)(640 + 60 * i);
  uint8_t *rgb = calloc((size_t)width * 480, 3);
  gm_image *image = NULL;
  char path[256];
  gm_status status = rgb ? gm_image_from_rgb(&image, rgb, width, 480, &a->err) : GM_ERR_MEMORY;
  free(rgb);
  name_file(a, round, path);
  const gm_mark marks[] = {
      mark_of((gm_box){10, 100, 200, 300}, words[i % WORDS], (int32_t)i),
      mark_of((gm_box){300, 100, 500, 300}, words[(i + 1) % WORDS], (int32_t)i + 1)};
  const gm_draw_params params = {.struct_size = sizeof params,
                                 .marks = marks,
                                 .n_marks = 2,
                                 .caption = words[(i + 2) % WORDS]};
  if (status == GM_OK) status = gm_draw(image, &params, path, &a->err);
  gm_image_free(image);
  return status;
}

static void *draw_all(void *arg) {
  artist *a = arg;
  atomic_fetch_add(&waiting, 1);
  while (atomic_load(&waiting) < THREADS) sched_yield();
  for (size_t round = 0; round < ROUNDS && a->status == GM_OK; round++)
    a->status = draw_one(a, round);
  return NULL;
}

static void assert_same_files(const artist *a, const artist *b) {
  for (size_t round = 0; round < ROUNDS; round++) {
    char first[256], second[256];
    size_t n, m;
    name_file(a, round, first);
    name_file(b, round, second);
    char *x = test_read_file(first, &n), *y = test_read_file(second, &m);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
    unlink(first);
    unlink(second);
  }
}

static void threads_draw_what_one_does(void **state) {
  (void)state;
  pthread_t threads[THREADS];
  artist artists[THREADS];
  for (size_t i = 0; i < THREADS; i++) {
    artists[i] = (artist){.number = i, .kind = "together"};
    assert_int_equal(pthread_create(&threads[i], NULL, draw_all, &artists[i]), 0);
  }
  for (size_t i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
  assert_true(atomic_load(&calls) > 0); /* else nothing was watched */
  assert_int_equal(atomic_load(&most), 1);
  for (size_t i = 0; i < THREADS; i++) {
    artist alone = {.number = i, .kind = "alone"};
    assert_ok(artists[i].status, &artists[i].err);
    for (size_t round = 0; round < ROUNDS; round++)
      assert_ok(draw_one(&alone, round), &alone.err);
    assert_same_files(&artists[i], &alone);
  }
}

static int make_folder(void **state) {
  (void)state;
  return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
  (void)state;
  return rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(threads_draw_what_one_does)};
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
