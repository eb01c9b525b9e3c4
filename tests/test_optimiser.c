/* test_optimiser.c - AdamW, its rates, clipping, accumulation, the moving average and skipped
 * updates, against the formulas in f64. */
#include "vision_support.h"

#include "ops_support.h"
#include "optimiser.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TENSORS = 4, STEPS = 12 };

/* One of more than two pieces, one that some updates do not reach, one slow, one small. */
static const char *const names[TENSORS] = {"long", "rare", "slow", "small"};
static const size_t sizes[TENSORS] = {70001, 130, 33, 1};

static gm_model_file *groma;

static int open_file(void **state) {
  (void)state;
  groma = converted_model(GM_TEST_DATA "/models/groma-mini", "f16");
  return 0;
}

static int close_file(void **state) {
  (void)state;
  gm_model_file_close(groma);
  return 0;
}

/* ---- a model of four tensors, as it is trained and as f64 formulas have it ---- */

typedef struct plain {
  double *w, *m, *v;
  uint64_t t;
  double lr, decay;
} plain;

typedef struct toy {
  gm_params *params;
  plain plain[TENSORS];
  gm_optimiser optimiser;
} toy;

static void world_open(toy *world, bool average) {
  gm_error err;
  gm_rng rng = {11};
  *world = (toy){.optimiser.options = gm_optimiser_defaults()};
  assert_ok(gm_params_create(&world->params, groma, NULL, 0, average, 0, &err), &err);
  for (size_t i = 0; i < TENSORS; i++) {
    plain *p = &world->plain[i];
    float *start = random_floats(&rng, sizes[i], -1, 1);
    assert_ok(gm_params_add(world->params, names[i], "extra", 1, &sizes[i], start, NULL, &err),
              &err);
    p->w = malloc(sizes[i] * sizeof *p->w);
    p->m = calloc(sizes[i], sizeof *p->m);
    p->v = calloc(sizes[i], sizeof *p->v);
    for (size_t k = 0; k < sizes[i]; k++) p->w[k] = (double)start[k];
    free(start);
    p->lr = i == 2 ? 1e-3 : 1e-2;
    p->decay = 0.1;
  }
  const gm_tensor_choice all = {.part = "extra"}, slow = {.name = "slow"};
  gm_params_set_lr(world->params, &all, 1e-2);
  gm_params_scale_lr(world->params, &slow, 0.1);
  gm_params_set_decay(world->params, &all, 0.1);
}

static void world_close(toy *world) {
  gm_params_free(world->params);
  for (size_t i = 0; i < TENSORS; i++) {
    free(world->plain[i].w);
    free(world->plain[i].m);
    free(world->plain[i].v);
  }
}

static bool reaches(size_t step, size_t tensor) {
  return tensor != 1 || step % 3 == 1;
}

/* Adds the gradients of a micro-batch, from a generator of its own. */
static void add_gradients(toy *world, size_t step, size_t micro) {
  gm_training t = {.learned = &world->params->learned};
  for (size_t i = 0; i < TENSORS; i++) {
    if (!reaches(step, i)) continue;
    gm_rng rng = {step * 1000 + micro * 100 + i};
    float *g = gm_gradient(&t, gm_params_find(world->params, names[i])->value);
    for (size_t k = 0; k < sizes[i]; k++) g[k] += (float)(2 * gm_rng_unit(&rng) - 1);
  }
}

static double plain_norm(const toy *world, size_t step, double scale) {
  double sum = 0;
  for (size_t i = 0; i < TENSORS; i++) {
    const float *g = gm_params_find(world->params, names[i])->gradient;
    for (size_t k = 0; reaches(step, i) && k < sizes[i]; k++)
      sum += (double)g[k] * (double)g[k] * scale * scale;
  }
  return sqrt(sum);
}

/* torch.optim.AdamW's order of operations. */
static void plain_step(toy *world, size_t step, double scale, double factor) {
  for (size_t i = 0; i < TENSORS; i++) {
    plain *p = &world->plain[i];
    const float *gradient = gm_params_find(world->params, names[i])->gradient;
    if (!reaches(step, i)) continue;
    p->t++;
    double lr = p->lr * factor, c1 = 1 - pow(0.9, (double)p->t),
           c2 = 1 - pow(0.999, (double)p->t);
    for (size_t k = 0; k < sizes[i]; k++) {
      double g = (double)gradient[k] * scale;
      p->w[k] *= 1 - lr * p->decay;
      p->m[k] = 0.9 * p->m[k] + 0.1 * g;
      p->v[k] = 0.999 * p->v[k] + 0.001 * g * g;
      p->w[k] -= lr / c1 * p->m[k] / (sqrt(p->v[k]) / sqrt(c2) + 1e-8);
    }
  }
}

/* An update rounds the weight once (1.3 units at most here), and moves it by lr = 0.01 times a
 * quotient whose error, from at most 12 rounded moments, is below 600 units: 8 units an update,
 * 100 in all. A wrong correction, decay or rate shows at 1e-4. */
static void check_weights(const toy *world) {
  for (size_t i = 0; i < TENSORS; i++) {
    const gm_param *p = gm_params_find(world->params, names[i]);
    assert_within(p->value, world->plain[i].w, sizes[i], 100 * UNIT, names[i]);
    assert_int_equal(p->steps, world->plain[i].t);
  }
}

static gm_update step_of(toy *world, size_t micro_batches, gm_pool *pool) {
  gm_update update;
  gm_error err;
  assert_ok(
      gm_optimiser_step(&world->optimiser, world->params, micro_batches, pool, &update, &err),
      &err);
  return update;
}

/* ---- tests ---- */

static void test_rates(void **state) {
  (void)state;
  assert_true(gm_lr_factor(0, 2, 8) == 0);
  assert_true(gm_lr_factor(1, 2, 8) == 0.5);
  assert_true(gm_lr_factor(2, 2, 8) == 1);
  assert_true(fabs(gm_lr_factor(5, 2, 8) - 0.5) < 1e-15);
  /* (1 + cos 36 degrees) / 2, cos 36 = (1 + sqrt 5) / 4 */
  assert_true(fabs(gm_lr_factor(2, 1, 6) - (5 + sqrt(5)) / 8) < 1e-15);
  assert_true(gm_lr_factor(0, 0, 8) == 1);
  assert_true(gm_lr_factor(8, 2, 8) == 0);
  assert_true(gm_lr_factor(100, 2, 8) == 0);
  assert_true(gm_lr_factor(3, 3, 3) == 0);
}

/* Two micro-batches an update, clipping, warm-up and cosine, decay, a slow tensor, and one that
 * only every third update reaches. */
static void test_adamw(void **state) {
  (void)state;
  toy world;
  world_open(&world, false);
  world.optimiser.options.warmup = 3;
  world.optimiser.options.total = 14;
  for (size_t step = 0; step < STEPS; step++) {
    gm_params_clear(world.params, NULL);
    for (size_t micro = 0; micro < 2; micro++) add_gradients(&world, step, micro);
    double factor = gm_lr_factor(step, 3, 14), norm = plain_norm(&world, step, 0.5);
    plain_step(&world, step, 0.5 * fmin(1, 1 / (norm + 1e-6)), factor);
    gm_update update = step_of(&world, 2, NULL);
    assert_true(fabs(update.norm / norm - 1) < 1e-12);
    assert_true(update.factor == factor && !update.skipped);
    assert_int_equal(update.reached, step % 3 == 1 ? TENSORS : TENSORS - 1);
    assert_true(norm > 50); /* clipping matters */
  }
  check_weights(&world);
  world_close(&world);
}

static void test_unclipped(void **state) {
  (void)state;
  toy world;
  world_open(&world, false);
  world.optimiser.options.clip = 0;
  for (size_t step = 0; step < 3; step++) {
    gm_params_clear(world.params, NULL);
    add_gradients(&world, step, 0);
    plain_step(&world, step, 1, 1);
    step_of(&world, 1, NULL);
  }
  check_weights(&world);
  world_close(&world);
}

static void test_threads(void **state) {
  (void)state;
  toy worlds[3];
  for (size_t i = 0; i < 3; i++) {
    static const unsigned threads[3] = {1, 2, 5};
    gm_pool *pool;
    gm_error err;
    assert_ok(gm_pool_create(&pool, threads[i], &err), &err);
    world_open(&worlds[i], true);
    worlds[i].optimiser.options.average = 0.9;
    for (size_t step = 0; step < 4; step++) {
      gm_params_clear(worlds[i].params, pool);
      add_gradients(&worlds[i], step, 0);
      step_of(&worlds[i], 1, pool);
    }
    gm_pool_free(pool);
    for (size_t k = 0; k < TENSORS; k++) {
      const gm_param *a = gm_params_find(worlds[0].params, names[k]);
      const gm_param *b = gm_params_find(worlds[i].params, names[k]);
      assert_same_bits(b->value, a->value, a->n, names[k]);
      assert_same_bits(b->average, a->average, a->n, names[k]);
    }
  }
  for (size_t i = 0; i < 3; i++) world_close(&worlds[i]);
}

/* The average after t updates is sum (1 - d) d^(t - i) w_i / (1 - d^t). */
static void test_average(void **state) {
  (void)state;
  const double d = 0.8;
  toy world;
  world_open(&world, true);
  world.optimiser.options.average = d;
  double *sums[TENSORS], weight = 0;
  for (size_t i = 0; i < TENSORS; i++) sums[i] = calloc(sizes[i], sizeof *sums[i]);
  for (size_t step = 0; step < STEPS; step++) {
    gm_params_clear(world.params, NULL);
    add_gradients(&world, step, 0);
    step_of(&world, 1, NULL);
    weight = d * weight + 1 - d;
    for (size_t i = 0; i < TENSORS; i++) {
      const gm_param *p = gm_params_find(world.params, names[i]);
      for (size_t k = 0; k < p->n; k++)
        sums[i][k] = d * sums[i][k] + (1 - d) * (double)p->value[k];
    }
  }
  assert_int_equal(world.params->averaged, STEPS);
  /* Each update adds at most 3 roundings of values below 1.3; older errors shrink. */
  for (size_t i = 0; i < TENSORS; i++) {
    for (size_t k = 0; k < sizes[i]; k++) sums[i][k] /= weight;
    assert_within(gm_params_find(world.params, names[i])->average, sums[i], sizes[i], 20 * UNIT,
                  names[i]);
    free(sums[i]);
  }
  world_close(&world);
}

static void test_not_finite(void **state) {
  (void)state;
  static const float bad[] = {NAN, INFINITY};
  toy world;
  world_open(&world, true);
  world.optimiser.options.average = 0.5;
  world.optimiser.options.most_skipped = 3;
  gm_param *p = gm_params_find(world.params, "long");
  gm_update update;
  gm_error err = {.message = ""};
  for (size_t i = 0; i < 2; i++) {
    gm_params_clear(world.params, NULL);
    add_gradients(&world, i, 0);
    p->gradient[40000] = bad[i];
    float before = p->value[7];
    assert_true(step_of(&world, 1, NULL).skipped);
    assert_true(p->value[7] == before && p->moment1[7] == 0 && p->steps == 0);
  }
  assert_int_equal(world.optimiser.updates, 2);
  assert_int_equal(world.optimiser.skipped_in_row, 2);
  assert_int_equal(world.params->averaged, 0);
  gm_params_clear(world.params, NULL);
  add_gradients(&world, 1, 0);
  assert_false(step_of(&world, 1, NULL).skipped);
  assert_int_equal(world.optimiser.skipped_in_row, 0);
  assert_int_equal(world.optimiser.skipped, 2);
  assert_int_equal(p->steps, 1);
  p->gradient[0] = NAN;
  step_of(&world, 1, NULL);
  step_of(&world, 1, NULL);
  assert_int_equal(gm_optimiser_step(&world.optimiser, world.params, 1, NULL, &update, &err),
                   GM_ERR_MODEL);
  assert_non_null(strstr(err.message, "3 updates in a row"));
  assert_true(isfinite(p->value[0]));
  world_close(&world);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rates),     cmocka_unit_test(test_adamw),
      cmocka_unit_test(test_unclipped), cmocka_unit_test(test_threads),
      cmocka_unit_test(test_average),   cmocka_unit_test(test_not_finite),
  };
  return cmocka_run_group_tests(tests, open_file, close_file);
}
