/* test_region_train.c - the region encoder in training: the forward pass gives what inference's
 * gives, the backward pass agrees with differences of a plain forward in double precision, for
 * both geometries; several pictures; the forward that is run again. */
#include "region_f64.h"
#include "region_train.h"
#include "vision_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BOXES = 3, STATE = 5 * 5, STATES = 3 * STATE }; /* of small_encoder: [1 + 2*2, 5] */

/* Boxes of the picture, one that reaches over its edge, a small one. As the released geometry
 * takes them, centre and size in place of corners, the first runs backwards and all reach off
 * the finer maps. */
static const gm_rel_box boxes[BOXES] = {
    {0.61F, 0.53F, 0.35F, 0.42F}, {0.1F, 0.83F, 0.51F, 0.9F}, {0.27F, 0.12F, 0.13F, 0.18F}};

typedef struct small_picture {
  float *states, *d_out;
  double *states64;
} small_picture;

static small_picture picture_open(uint64_t seed, size_t dim) {
  gm_rng rng = {seed};
  small_picture p = {random_floats(&rng, STATES, -1, 1),
                     random_floats(&rng, BOXES * dim, -1, 1), NULL};
  p.states64 = as_doubles(p.states, STATES);
  return p;
}

static void picture_close(small_picture *p) {
  free(p->states), free(p->d_out), free(p->states64);
}

static gm_region_picture region_picture(const small_picture *p, float *d_states, size_t r) {
  gm_region_picture out = {.boxes = boxes, .r = r};
  for (size_t k = 0; k < GM_REGION_LEVELS; k++) {
    out.states[k] = p->states + k * STATE;
    out.d_states[k] = d_states ? d_states + k * STATE : NULL;
  }
  return out;
}

/* ---- against differences */

typedef struct small_case {
  small_encoder s;
  small_picture picture;
  bool recompute;
} small_case;

static double small_loss(const small_case *k) {
  double out[BOXES * 16], *states[GM_REGION_LEVELS], sum = 0;
  size_t dim = k->s.w.dim;
  assert_true(dim <= 16);
  for (size_t i = 0; i < GM_REGION_LEVELS; i++) states[i] = k->picture.states64 + i * STATE;
  region_f64(&k->s, states, boxes, BOXES, out);
  for (size_t i = 0; i < BOXES * dim; i++) sum += out[i] * (double)k->picture.d_out[i];
  return sum;
}

/* out: the vectors, then the gradients by the states. */
static void run_small(const gm_training *t, void *arg, float *out) {
  small_case *k = arg;
  gm_training own = *t;
  own.recompute = k->recompute;
  gm_region_picture picture = region_picture(&k->picture, out + BOXES * k->s.w.dim, BOXES);
  gm_region_kept *kept;
  assert_int_equal(gm_region_encoder_train(&own, &k->s.w, &picture, 1, out, &kept), GM_OK);
  assert_int_equal(gm_region_encoder_back(&own, &k->s.w, &picture, 1, kept, k->picture.d_out),
                   GM_OK);
}

/* One direction for a whole tensor: the gradient's own, which shows its size, plus a random
 * one, which shows what stands at a wrong place. Both have the length 1, so a gradient that is
 * off by e changes the slope by at most 2 |e|.
 *
 * Each of the dozen operations adds a few roundings (6e-8) to an f32 gradient; 1e-5 of its
 * length is allowed. In double precision the step leaves 1e-14 of curvature and 1e-9 of
 * rounding in the slope. ReLU has kinks, and there is no keeping all 10,000 units away from
 * them; but in a step of 1e-7 one of them crosses its kink with a chance of about 1e-3. */
static void check_direction(const small_case *k, double *x, const float *gradient, size_t n,
                            const char *what) {
  const double h = 1e-7;
  gm_rng rng = {n};
  double length = 0, slope = 0, *moved = as_doubles(gradient, n), *before = malloc(n * 8);
  assert_non_null(before);
  memcpy(before, x, n * sizeof *x);
  for (size_t i = 0; i < n; i++) length += moved[i] * moved[i];
  length = sqrt(length);
  if (!(length > 0)) fail_msg("%s: the gradient's length is %g", what, length);
  for (size_t i = 0; i < n; i++) {
    double direction = moved[i] / length + (gm_rng_unit(&rng) < 0.5 ? -1 : 1) / sqrt((double)n);
    slope += direction * (double)gradient[i];
    moved[i] = direction;
  }
  for (size_t i = 0; i < n; i++) x[i] = before[i] + h * moved[i];
  double up = small_loss(k);
  for (size_t i = 0; i < n; i++) x[i] = before[i] - h * moved[i];
  double down = small_loss(k);
  memcpy(x, before, n * sizeof *x);
  double error = fabs((up - down) / (2 * h) - slope) / length;
  if (!(error <= 1e-5))
    fail_msg("%s: the slope is %.6g, differences give %.6g: off by %.2g of the gradient's "
             "length",
             what, slope, (up - down) / (2 * h), error);
  free(moved), free(before);
}

static void check_geometry(gm_geometry geometry) {
  small_case k = {.recompute = false};
  small_encoder_open(&k.s, geometry);
  k.picture = picture_open(3, k.s.w.dim);
  size_t n = BOXES * k.s.w.dim + STATES, all = n;
  for (size_t i = 0; i < k.s.n; i++) all += k.s.arrays[i].n;
  float *out = run_training(NULL, run_small, &k, k.s.arrays, k.s.n, NULL, n, "regions");

  double want[BOXES * 16], *states[GM_REGION_LEVELS];
  for (size_t i = 0; i < GM_REGION_LEVELS; i++) states[i] = k.picture.states64 + i * STATE;
  region_f64(&k.s, states, boxes, BOXES, want);
  /* Values of about 3 after a dozen operations that add a few roundings each: 3e-6. What a
   * wrong rule changes is thousands of times larger. */
  assert_within(out, want, BOXES * k.s.w.dim, 2e-5, "region vectors");

  float *at = out + BOXES * k.s.w.dim;
  for (size_t i = 0; i < GM_REGION_LEVELS; i++, at += STATE)
    check_direction(&k, k.picture.states64 + i * STATE, at, STATE, "a hidden state");
  for (size_t i = 0; i < k.s.n; at += k.s.arrays[i++].n)
    check_direction(&k, k.s.weights64[i], at, k.s.arrays[i].n, k.s.names[i]);

  k.recompute = true;
  float *again = run_training(NULL, run_small, &k, k.s.arrays, k.s.n, NULL, n, "run again");
  assert_same_bits(again, out, all, "run again");
  free(out), free(again);
  picture_close(&k.picture);
  small_encoder_close(&k.s);
}

static void gradients_are_slopes_released(void **state) {
  (void)state;
  check_geometry(GM_GEOMETRY_RELEASED);
}

static void gradients_are_slopes_xyxy(void **state) {
  (void)state;
  check_geometry(GM_GEOMETRY_XYXY);
}

/* ---- several pictures */

enum { PICTURES = 3 };

typedef struct batch {
  small_encoder s;
  small_picture pictures[PICTURES];
  const size_t *r; /* [PICTURES]: boxes of each */
} batch;

/* out: [PICTURES][BOXES, D] vectors. */
static void run_batch(const gm_training *t, void *arg, float *out) {
  batch *b = arg;
  gm_region_picture pictures[PICTURES];
  float d_out[PICTURES * BOXES * 16];
  size_t rows = 0, D = b->s.w.dim;
  for (size_t i = 0; i < PICTURES; rows += b->r[i++]) {
    pictures[i] = region_picture(&b->pictures[i], NULL, b->r[i]);
    memcpy(d_out + rows * D, b->pictures[i].d_out, b->r[i] * D * sizeof *d_out);
  }
  gm_region_kept *kept;
  assert_int_equal(gm_region_encoder_train(t, &b->s.w, pictures, PICTURES, out, &kept), GM_OK);
  assert_int_equal(gm_region_encoder_back(t, &b->s.w, pictures, PICTURES, kept, d_out), GM_OK);
}

/* The gradients of a batch are the sums of its pictures' gradients; its vectors are theirs. */
static void pictures_add_up(void **state) {
  (void)state;
  const size_t all_r[PICTURES] = {3, 0, 2}, first_r[PICTURES] = {3, 0, 0},
               last_r[PICTURES] = {0, 0, 2};
  batch b;
  small_encoder_open(&b.s, GM_GEOMETRY_RELEASED);
  size_t n = PICTURES * BOXES * b.s.w.dim, D = b.s.w.dim, end = n;
  for (size_t i = 0; i < PICTURES; i++) b.pictures[i] = picture_open(20 + i, D);
  for (size_t i = 0; i < b.s.n; i++) end += b.s.arrays[i].n;
  b.r = all_r;
  float *all = run_training(NULL, run_batch, &b, b.s.arrays, b.s.n, NULL, n, "a batch");
  b.r = first_r;
  float *first = run_training(NULL, run_batch, &b, b.s.arrays, b.s.n, NULL, n, "its first");
  b.r = last_r;
  float *last = run_training(NULL, run_batch, &b, b.s.arrays, b.s.n, NULL, n, "its last");
  assert_same_bits(all, first, 3 * D, "the first picture's vectors");
  assert_same_bits(all + 3 * D, last, 2 * D, "the last picture's vectors");
  for (size_t i = 0; i < end - n; i++) first[n + i] += last[n + i];
  assert_close(all + n, first + n, end - n, 1e-5, "gradients of a batch");
  free(all), free(first), free(last);
  for (size_t i = 0; i < PICTURES; i++) picture_close(&b.pictures[i]);
  small_encoder_close(&b.s);
}

/* ---- against inference */

/* On groma-mini's own weights. */
static void forward_is_inferences(void **state) {
  (void)state;
  gm_error err;
  gm_model_file *file = converted_model(GM_TEST_DATA "/models/groma-mini", "f32");
  gm_groma_hparams hparams;
  gm_region_encoder w;
  assert_ok(gm_groma_hparams_read(&hparams, file, &err), &err);
  const gm_tensor *input =
      gm_model_file_tensor(file, "region_encoder.mlvl_fuse.input_conv.0.weight");
  assert_non_null(input);
  assert_ok(gm_region_encoder_load(&w, file, &hparams, input->shape[1], &err), &err);
  size_t n_state = (1 + w.grid * w.grid) * w.width, n_out = BOXES * w.dim;
  gm_rng rng = {1};
  float *states = random_floats(&rng, 3 * n_state, -2, 2), *ours = zeros(n_out);
  float *theirs = zeros(n_out), *maps[GM_REGION_LEVELS];
  gm_region_picture picture = {.boxes = boxes, .r = BOXES};
  for (size_t k = 0; k < GM_REGION_LEVELS; k++) {
    size_t side = gm_region_level_side(&w, k);
    picture.states[k] = states + k * n_state;
    maps[k] = zeros(side * side * w.channels);
  }
  gm_compute *c = compute_open(0, NULL);
  gm_training t = {.c = c};
  gm_region_kept *kept;
  assert_int_equal(gm_region_encoder_train(&t, &w, &picture, 1, ours, &kept), GM_OK);
  assert_int_equal(gm_region_encoder_fuse(c, &w, picture.states, maps), GM_OK);
  assert_int_equal(
      gm_region_encoder_forward(c, &w, (const float *const *)maps, boxes, BOXES, theirs),
      GM_OK);
  /* Inference convolves by Winograd's algorithm, training does not: sums in another order. */
  assert_close(ours, theirs, n_out, 1e-4, "region vectors");
  compute_close(c);
  for (size_t k = 0; k < GM_REGION_LEVELS; k++) free(maps[k]);
  free(states), free(ours), free(theirs);
  gm_region_encoder_free(&w);
  gm_model_file_close(file);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gradients_are_slopes_released),
      cmocka_unit_test(gradients_are_slopes_xyxy),
      cmocka_unit_test(pictures_add_up),
      cmocka_unit_test(forward_is_inferences),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
