/* test_panels.c - kept panels: bit-identical products; files that are damaged, of another
 * model, of other kernels, or cannot be written; no panel twice in memory. */
#include "scene_support.h"

#include "gguf_write.h"
#include "model_file_bytes.h"
#include "panel_file.h"
#include "rng.h"

#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* 100 rows: no whole number of panels. 4096 columns: k is cut. */
enum { ROWS = 100, COLUMNS = 4096, M = 40, PANELS = 4096 };

typedef struct fixture {
  char root[40], model[64], cache[64];
  gm_kernels kernels; /* the best, set to keep q8_0 on any processor */
  gm_model_file *file;
  gm_cache_dir *dir;
} fixture;

static void write_model(const char *path, uint64_t seed) {
  gm_gguf_writer *writer;
  gm_error err;
  float row[COLUMNS];
  unsigned char bytes[COLUMNS / 32 * 34];
  gm_rng rng = {seed};
  assert_ok(gm_gguf_writer_create(&writer, path, &err), &err);
  static const char *const names[] = {"few.w", "many.a", "many.b", "many.f32"};
  for (int t = 0; t < 4; t++)
    gm_gguf_add_tensor(writer, names[t], t == 3 ? GM_TYPE_F32 : GM_TYPE_Q8_0, 2,
                       (size_t[]){ROWS, COLUMNS});
  assert_ok(gm_gguf_begin(writer, &err), &err);
  for (size_t t = 0; t < 4; t++)
    for (size_t r = 0; r < ROWS; r++) {
      for (int i = 0; i < COLUMNS; i++) row[i] = (float)(2 * gm_rng_unit(&rng) - 1);
      gm_type_traits_of(GM_TYPE_Q8_0)->from_float(bytes, row, COLUMNS);
      const void *from = t == 3 ? (const void *)row : bytes;
      size_t n = t == 3 ? sizeof row : sizeof bytes;
      assert_ok(gm_gguf_write(writer, t, r * n, from, n, &err), &err);
    }
  assert_ok(gm_gguf_finish_file(writer, &err), &err);
  gm_gguf_writer_free(writer);
}

static int set_up(void **state) {
  static fixture f;
  gm_error err;
  f = (fixture){.root = "/tmp/gromatic-panels-XXXXXX", .kernels = *gm_kernels_best()};
  f.kernels.keep_panels[GM_TYPE_Q8_0] = true;
  assert_non_null(mkdtemp(f.root));
  snprintf(f.model, sizeof f.model, "%s/m.gguf", f.root);
  snprintf(f.cache, sizeof f.cache, "%s/cache", f.root);
  write_model(f.model, 1);
  assert_ok(gm_model_file_open(&f.file, f.model, true, false, &err), &err);
  f.dir = gm_cache_dir_open(f.cache, 0);
  *state = &f;
  return 0;
}

static int tear_down(void **state) {
  fixture *f = *state;
  char command[128];
  gm_model_file_close(f->file);
  gm_cache_dir_free(f->dir);
  snprintf(command, sizeof command, "rm -r %s", f->root);
  return system(command);
}

static gm_panel_file *new_file(const fixture *f, const gm_model_file *file) {
  gm_panel_file *kept;
  gm_error err;
  assert_ok(gm_panel_file_create(&kept, file, "many.", &f->kernels, f->dir, &err), &err);
  return kept;
}

static const unsigned char *find(gm_panel_file *kept, const gm_tensor *w, const gm_matmul *mm) {
  return gm_panels_find(gm_panel_file_panels(kept, NULL), w, mm);
}

static bool has_panels(const fixture *f, gm_panel_file *kept) {
  return find(kept, gm_model_file_tensor(f->file, "many.a"), f->kernels.matmul[GM_TYPE_Q8_0]) !=
         NULL;
}

static char *path_of(const fixture *f, const gm_panel_file *kept) {
  static char path[160];
  snprintf(path, sizeof path, "%s/%s.panels", f->cache, gm_panel_file_key(kept));
  return path;
}

static const char *fault_of(const gm_panel_file *kept, const void *bytes, size_t size) {
  const gm_cache_kind kind = {.name = "panels", .body_at = PANELS};
  return gm_cache_entry_fault(bytes, size, &kind, gm_panel_file_key(kept), size - PANELS, NULL);
}

static size_t count_files(const char *path) {
  size_t n = 0;
  DIR *dir = opendir(path);
  for (struct dirent *d; dir && (d = readdir(dir));) n += d->d_name[0] != '.';
  if (dir) closedir(dir);
  return n;
}

static void product(const fixture *f, gm_panel_file *kept, const gm_tensor *w, size_t m,
                    float *y) {
  gm_error err;
  gm_compute c = {
      .kernels = &f->kernels, .err = &err, .panels = gm_panel_file_panels(kept, NULL)};
  float *x = malloc(m * COLUMNS * sizeof *x);
  gm_rng rng = {7};
  for (size_t i = 0; i < m * COLUMNS; i++) x[i] = (float)(2 * gm_rng_unit(&rng) - 1);
  const gm_linear_out out = {.w = w, .y = y, .ldy = gm_tensor_rows(w)};
  assert_ok(gm_linear(&c, x, COLUMNS, m, &out, 1), &err);
  gm_arena_free(&c.arena);
  free(x);
}

static void same_product(const fixture *f, gm_panel_file *kept, const gm_tensor *w, size_t m) {
  size_t bytes = m * gm_tensor_rows(w) * sizeof(float);
  float *with = malloc(bytes), *without = malloc(bytes);
  product(f, kept, w, m, with);
  product(f, NULL, w, m, without);
  assert_memory_equal(with, without, bytes);
  free(with);
  free(without);
}

static void test_products_are_the_same(void **state) {
  const fixture *f = *state;
  gm_panel_file *kept = new_file(f, f->file);
  const gm_tensor *w = gm_model_file_tensor(f->file, "many.b");
  assert_non_null(find(kept, w, f->kernels.matmul[GM_TYPE_Q8_0]));
  assert_null(
      find(kept, gm_model_file_tensor(f->file, "few.w"), f->kernels.matmul[GM_TYPE_Q8_0]));
  assert_null(
      find(kept, gm_model_file_tensor(f->file, "many.f32"), f->kernels.matmul[GM_TYPE_Q8_0]));
  same_product(f, kept, w, M);
  same_product(f, kept, w, 1); /* few rows read the model's own layout */
  size_t nr = f->kernels.matmul[GM_TYPE_Q8_0]->nr;
  gm_tensor slice = gm_tensor_slice(w, nr, ROWS - nr - 3), between = gm_tensor_slice(w, 1, nr);
  assert_non_null(find(kept, &slice, f->kernels.matmul[GM_TYPE_Q8_0]));
  same_product(f, kept, &slice, M);
  assert_null(find(kept, &between, f->kernels.matmul[GM_TYPE_Q8_0]));
  same_product(f, kept, &between, M);
  gm_panel_file_release(kept);
  same_product(f, kept, w, M);
  gm_panel_file_free(kept);
}

/* The file is made once: the second reader finds it, and so does one without write permission.
 */
static void test_the_file_is_found_again(void **state) {
  const fixture *f = *state;
  struct stat first, second;
  gm_panel_file *kept = new_file(f, f->file), *again = new_file(f, f->file);
  (void)gm_panel_file_panels(kept, NULL);
  assert_int_equal(stat(path_of(f, kept), &first), 0);
  assert_int_equal(count_files(f->cache), 1);
  (void)gm_panel_file_panels(again, NULL);
  assert_true(has_panels(f, again));
  assert_int_equal(stat(path_of(f, kept), &second), 0);
  assert_int_equal(first.st_ino, second.st_ino);
  gm_panel_file_free(kept);
  gm_panel_file_free(again);
}

static void put_byte(const char *path, size_t at, int delta) {
  int fd = open(path, O_RDWR);
  unsigned char byte;
  assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
  byte = (unsigned char)(byte + delta);
  assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
  close(fd);
}

/* A damaged or truncated file is not accepted, and the next reader makes it again. */
static void test_damaged_files_are_made_anew(void **state) {
  const fixture *f = *state;
  gm_panel_file *kept = new_file(f, f->file);
  (void)gm_panel_file_panels(kept, NULL);
  char *path = path_of(f, kept);
  size_t size;
  unsigned char *bytes = test_read_file(path, &size);
  /* an entry, whose every byte test_cache_entry changes */
  assert_null(fault_of(kept, bytes, size));

  for (int damage = 0; damage < 5; damage++) {
    gm_panel_file *reader = new_file(f, f->file);
    if (damage == 0) put_byte(path, 33, 1); /* the key */
    if (damage == 1) assert_int_equal(truncate(path, (off_t)size / 2), 0);
    if (damage == 2) assert_int_equal(truncate(path, 0), 0);
    if (damage == 3) put_byte(path, PANELS + 77, 1); /* a weight */
    if (damage == 4) put_byte(path, PANELS - 1, 1);  /* between head and panels */
    (void)gm_panel_file_panels(reader, NULL);
    assert_true(has_panels(f, reader));
    gm_panel_file_free(reader);
    size_t now;
    unsigned char *anew = test_read_file(path, &now);
    assert_int_equal(now, size);
    assert_memory_equal(anew, bytes, size);
    free(anew);
  }
  size_t n;
  const gm_cache_refusal *refusals = gm_cache_dir_refusals(f->dir, &n);
  assert_int_equal(n, 1); /* the file, once */
  assert_string_equal(refusals[0].path, path);
  assert_string_equal(refusals[0].why, GM_REFUSED_HEAD);
  free(bytes);
  gm_panel_file_free(kept);
}

/* Another model, the same one touched, and kernels with another panel layout have other keys; a
 * file under a wrong key is refused. */
static void other_pack_w(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  gm_kernels_best()->matmul[GM_TYPE_Q8_0]->pack_w(panel, w, row_bytes, rows, k);
  *(unsigned char *)panel ^= 1;
}

static void test_keys(void **state) {
  fixture *f = *state;
  gm_error err;
  gm_panel_file *kept = new_file(f, f->file);
  (void)gm_panel_file_panels(kept, NULL);
  size_t size;
  unsigned char *bytes = test_read_file(path_of(f, kept), &size);

  gm_model_file *other;
  char model[64];
  snprintf(model, sizeof model, "%s/n.gguf", f->root);
  write_model(model, 1); /* the same bytes, later */
  assert_ok(gm_model_file_open(&other, model, true, false, &err), &err);
  gm_panel_file *others = new_file(f, other);
  assert_string_not_equal(gm_panel_file_key(kept), gm_panel_file_key(others));
  assert_non_null(fault_of(others, bytes, size));
  gm_panel_file_free(others);
  gm_model_file_close(other);

  gm_matmul changed = *f->kernels.matmul[GM_TYPE_Q8_0];
  const gm_matmul *before = f->kernels.matmul[GM_TYPE_Q8_0];
  changed.pack_w = other_pack_w;
  f->kernels.matmul[GM_TYPE_Q8_0] = &changed;
  others = new_file(f, f->file);
  f->kernels.matmul[GM_TYPE_Q8_0] = before;
  assert_string_not_equal(gm_panel_file_key(kept), gm_panel_file_key(others));
  assert_non_null(fault_of(others, bytes, size));
  gm_panel_file_free(others);
  gm_panel_file_free(kept);
  free(bytes);
}

/* A limit that is too small, a path that is not a directory: products work as without a cache.
 */
static void test_no_room_is_no_failure(void **state) {
  const fixture *f = *state;
  const struct {
    const char *directory;
    uint64_t limit;
  } cases[] = {{f->cache, 1000}, {"/proc/nowhere", 0}, {f->model, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    gm_error err;
    gm_panel_file *kept;
    gm_cache_dir *dir = gm_cache_dir_open(cases[i].directory, cases[i].limit);
    assert_ok(gm_panel_file_create(&kept, f->file, "many.", &f->kernels, dir, &err), &err);
    (void)gm_panel_file_panels(kept, NULL);
    assert_false(has_panels(f, kept));
    same_product(f, kept, gm_model_file_tensor(f->file, "many.a"), M);
    gm_panel_file_free(kept);
    gm_cache_dir_free(dir);
  }
  assert_int_equal(count_files(f->cache), 0);
}

static void test_nothing_to_keep(void **state) {
  const fixture *f = *state;
  gm_error err;
  gm_panel_file *kept;
  gm_model_file *read;
  assert_ok(gm_panel_file_create(&kept, f->file, "none.", &f->kernels, f->dir, &err), &err);
  assert_null(kept);
  assert_ok(gm_model_file_open(&read, f->model, false, false, &err), &err); /* not mapped */
  assert_ok(gm_panel_file_create(&kept, read, "many.", &f->kernels, f->dir, &err), &err);
  assert_null(kept);
  gm_model_file_close(read);
}

/* Columns that are not a whole number of chunks: old memory contents do not reach the file. */
static void test_begun_chunks_hold_nothing_else(void **state) {
  const fixture *f = *state;
  enum { FEW = 40, BYTES = 9 * 34 }; /* 9 blocks of 32: a chunk of 256 and a begun one */
  gm_gguf_writer *writer;
  gm_error err;
  gm_model_file *file;
  char path[64];
  unsigned char weights[FEW * BYTES], *first = NULL;
  for (size_t i = 0; i < sizeof weights; i++) weights[i] = (unsigned char)(i * 29 % 61);
  snprintf(path, sizeof path, "%s/begun.gguf", f->root);
  assert_ok(gm_gguf_writer_create(&writer, path, &err), &err);
  gm_gguf_add_tensor(writer, "many.begun", GM_TYPE_Q8_0, 2, (size_t[]){FEW, 288});
  assert_ok(gm_gguf_begin(writer, &err), &err);
  assert_ok(gm_gguf_write(writer, 0, 0, weights, sizeof weights, &err), &err);
  assert_ok(gm_gguf_finish_file(writer, &err), &err);
  gm_gguf_writer_free(writer);
  assert_ok(gm_model_file_open(&file, path, true, false, &err), &err);
  for (int fill = 1; fill < 3; fill++) {
    size_t size;
    mallopt(M_PERTURB, fill); /* the contents of new memory */
    gm_panel_file *kept = new_file(f, file);
    (void)gm_panel_file_panels(kept, NULL);
    unsigned char *bytes = test_read_file(path_of(f, kept), &size);
    mallopt(M_PERTURB, 0);
    if (first) assert_memory_equal(bytes, first, size);
    assert_int_equal(unlink(path_of(f, kept)), 0);
    gm_panel_file_free(kept);
    free(first);
    first = bytes;
  }
  free(first);
  gm_model_file_close(file);
}

/* Four processes make the file at once: each gets panels, one file is left. */
static void test_several_writers(void **state) {
  const fixture *f = *state;
  pid_t children[4];
  for (int i = 0; i < 4; i++) {
    children[i] = fork();
    if (children[i] == 0) {
      gm_panel_file *kept = NULL;
      gm_status status =
          gm_panel_file_create(&kept, f->file, "many.", &f->kernels, f->dir, NULL);
      if (status == GM_OK) (void)gm_panel_file_panels(kept, NULL);
      _exit(status == GM_OK && has_panels(f, kept) ? 0 : 1);
    }
  }
  for (int i = 0; i < 4; i++) {
    int result;
    assert_int_equal(waitpid(children[i], &result, 0), children[i]);
    assert_int_equal(result, 0);
  }
  assert_int_equal(count_files(f->cache), 1);
}

/* A whole model: regions are bit-identical with and without panels. */
static void test_scenes_are_the_same(void **state) {
  const fixture *f = *state;
  gm_error err;
  gm_model *model = test_model(GM_TEST_DATA "/models/groma-mini", "q8_0", NULL);
  gm_scene *plain = test_scene(model, "world/scenes/images/000.png", NULL);
  model->base.kernels = &f->kernels;
  assert_ok(gm_vision_keep_panels(model->groma->vision, &f->kernels, f->dir, &err), &err);
  gm_scene *packed = test_scene(model, "world/scenes/images/000.png", NULL);
  assert_int_equal(count_files(f->cache), 1);
  size_t n = gm_scene_region_count(plain);
  assert_int_equal(gm_scene_region_count(packed), n);
  assert_true(n > 0);
  for (size_t i = 0; i < n; i++) {
    gm_region a = scene_region(plain, i), b = scene_region(packed, i);
    assert_memory_equal(&a.box, &b.box, sizeof a.box);
    assert_memory_equal(&a.score, &b.score, sizeof a.score);
    assert_int_equal(a.index, b.index);
  }
  gm_scene_free(plain);
  gm_scene_free(packed);
  gm_model_free(model);
}

int main(void) {
#define WITH_FILES(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      WITH_FILES(test_products_are_the_same),
      WITH_FILES(test_the_file_is_found_again),
      WITH_FILES(test_damaged_files_are_made_anew),
      WITH_FILES(test_keys),
      WITH_FILES(test_no_room_is_no_failure),
      WITH_FILES(test_nothing_to_keep),
      WITH_FILES(test_begun_chunks_hold_nothing_else),
      WITH_FILES(test_several_writers),
      WITH_FILES(test_scenes_are_the_same),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
