/* test_adapter.c - adapters as files and as changes: what is written is read, changes are those
 * of plain f64, and two models of one engine keep theirs apart. python/test_adapters_slow.py
 * tests whole models, and what is refused. */
#include "adapter_changes.h"
#include "gguf_write.h"
#include "rng.h"
#include "support.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 6, COLUMNS = 64, RANK = 3, N = ROWS * COLUMNS };

static void random_floats(float *out, size_t n, uint64_t seed) {
  gm_rng rng = {seed};
  /* Multiples of 1/128 below 1 in size: f16 and bf16 hold them exactly. */
  for (size_t i = 0; i < n; i++) out[i] = (float)((int)(gm_rng_unit(&rng) * 255) - 127) / 128;
}

/* A base with a matrix, and a name of 60 bytes, which has no room for an ending. */
static const char long_name[] = "perceiver.ddetr_transformer.decoder.layers.0.encoder_attn."
                                "attention_weights.weight";

static gm_model_file *make_base(const char *architecture, const char *token) {
  static float weights[N];
  gm_gguf_writer *w;
  gm_error err;
  gm_model_file *base;
  const char *tokens[] = {"<s>", token};
  random_floats(weights, N, 1);
  assert_ok(gm_gguf_writer_create(&w, NULL, &err), &err);
  gm_gguf_put_string(w, "general.architecture", architecture);
  gm_gguf_put_string_array(w, "tokenizer.ggml.tokens", tokens, 2);
  gm_gguf_add_tensor(w, "matrix.weight", GM_TYPE_F32, 2, (size_t[]){ROWS, COLUMNS});
  gm_gguf_add_tensor(w, long_name, GM_TYPE_F32, 2, (size_t[]){ROWS, COLUMNS});
  assert_ok(gm_gguf_begin(w, &err), &err);
  for (size_t i = 0; i < 2; i++)
    assert_ok(gm_gguf_write(w, i, 0, weights, sizeof weights, &err), &err);
  assert_ok(gm_gguf_finish_model(w, &base, "base", &err), &err);
  gm_gguf_writer_free(w);
  return base;
}

typedef struct made {
  float a[RANK * COLUMNS], b[ROWS * RANK], difference[N];
  char vocabulary[65], header[65], path[64];
  gm_adapter_head head;
  gm_adapter_part parts[2];
} made;

static void make(made *m, const gm_model_file *base, gm_type type, uint64_t seed) {
  gm_error err;
  random_floats(m->a, RANK * COLUMNS, seed);
  random_floats(m->b, ROWS * RANK, seed + 1);
  random_floats(m->difference, N, seed + 2);
  assert_ok(gm_adapter_tie(base, m->vocabulary, m->header, &err), &err);
  m->head = (gm_adapter_head){"made", "groma", 6, m->vocabulary, m->header, NULL, NULL};
  m->parts[0] = (gm_adapter_part){.name = long_name,
                                  .n_dims = 2,
                                  .shape = {ROWS, COLUMNS, 1, 1},
                                  .difference = m->difference};
  m->parts[1] = (gm_adapter_part){.name = "matrix.weight",
                                  .rank = RANK,
                                  .rows = ROWS,
                                  .columns = COLUMNS,
                                  .a = m->a,
                                  .b = m->b};
  snprintf(m->path, sizeof m->path, "/tmp/gm-adapter-%d-%d.gguf", (int)getpid(), (int)seed);
  assert_ok(gm_adapter_write(m->path, &m->head, m->parts, 2, type, &err), &err);
}

static void write_and_read(void **state) {
  (void)state;
  static const gm_type types[] = {GM_TYPE_F32, GM_TYPE_F16, GM_TYPE_BF16};
  gm_model_file *base = make_base("groma", "a");
  for (size_t t = 0; t < 3; t++) {
    made m;
    gm_error err;
    gm_adapter *adapter;
    make(&m, base, types[t], 7);
    assert_ok(gm_adapter_open(&adapter, m.path, &err), &err);
    assert_int_equal(adapter->n, 2);
    assert_string_equal(adapter->head.architecture, "groma");
    assert_string_equal(adapter->head.name, "made");
    assert_string_equal(adapter->head.vocabulary, m.vocabulary);
    assert_true(adapter->head.alpha == 6);
    const gm_adapter_part *p = adapter->parts;
    assert_memory_equal(p[0].difference, m.difference, sizeof m.difference);
    assert_int_equal(p[0].rank, 0);
    assert_int_equal(p[1].rank, RANK);
    assert_string_equal(p[1].name, "matrix.weight");
    assert_memory_equal(p[1].a, m.a, sizeof m.a);
    assert_memory_equal(p[1].b, m.b, sizeof m.b);
    gm_adapter_close(adapter);
    unlink(m.path);
  }
  gm_model_file_close(base);
}

static gm_status add(gm_adapter_changes *changes, const gm_model_file *base, const made *m,
                     float scale, gm_error *err) {
  gm_adapter *adapter;
  assert_ok(gm_adapter_open(&adapter, m->path, err), err);
  return gm_changes_add(changes, base, adapter, scale, err);
}

/* Two adapters on one matrix, in one piece and in pieces that begin anywhere. */
static void changes_add_up(void **state) {
  (void)state;
  gm_model_file *base = make_base("groma", "a");
  made m[2];
  gm_error err;
  gm_adapter_changes changes = {0};
  static const float scales[2] = {1, -0.5F};
  float whole[N] = {0}, cut[N] = {0}, want[N];
  size_t first;
  for (size_t i = 0; i < 2; i++) {
    make(&m[i], base, GM_TYPE_F32, 10 * i + 20);
    assert_ok(add(&changes, base, &m[i], scales[i], &err), &err);
    assert_false(changes.adapters[i].other_base);
    unlink(m[i].path);
  }
  assert_int_equal(gm_changes_of(&changes, 0, &first), 2);
  assert_int_equal(gm_changes_of(&changes, 2, &first), 0);
  assert_int_equal(gm_changes_of(&changes, 0, &first), 2);
  for (size_t i = 0; i < 2; i++) {
    const gm_change *change = &changes.all[first + i];
    gm_change_add(change, COLUMNS, 0, N, whole);
    for (size_t at = 0, n; at < N; at += n) {
      n = N - at < 37 ? N - at : 37;
      gm_change_add(change, COLUMNS, at, n, cut + at);
    }
  }
  for (size_t i = 0; i < N; i++) {
    double sum = 0;
    for (size_t k = 0; k < 2; k++)
      for (size_t r = 0; r < RANK; r++)
        sum += (double)scales[k] * 6 / RANK * (double)m[k].b[i / COLUMNS * RANK + r] *
               (double)m[k].a[r * COLUMNS + i % COLUMNS];
    want[i] = (float)sum;
  }
  assert_close(whole, want, N, 1e-6, "two pairs"); /* six sums of f32 */
  assert_memory_equal(cut, whole, sizeof whole);
  gm_changes_free(&changes);
  gm_model_file_close(base);
}

static void keys_and_ties(void **state) {
  (void)state;
  gm_model_file *base = make_base("groma", "a"), *other = make_base("groma", "b");
  gm_model_file *clip = make_base("clip", "a");
  made m;
  gm_error err;
  char keys[4][65];
  static const float scales[4] = {1, 0.5F, 0, 1};
  make(&m, base, GM_TYPE_F32, 50);
  for (size_t i = 0; i < 4; i++) {
    gm_adapter_changes changes = {0};
    assert_ok(add(&changes, base, &m, scales[i], &err), &err);
    assert_int_equal(changes.n, scales[i] == 0 ? 0 : 2);
    gm_changes_key(&changes, keys[i]);
    gm_changes_free(&changes);
  }
  assert_string_not_equal(keys[0], keys[1]);
  assert_string_equal(keys[0], keys[3]);
  assert_string_equal(keys[2], "");
  gm_model_file *const wrong[] = {other, clip};
  static const char *const why[] = {"vocabulary", "architecture"};
  for (size_t i = 0; i < 2; i++) {
    gm_adapter_changes changes = {0};
    assert_int_equal(add(&changes, wrong[i], &m, 1, &err), GM_ERR_MODEL);
    assert_non_null(strstr(err.message, why[i]));
    gm_changes_free(&changes);
  }
  gm_adapter_changes changes = {0};
  assert_int_equal(add(&changes, base, &m, INFINITY, &err), GM_ERR_ARGUMENT);
  gm_changes_free(&changes);
  assert_int_equal(add(&changes, base, &m, FLT_MAX, &err), GM_ERR_ARGUMENT); /* times alpha */
  gm_changes_free(&changes);
  unlink(m.path);
  gm_model_file_close(base), gm_model_file_close(other), gm_model_file_close(clip);
}

/* ---- models ---- */

/* A difference to the language model's last norm, which moves all its logits. */
static void write_for_mini(const char *path, float by) {
  gm_error err;
  const gm_adapter_head head = {.architecture = "groma", .alpha = 1};
  const gm_adapter_part part = {.name = "llm.model.norm.weight",
                                .n_dims = 1,
                                .shape = {192, 1, 1, 1},
                                .difference = (float[192]){by, -by, by, by, -by}};
  assert_ok(gm_adapter_write(path, &head, &part, 1, GM_TYPE_F32, &err), &err);
}

static char *caption(gm_engine *engine, const gm_adapter_use *uses, size_t n, gm_model **keep) {
  gm_error err = {0};
  gm_image *image;
  gm_scene *scene;
  gm_answer *answer;
  const gm_model_params params = {
      .struct_size = sizeof params, .engine = engine, .adapters = uses, .n_adapters = n};
  assert_ok(gm_model_open(keep, NULL, &params, &err), &err);
  assert_ok(gm_image_open(&image, test_data("world/scenes/images/064.jpg"), NULL, &err), &err);
  assert_ok(gm_scene_create(&scene, *keep, image, NULL, NULL, &err), &err);
  assert_ok(gm_caption(scene, NULL, NULL, &answer, &err), &err);
  char *text = strdup(answer->text);
  gm_answer_free(answer);
  gm_scene_free(scene);
  gm_image_free(image);
  return text;
}

/* Embedded models share their bytes, and models of an engine its scenes' cache. */
static void models_side_by_side(void **state) {
  (void)state;
  char path[64];
  snprintf(path, sizeof path, "/tmp/gm-adapter-%d-mini.gguf", (int)getpid());
  write_for_mini(path, 30);
  gm_error err;
  gm_engine *engine;
  gm_model *models[3];
  gm_adapter_use use = {.struct_size = sizeof use, .path = path};
  assert_ok(gm_engine_create(&engine, NULL, &err), &err);
  char *plain = caption(engine, NULL, 0, &models[0]);
  char *changed = caption(engine, &use, 1, &models[1]);
  use.off = true;
  char *off = caption(engine, &use, 1, &models[2]);
  assert_string_not_equal(plain, changed);
  assert_string_equal(plain, off);
  gm_adapter_info info = {.struct_size = sizeof info};
  assert_ok(gm_model_adapter_at(models[1], 0, &info), &err);
  assert_true(info.scale == 1 && info.pairs == 0 && info.differences == 1 && !info.other_base);
  assert_string_equal(info.path, path);
  assert_ok(gm_model_adapter_at(models[2], 0, &info), &err);
  assert_true(info.scale == 0);
  assert_int_equal(gm_model_adapter_at(models[0], 0, &info), GM_ERR_ARGUMENT);
  free(plain), free(changed), free(off);
  for (size_t i = 0; i < 3; i++) gm_model_free(models[i]);
  gm_engine_free(engine);
  unlink(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(write_and_read),
      cmocka_unit_test(changes_add_up),
      cmocka_unit_test(keys_and_ties),
      cmocka_unit_test(models_side_by_side),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
