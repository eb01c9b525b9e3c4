/* test_bridge_train.c - img_txt_bridge in training: the forward pass gives what inference's
 * gives, the backward pass agrees with differences of a plain forward in double precision. */
#include "bridge_train.h"
#include "gradient_check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GRID = 4, WIDTH = 3, DIM = 7, PICTURES = 2 };
enum { ROWS = 1 + GRID * GRID, TOKENS = GRID * GRID / 4, STATE = ROWS * WIDTH };
enum { OUT = PICTURES * TOKENS * DIM, JOINED = 4 * WIDTH };

typedef struct bridge {
  gm_visual_tokens w;
  learned_array arrays[4]; /* fc1, its bias, fc2, its bias */
  float *hidden[PICTURES], *d_out;
  double *weights64[4], *hidden64[PICTURES];
} bridge;

static void open_bridge(bridge *b) {
  const size_t sizes[4] = {DIM * JOINED, DIM, DIM * DIM, DIM};
  gm_rng rng = {5};
  for (size_t i = 0; i < 4; i++) {
    b->arrays[i] = (learned_array){random_floats(&rng, sizes[i], -0.7F, 0.7F), sizes[i]};
    b->weights64[i] = as_doubles(b->arrays[i].weights, sizes[i]);
  }
  for (size_t i = 0; i < PICTURES; i++) {
    b->hidden[i] = random_floats(&rng, STATE, -1, 1);
    b->hidden64[i] = as_doubles(b->hidden[i], STATE);
  }
  b->d_out = random_floats(&rng, OUT, -1, 1);
  b->w = (gm_visual_tokens){.grid = GRID, .width = WIDTH, .dim = DIM};
  b->w.fc1 = f32_matrix(b->arrays[0].weights, DIM, JOINED);
  b->w.fc1_b = b->arrays[1].weights;
  b->w.fc2 = f32_matrix(b->arrays[2].weights, DIM, DIM);
  b->w.fc2_b = b->arrays[3].weights;
}

static void close_bridge(bridge *b) {
  for (size_t i = 0; i < 4; i++) {
    free((float *)(uintptr_t)b->arrays[i].weights);
    free(b->weights64[i]);
  }
  for (size_t i = 0; i < PICTURES; i++) free(b->hidden[i]), free(b->hidden64[i]);
  free(b->d_out);
}

/* One token of one picture. */
static void token_f64(const bridge *b, const double *hidden, size_t token, double out[DIM]) {
  size_t y = token / (GRID / 2) * 2, x = token % (GRID / 2) * 2;
  /* Row and column of the four neighbours, in their order. */
  const size_t rows[4] = {y, y + 1, y, y + 1}, columns[4] = {x, x, x + 1, x + 1};
  double active[DIM];
  for (size_t j = 0; j < DIM; j++) {
    double sum = b->weights64[1][j];
    for (size_t i = 0; i < JOINED; i++)
      sum += b->weights64[0][j * JOINED + i] *
             hidden[(1 + rows[i / WIDTH] * GRID + columns[i / WIDTH]) * WIDTH + i % WIDTH];
    active[j] = 0.5 * sum * (1 + erf(sum / sqrt(2)));
  }
  for (size_t j = 0; j < DIM; j++) {
    out[j] = b->weights64[3][j];
    for (size_t i = 0; i < DIM; i++) out[j] += b->weights64[2][j * DIM + i] * active[i];
  }
}

static double bridge_loss(void *user) {
  const bridge *b = user;
  double sum = 0, out[DIM];
  for (size_t i = 0; i < PICTURES * TOKENS; i++) {
    token_f64(b, b->hidden64[i / TOKENS], i % TOKENS, out);
    for (size_t j = 0; j < DIM; j++) sum += out[j] * (double)b->d_out[i * DIM + j];
  }
  return sum;
}

/* out: the tokens, the gradients by the hidden states, which it adds to. */
static void run_bridge(const gm_training *t, void *arg, float *out) {
  bridge *b = arg;
  const float *const *hidden = (const float *const *)b->hidden;
  float *d_hidden[PICTURES] = {out + OUT, out + OUT + STATE};
  gm_bridge_kept kept;
  assert_int_equal(gm_visual_tokens_train(t, &b->w, hidden, PICTURES, out, &kept), GM_OK);
  assert_int_equal(gm_visual_tokens_back(t, &b->w, hidden, PICTURES, &kept, b->d_out, d_hidden),
                   GM_OK);
}

static void bridge_learns(void **state) {
  (void)state;
  bridge b;
  open_bridge(&b);
  /* The longest chain: sums over 12 inputs, 7 hidden units, and for weights over 8 tokens, a
   * few roundings of GELU; the terms are about as large as the largest gradient. */
  const double units = JOINED + DIM + PICTURES * TOKENS + 8;
  float *out = run_training(NULL, run_bridge, &b, b.arrays, 4, NULL, OUT + PICTURES * STATE,
                            "the bridge");
  for (size_t i = 0; i < PICTURES * TOKENS; i++) {
    double want[DIM];
    token_f64(&b, b.hidden64[i / TOKENS], i % TOKENS, want);
    assert_within(out + i * DIM, want, DIM, UNIT * units * 2, "tokens");
  }
  const float *at = out + OUT;
  for (size_t i = 0; i < PICTURES; i++, at += STATE)
    assert_gradient(bridge_loss, &b, b.hidden64[i], at, STATE, 0, units, 0, "hidden states");
  for (size_t i = 0; i < 4; at += b.arrays[i++].n)
    assert_gradient(bridge_loss, &b, b.weights64[i], at, b.arrays[i].n, 0, units, 0,
                    "the bridge's weights");
  free(out);
  close_bridge(&b);
}

static void bridge_is_inferences(void **state) {
  (void)state;
  bridge b;
  open_bridge(&b);
  gm_training *t = training_open(1, NULL, b.arrays, 4);
  float ours[OUT], theirs[OUT];
  gm_bridge_kept kept;
  assert_int_equal(
      gm_visual_tokens_train(t, &b.w, (const float *const *)b.hidden, PICTURES, ours, &kept),
      GM_OK);
  for (size_t i = 0; i < PICTURES; i++)
    assert_int_equal(
        gm_visual_tokens_forward(t->c, &b.w, b.hidden[i], theirs + i * TOKENS * DIM), GM_OK);
  /* Both are within the bound of the test above. */
  assert_close(ours, theirs, OUT, 1e-5, "tokens");
  /* Without a gradient by the hidden states. */
  assert_int_equal(gm_visual_tokens_back(t, &b.w, (const float *const *)b.hidden, PICTURES,
                                         &kept, b.d_out, NULL),
                   GM_OK);
  for (size_t i = 0; i < 4; i++) assert_true(training_reached(t, b.arrays[i].weights));
  training_close(t);
  close_bridge(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bridge_learns),
      cmocka_unit_test(bridge_is_inferences),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
