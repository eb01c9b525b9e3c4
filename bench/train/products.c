/* products.c - times the products of training; products.py puts PyTorch beside them.
 *
 *   bench_train_products [-t THREADS] [-b] [-r ROUNDS] [-p]
 *
 * A line for each case: its name and the least milliseconds of ROUNDS. -b: factors rounded to
 * bf16. -p: the process's processor time, which with -t 1 works on a busy machine too. */
#include "ops_bwd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef enum form { FORWARD, BY_INPUT, BY_WEIGHT } form;

static const char *const form_names[] = {"forward", "dx", "dw"};

typedef struct bench {
  gm_training t;
  gm_learned_set learns;
  clockid_t clock;
  int rounds;
  gm_error err;
} bench;

static double now(const bench *b) {
  struct timespec t;
  clock_gettime(b->clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void check(const bench *b, gm_status status) {
  if (status == GM_OK) return;
  fprintf(stderr, "%s\n", b->err.message);
  exit(1);
}

static float *floats(size_t n) {
  float *x = malloc(n * sizeof *x);
  if (!x) exit(1);
  for (size_t i = 0; i < n; i++) x[i] = (float)(i * 7919 % 1024) / 1024.0F - 0.5F;
  return x;
}

/* A layer: linear [m, k] -> [m, n], or 3x3 with side > 0. */
typedef struct shape {
  size_t m, n, k, side;
} shape;

static void run(bench *b, const shape *s, form f, const gm_tensor *w, const float *x, float *y,
                float *dx) {
  const gm_training *t = &b->t;
  float *to = f == BY_INPUT ? dx : NULL;
  gm_status status;
  if (s->side)
    status = f == FORWARD ? gm_conv3x3_train(t, w, NULL, x, 1, s->side, s->side, y)
                          : gm_conv3x3_back(t, w, NULL, x, y, 1, s->side, s->side, to, false);
  else
    status = f == FORWARD ? gm_linear_train(t, w, NULL, x, s->k, s->m, y, s->n)
                          : gm_linear_back(t, w, NULL, x, s->k, y, s->n, s->m, to, s->k, false);
  check(b, status);
}

static void time_shape(bench *b, const shape *s) {
  size_t taps = s->side ? 9 : 1;
  float *x = floats(s->m * s->k), *y = floats(s->m * s->n), *dx = floats(s->m * s->k);
  float *w = floats(taps * s->n * s->k), *dw = calloc(taps * s->n * s->k, sizeof *dw);
  if (!dw) exit(1);
  gm_tensor tensor = {.type = GM_TYPE_F32, .n_dims = 2, .shape = {s->n, s->k, 1, 1}};
  if (s->side)
    tensor = (gm_tensor){.type = GM_TYPE_F32, .n_dims = 4, .shape = {3, 3, s->n, s->k}};
  tensor.row_bytes = s->k * sizeof *w, tensor.data = w;
  gm_learned learned = {.weights = w, .bytes = taps * s->n * s->k * sizeof *w, .gradient = dw};
  for (form f = FORWARD; f <= BY_WEIGHT; f++) {
    b->learns = (gm_learned_set){&learned, f == BY_WEIGHT};
    double least = 1e9;
    for (int i = 0; i < b->rounds; i++) {
      double start = now(b);
      run(b, s, f, &tensor, x, y, dx);
      double seconds = now(b) - start;
      if (seconds < least) least = seconds;
    }
    double gflops = 2e-9 * (double)(taps * s->m * s->n * s->k) / least;
    printf("%s %zux%zux%zu %s %.3f ms %.0f GFLOP/s\n", s->side ? "conv" : "linear", s->m, s->n,
           s->k, form_names[f], 1e3 * least, gflops);
  }
  free(x), free(y), free(dx), free(w), free(dw);
}

int main(int argc, char **argv) {
  static const shape shapes[] = {{64, 64, 64, 0},
                                 {1024, 256, 256, 0},
                                 {1024, 1024, 256, 0},
                                 {256, 4096, 4096, 0},
                                 {1024, 256, 256, 32}};
  gm_compute c = {.kernels = gm_kernels_best()};
  bench b = {.t = {.c = &c}, .clock = CLOCK_MONOTONIC, .rounds = 9};
  b.t.learned = &b.learns;
  c.err = &b.err;
  unsigned threads = 0;
  int option;
  while ((option = getopt(argc, argv, "t:br:p")) != -1) {
    if (option == 't')
      threads = (unsigned)atoi(optarg);
    else if (option == 'b')
      b.t.bf16 = true;
    else if (option == 'r')
      b.rounds = atoi(optarg);
    else if (option == 'p')
      b.clock = CLOCK_PROCESS_CPUTIME_ID;
    else
      return 2;
  }
  check(&b, gm_pool_create(&c.pool, threads, &b.err));
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) time_shape(&b, &shapes[i]);
  gm_pool_free(c.pool);
  gm_arena_free(&c.arena);
  return 0;
}
