/* beside.c - how much requests of one engine slow each other down.
 *
 *   bench_beside [-p] [-t THREADS] [-s SCENES] [-n TOKENS] [-r ROUNDS] [-c CACHE] MODEL
 *
 * Prints three tables in Markdown:
 *   waiting   the time between two tokens of a running answer while another request encodes a
 *             picture and asks its first question, by the stage of that request
 *   together  tokens per second of 1 to 16 answers at once, on one scene and on SCENES of them
 *   captions  of SCENES scenes, together and one after another
 * SCENES 0 leaves out the last two. -p: measures the process's processor time, which with -t 1
 * works on a busy machine too. docs/SPEED.md says how to read them. */
#include "gromatic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
  ALONE = 16, /* tokens of a running answer before the other request starts */
  MOST_TOKENS = 4096,
  MOST_STAGES = 16,
  MOST_TOGETHER = 16,
  MOST_ROUNDS = 32,
  WIDTH = 640,
  HEIGHT = 480,
  PHONE_WIDTH = 4000, /* width of the picture that is encoded beside an answer */
  PHONE_HEIGHT = 3000
};

static const char question[] = "What is in the picture?";

typedef struct settings {
  const char *model, *cache;
  unsigned threads;
  size_t scenes, tokens, rounds;
} settings;

typedef struct bench {
  settings set;
  gm_model *model;
  gm_scene **scenes; /* at least one */
  size_t n_scenes;
  gm_error err;
} bench;

/* ---- helpers ---- */

static clockid_t the_clock = CLOCK_MONOTONIC;

static double now(void) {
  struct timespec t;
  clock_gettime(the_clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void check(const bench *b, gm_status status) {
  if (status == GM_OK) return;
  fprintf(stderr, "%s\n", b->err.message);
  exit(1);
}

static void *room(size_t bytes) {
  void *p = calloc(1, bytes);
  if (!p) {
    fprintf(stderr, "not enough memory\n");
    exit(1);
  }
  return p;
}

static int compare(const void *a, const void *b) {
  const double *x = a, *y = b;
  return (*x > *y) - (*x < *y);
}

/* Sorts x[n], n > 0. */
static double median(double *x, size_t n) {
  qsort(x, n, sizeof *x, compare);
  return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

/* A picture that is different for every number. */
static gm_image *picture(bench *b, uint32_t width, uint32_t height, uint32_t number) {
  size_t bytes = 3 * (size_t)width * height;
  uint8_t *rgb = room(bytes);
  uint32_t x = 0x9E3779B9u * (number + 1);
  for (size_t i = 0; i < bytes; i++) {
    x = x * 1664525u + 1013904223u;
    rgb[i] = (uint8_t)(x >> 24);
  }
  gm_image *image;
  check(b, gm_image_from_rgb(&image, rgb, width, height, &b->err));
  free(rgb);
  return image;
}

/* ---- requests ---- */

static gm_request *ask(bench *b, gm_scene *scene, uint32_t tokens,
                       void (*event)(void *, const gm_event *), void *user) {
  gm_request *request;
  gm_ask_params params = gm_ask_params_default();
  gm_request_params of = gm_request_params_default();
  params.max_tokens = tokens;
  of.event = event;
  of.user = user;
  check(b, gm_request_ask(&request, scene, question, &params, &of, &b->err));
  return request;
}

static gm_scene *encode(bench *b, const gm_image *image,
                        void (*event)(void *, const gm_event *), void *user) {
  gm_request *request;
  gm_scene *scene;
  gm_request_params of = gm_request_params_default();
  of.event = event;
  of.user = user;
  check(b, gm_request_scene(&request, b->model, image, NULL, &of, &b->err));
  gm_request_wait(request, -1);
  check(b, gm_request_take_scene(request, &scene, &b->err));
  gm_request_free(request);
  return scene;
}

/* Waits for the answer, frees the request and returns the number of tokens. */
static size_t finish(bench *b, gm_request *request) {
  gm_answer *answer;
  gm_request_wait(request, -1);
  check(b, gm_request_take_answer(request, &answer, &b->err));
  size_t n = answer->n_ids;
  gm_answer_free(answer);
  gm_request_free(request);
  return n;
}

/* ---- waiting ---- */

typedef struct token {
  double at;
  size_t stage; /* of the other request at this token */
} token;

/* Events of an engine come one at a time. */
typedef struct watch {
  token tokens[MOST_TOKENS]; /* of the running answer */
  size_t n;
  char stages[MOST_STAGES][16]; /* 0: no other request */
  size_t n_stages, stage;
} watch;

static void set_stage(watch *w, const char *name) {
  for (w->stage = 0; w->stage < w->n_stages; w->stage++)
    if (strcmp(w->stages[w->stage], name) == 0) return;
  if (w->stage == MOST_STAGES) {
    fprintf(stderr, "more than %d stages\n", MOST_STAGES);
    exit(1);
  }
  snprintf(w->stages[w->n_stages++], sizeof w->stages[0], "%s", name);
}

static void on_running(void *user, const gm_event *event) {
  watch *w = user;
  bool spoken = event->type == GM_EVENT_PROGRESS && strcmp(event->stage, "generate") == 0;
  if (spoken && w->n < MOST_TOKENS) w->tokens[w->n++] = (token){now(), w->stage};
}

static void on_other(void *user, const gm_event *event) {
  if (event->type == GM_EVENT_PROGRESS) set_stage(user, event->stage);
}

/* Waits until the running answer has n tokens more. */
static void wait_tokens(gm_request *running, size_t n) {
  gm_usage usage = {.struct_size = sizeof usage};
  uint64_t wanted = 0;
  do {
    gm_request_usage(running, &usage);
    if (wanted == 0) wanted = usage.generated + n;
    if (gm_request_wait(running, 0.01)) {
      fprintf(stderr, "the running answer ended too early, after %zu tokens\n",
              (size_t)usage.generated);
      exit(1);
    }
  } while (usage.generated < wanted);
}

/* Encodes a picture and asks about it; returns the seconds. */
static double look_and_ask(bench *b, const gm_image *image, watch *w) {
  double since = now();
  gm_scene *scene = encode(b, image, w ? on_other : NULL, w);
  finish(b, ask(b, scene, 1, w ? on_other : NULL, w));
  since = now() - since;
  gm_scene_free(scene);
  return since;
}

/* The gaps that began in a stage, sorted; returns their number. */
static size_t gaps_of(const watch *w, size_t stage, double *gaps) {
  size_t n = 0;
  for (size_t i = 0; i + 1 < w->n; i++)
    if (w->tokens[i].stage == stage) gaps[n++] = w->tokens[i + 1].at - w->tokens[i].at;
  qsort(gaps, n, sizeof *gaps, compare);
  return n;
}

static void print_waiting(const watch *w, double alone, double beside) {
  double *gaps = room(MOST_TOKENS * sizeof *gaps), own = 0, most = 0;
  printf(
      "| stage of the other request | gaps | least, s | median, s | most, s | added at most, "
      "s |\n|---|---|---|---|---|---|\n");
  for (size_t stage = 0; stage < w->n_stages; stage++) {
    size_t n = gaps_of(w, stage, gaps);
    if (n == 0) continue;
    double middle = median(gaps, n), added;
    if (stage == 0) own = middle;
    added = gaps[n - 1] - own;
    if (stage > 0 && added > most) most = added;
    printf("| %s | %zu | %.3f | %.3f | %.3f | %.3f |\n", w->stages[stage], n, gaps[0], middle,
           gaps[n - 1], added);
  }
  printf("\nAdded by the other request at most: %.3f s. It took %.2f s beside the answer, "
         "%.2f s alone.\n\n",
         most, beside, alone);
  free(gaps);
}

static void bench_waiting(bench *b) {
  watch *w = room(sizeof *w);
  gm_image *first = picture(b, PHONE_WIDTH, PHONE_HEIGHT, 1000);
  gm_image *second = picture(b, PHONE_WIDTH, PHONE_HEIGHT, 1001);
  double alone = look_and_ask(b, first, NULL);
  set_stage(w, "none");
  gm_request *running = ask(b, b->scenes[0], 0, on_running, w);
  wait_tokens(running, ALONE);
  set_stage(w, "start");
  double beside = look_and_ask(b, second, w);
  set_stage(w, "none");
  wait_tokens(running, ALONE);
  gm_request_cancel(running);
  gm_request_wait(running, -1);
  gm_request_free(running);
  print_waiting(w, alone, beside);
  gm_image_free(first);
  gm_image_free(second);
  free(w);
}

/* ---- together ---- */

/* Tokens per second of n answers at once, on the first n_scenes scenes in turn. */
static double rate(bench *b, size_t n, size_t n_scenes) {
  gm_request *requests[MOST_TOGETHER];
  size_t tokens = 0;
  double since = now();
  for (size_t i = 0; i < n; i++)
    requests[i] = ask(b, b->scenes[i % n_scenes], (uint32_t)b->set.tokens, NULL, NULL);
  for (size_t i = 0; i < n; i++) tokens += finish(b, requests[i]);
  return (double)tokens / (now() - since);
}

/* The same, one answer after another. */
static double rate_in_turn(bench *b, size_t n, size_t n_scenes) {
  size_t tokens = 0;
  double since = now();
  for (size_t i = 0; i < n; i++)
    tokens += finish(b, ask(b, b->scenes[i % n_scenes], (uint32_t)b->set.tokens, NULL, NULL));
  return (double)tokens / (now() - since);
}

static void bench_together(bench *b, size_t n_scenes) {
  static const size_t numbers[] = {1, 2, 4, 8, 16};
  enum { N = sizeof numbers / sizeof numbers[0] };
  double rates[N][MOST_ROUNDS], ratios[N][MOST_ROUNDS];
  size_t in_turn = n_scenes > 2 ? n_scenes : 2;
  for (size_t round = 0; round < b->set.rounds; round++) {
    double alone = rate_in_turn(b, in_turn, n_scenes);
    for (size_t i = 0; i < N; i++) {
      rates[i][round] = rate(b, numbers[i], n_scenes);
      ratios[i][round] = rates[i][round] / alone;
    }
  }
  printf("| answers at once, on %zu scene%s | tokens a second | times one after another "
         "|\n|---|---|---|\n",
         n_scenes, n_scenes == 1 ? "" : "s");
  for (size_t i = 0; i < N; i++)
    printf("| %zu | %.1f | %.2f |\n", numbers[i], median(rates[i], b->set.rounds),
           median(ratios[i], b->set.rounds));
  printf("\n");
}

/* ---- captions ---- */

static double captions_together(bench *b, const gm_ask_params *params) {
  gm_answer **answers = room(b->n_scenes * sizeof(gm_answer *));
  double since = now();
  check(b, gm_captions(b->scenes, b->n_scenes, params, NULL, answers, &b->err));
  since = now() - since;
  for (size_t i = 0; i < b->n_scenes; i++) gm_answer_free(answers[i]);
  free(answers);
  return since;
}

static double captions_in_turn(bench *b, const gm_ask_params *params) {
  double since = now();
  for (size_t i = 0; i < b->n_scenes; i++) {
    gm_answer *answer;
    check(b, gm_caption(b->scenes[i], params, NULL, &answer, &b->err));
    gm_answer_free(answer);
  }
  return now() - since;
}

static void bench_captions(bench *b) {
  double together[MOST_ROUNDS], in_turn[MOST_ROUNDS], ratios[MOST_ROUNDS];
  gm_ask_params params = gm_ask_params_default();
  params.max_tokens = (uint32_t)b->set.tokens;
  for (size_t round = 0; round < b->set.rounds; round++) {
    together[round] = captions_together(b, &params);
    in_turn[round] = captions_in_turn(b, &params);
    ratios[round] = in_turn[round] / together[round];
  }
  printf("| captions of %zu scenes | together, s | one after another, s | ratio "
         "|\n|---|---|---|---|\n| median | %.2f | %.2f | %.2f |\n\n",
         b->n_scenes, median(together, b->set.rounds), median(in_turn, b->set.rounds),
         median(ratios, b->set.rounds));
}

/* ---- all together ---- */

static void usage(void) {
  fprintf(stderr,
          "usage: bench_beside [-p] [-t THREADS] [-s SCENES] [-n TOKENS] [-r ROUNDS] [-c "
          "CACHE] MODEL\n");
  exit(2);
}

static settings read_settings(int argc, char **argv) {
  settings set = {.scenes = 8, .tokens = 24, .rounds = 3};
  for (int option; (option = getopt(argc, argv, "pt:s:n:r:c:")) != -1;) {
    unsigned long number = optarg ? strtoul(optarg, NULL, 10) : 0;
    if (option == 'p')
      the_clock = CLOCK_PROCESS_CPUTIME_ID;
    else if (option == 't')
      set.threads = (unsigned)number;
    else if (option == 's')
      set.scenes = number;
    else if (option == 'n')
      set.tokens = number;
    else if (option == 'r')
      set.rounds = number;
    else if (option == 'c')
      set.cache = optarg;
    else
      usage();
  }
  if (optind + 1 != argc || set.tokens == 0 || set.rounds == 0 || set.rounds > MOST_ROUNDS)
    usage();
  set.model = argv[optind];
  return set;
}

static void open_model(bench *b, gm_engine **engine) {
  gm_engine_params of = gm_engine_params_default();
  gm_model_params params = gm_model_params_default();
  gm_model_info info = {.struct_size = sizeof info};
  of.threads = b->set.threads;
  check(b, gm_engine_create(engine, &of, &b->err));
  params.engine = *engine;
  params.cache = b->set.cache;
  check(b, gm_model_open(&b->model, b->set.model, &params, &b->err));
  check(b, gm_model_get_info(b->model, &info, &b->err));
  printf("%s, %u threads, kernels %s\n\n", b->set.model, info.threads, info.kernels);
}

/* Makes scenes and asks each once, so that their prefixes exist. */
static void make_scenes(bench *b) {
  b->n_scenes = b->set.scenes ? b->set.scenes : 1;
  b->scenes = room(b->n_scenes * sizeof(gm_scene *));
  for (size_t i = 0; i < b->n_scenes; i++) {
    gm_image *image = picture(b, WIDTH, HEIGHT, (uint32_t)i);
    b->scenes[i] = encode(b, image, NULL, NULL);
    gm_image_free(image);
    finish(b, ask(b, b->scenes[i], 1, NULL, NULL));
  }
}

int main(int argc, char **argv) {
  bench b = {.set = read_settings(argc, argv)};
  setvbuf(stdout, NULL, _IOLBF, 0);
  gm_engine *engine;
  open_model(&b, &engine);
  make_scenes(&b);
  bench_waiting(&b);
  if (b.set.scenes > 0) {
    bench_together(&b, 1);
    if (b.n_scenes > 1) bench_together(&b, b.n_scenes);
    bench_captions(&b);
  }
  for (size_t i = 0; i < b.n_scenes; i++) gm_scene_free(b.scenes[i]);
  free(b.scenes);
  gm_model_free(b.model);
  gm_engine_free(engine);
  return 0;
}
