/* tune_run.c - see tune_run.h. */
#include "tune_run.h"

#include "model_resolve.h"
#include "struct_size.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { RANK = 16, BATCH = 8, LARGE_BATCH = 1, MOST_RANK = 1024 };
#define SECONDS 1800.0
#define SEEN_ROOM ((size_t)3 << 30) /* of what is kept of pictures */
#define KEPT_SHARE (1.0 / 3)
static const uint64_t held_seed = 20240613; /* any */

double gm_tune_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void gm_tune_note(const gm_tune_run *run, bool detail, const char *format, ...) {
  char line[600];
  va_list args;
  if (!run->params.note) return;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  run->params.note(run->params.note_user, detail, line);
}

/* ---- opening ---- */

static gm_status fill_params(gm_tune_params *p, gm_error *err) {
  if (!p->rank) p->rank = RANK;
  if (!(p->seconds > 0)) p->seconds = SECONDS;
  if (!(p->kept_share > 0)) p->kept_share = KEPT_SHARE;
  if (p->rank > MOST_RANK || p->kept_share >= 1)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found rank %u and a share of kept pictures of %g; wanted a rank up to %d "
                   "and a share below 1",
                   p->rank, p->kept_share, MOST_RANK);
  return GM_OK;
}

static gm_status open_model(gm_tune_run *run, gm_error *err) {
  gm_tune_params *p = &run->params;
  gm_tune_parts parts;
  GM_TRY(gm_tune_parts_read(&parts, p->parts, err));
  GM_TRY(gm_model_file_resolve(&run->file, p->model, NULL, run->pool, err));
  GM_TRY(gm_tune_model_load(&run->model, run->file, parts, p->rank, run->pictures.n_classes,
                            p->seed, err));
  if (!p->batch) p->batch = run->model.large ? LARGE_BATCH : BATCH;
  run->peaks = malloc((run->model.params->n + 1) * sizeof *run->peaks);
  size_t side = run->model.groma->hparams.image_size;
  run->pixels = malloc(p->batch * 3 * side * side * sizeof *run->pixels);
  run->looks = calloc(p->batch, sizeof *run->looks);
  run->sees = gm_tune_model_sees(&run->model);
  run->unread = calloc(p->batch, sizeof *run->unread);
  run->seen = calloc(p->batch, sizeof *run->seen);
  run->spare = calloc(p->batch, sizeof *run->spare);
  run->room = SEEN_ROOM;
  if (!run->peaks || !run->pixels || !run->looks || !run->unread || !run->seen || !run->spare)
    return gm_fail_memory(err, "a batch of pictures", p->batch * 3 * side * side * 4);
  for (size_t i = 0; i < run->model.params->n; i++)
    run->peaks[i] = run->model.params->all[i].lr;
  return GM_OK;
}

static gm_lesson_rule lesson_rule(const gm_tune_run *run) {
  const gm_groma *groma = run->model.groma;
  const gm_groma_hparams *h = &groma->hparams;
  size_t most = h->max_regions < groma->max_regions ? h->max_regions : groma->max_regions;
  return (gm_lesson_rule){.sequence = {.regions = {h->score_threshold, h->nms_threshold, most},
                                       .eos = true,
                                       .shuffle = true,
                                       .max_ids = GM_SEQUENCE_IDS < groma->context
                                                      ? GM_SEQUENCE_IDS
                                                      : groma->context},
                          .names = run->pictures.names,
                          .n_names = run->pictures.n_names,
                          .single = run->model.large};
}

gm_status gm_tune_run_open(gm_tune_run *run, const gm_tune_params *params,
                           const gm_callbacks *callbacks, gm_error *err) {
  *run = (gm_tune_run){0};
  GM_TRY(GM_STRUCT_READ(gm_tune_params, &run->params, params, err));
  GM_TRY(GM_STRUCT_READ(gm_callbacks, &run->callbacks, callbacks, err));
  GM_TRY(fill_params(&run->params, err));
  GM_TRY(gm_tune_pictures_read(&run->pictures, &run->params, err));
  GM_TRY(gm_kernels_check(err));
  GM_TRY(gm_pool_create(&run->pool, run->params.threads, err));
  GM_TRY(open_model(run, err));
  run->compute = (gm_compute){.kernels = gm_kernels_best(),
                              .pool = run->pool,
                              .err = err,
                              .cancelled = run->callbacks.cancelled,
                              .cancel_user = run->callbacks.user};
  run->rule = lesson_rule(run);
  run->rng = (gm_rng){gm_mix64(run->params.seed + 1)};
  return GM_OK;
}

void gm_tune_run_close(gm_tune_run *run) {
  gm_arena_free(&run->compute.arena);
  gm_tune_model_free(&run->model);
  gm_model_file_close(run->file);
  gm_tune_pictures_free(&run->pictures);
  gm_pool_free(run->pool);
  free(run->peaks);
  free(run->pixels);
  free(run->looks);
  free(run->unread);
  free(run->seen);
  free(run->spare); /* empty between batches */
}

/* ---- batches ---- */

static gm_training training(gm_tune_run *run) {
  return (gm_training){.c = &run->compute,
                       .learned = &run->model.params->learned,
                       .bf16 = true,
                       .recompute = run->model.large};
}

static float *pixels_of(gm_tune_run *run, size_t i) {
  size_t side = run->model.groma->hparams.image_size;
  return run->pixels + i * 3 * side * side;
}

static gm_status make_look(gm_tune_run *run, gm_look *out, const gm_tune_picture *picture,
                           gm_look_how how, gm_rng *rng, size_t i, gm_error *err) {
  const gm_groma_hparams *h = &run->model.groma->hparams;
  return gm_look_make(out, picture, how, rng, h->image_size, &h->pixel_norm, pixels_of(run, i),
                      &run->compute.arena, err);
}

/* gm_tune_batch.read */
static gm_status read_pixels(void *user, size_t i) {
  gm_tune_run *run = user;
  const gm_look *look = &run->looks[i];
  gm_look again;
  if (!run->unread[i]) return GM_OK;
  run->unread[i] = false;
  return make_look(run, &again, look->picture,
                   look->mirrored ? GM_LOOK_MIRRORED : GM_LOOK_WHOLE, NULL, i,
                   run->compute.err);
}

/* A whole picture, of which something may be kept. */
static gm_status look_again(gm_tune_run *run, gm_tune_list *list,
                            const gm_tune_picture *picture, bool mirrored, size_t i,
                            gm_error *err) {
  gm_tune_seen *seen = &list->seen[2 * (size_t)(picture - list->all) + mirrored];
  gm_look *look = &run->looks[i];
  run->unread[i] = seen->bytes > 0;
  run->seen[i] = seen->bytes || run->kept < run->room ? seen : &run->spare[i];
  if (seen->bytes)
    return gm_look_boxes(look, picture, seen->width, seen->height, mirrored,
                         &run->compute.arena, err);
  GM_TRY(
      make_look(run, look, picture, mirrored ? GM_LOOK_MIRRORED : GM_LOOK_WHOLE, NULL, i, err));
  seen->width = look->width;
  seen->height = look->height;
  return GM_OK;
}

static gm_status look_at(gm_tune_run *run, gm_tune_list *list, const gm_tune_picture *picture,
                         bool augment, gm_rng *rng, size_t i, gm_error *err) {
  if (run->sees == GM_SEEN_NOTHING)
    GM_TRY(make_look(run, &run->looks[i], picture, augment ? GM_LOOK_DRAWN : GM_LOOK_WHOLE, rng,
                     i, err));
  else
    GM_TRY(look_again(run, list, picture, augment && gm_rng_unit(rng) < 0.5, i, err));
  run->looks[i].classes = list->classes[picture - list->all];
  return GM_OK;
}

/* Not the picture's fault. */
static bool is_ours(gm_status status) {
  return status == GM_ERR_MEMORY || status == GM_ERR_CANCELLED;
}

/* A picture that can be read. */
static gm_status draw_look(gm_tune_run *run, gm_tune_list *list, size_t i, gm_error *err) {
  for (;;) {
    const gm_tune_picture *picture = gm_tune_next(list, &run->rng);
    if (!picture)
      return gm_fail(err, GM_ERR_ARGUMENT, "none of the %zu pictures can be read", list->n);
    gm_error why;
    gm_status status = look_at(run, list, picture, true, &run->rng, i, &why);
    if (status == GM_OK) return GM_OK;
    if (is_ours(status)) return gm_fail(err, status, "%s", why.message);
    gm_tune_break(list, picture);
    gm_tune_note(run, false, "left out: %s", why.message);
  }
}

/* A picture may be in a batch more than once. */
static size_t kept_bytes(const gm_tune_run *run, size_t n) {
  size_t sum = 0;
  for (size_t i = 0; i < n; i++) {
    size_t first = 0;
    while (run->seen[first] != run->seen[i]) first++;
    if (first == i && run->seen[i] != &run->spare[i]) sum += run->seen[i]->bytes;
  }
  return sum;
}

static gm_status compute_batch(gm_tune_run *run, size_t n, gm_rng rng, bool back,
                               gm_tune_losses *losses) {
  const gm_training t = training(run);
  bool sees = run->sees != GM_SEEN_NOTHING;
  const gm_tune_batch batch = {.looks = run->looks,
                               .pixels = run->pixels,
                               .read = read_pixels,
                               .user = run,
                               .seen = sees ? run->seen : NULL,
                               .n = n,
                               .source = run->batches++ % 2 ? GM_SOURCE_SA1B : GM_SOURCE_COCO,
                               .rng = rng,
                               .back = back};
  size_t before = sees ? kept_bytes(run, n) : 0;
  gm_status status = gm_tune_step(&t, &run->model, &run->rule, &batch, losses);
  if (!sees) return status;
  run->kept += kept_bytes(run, n) - before;
  for (size_t i = 0; i < n; i++) gm_tune_seen_free(&run->spare[i]);
  return status;
}

gm_status gm_tune_run_batch(gm_tune_run *run, gm_tune_losses *losses, gm_error *err) {
  gm_arena_mark mark = gm_arena_save(&run->compute.arena);
  size_t n = run->params.batch;
  gm_status status = GM_OK;
  for (size_t i = 0; status == GM_OK && i < n; i++) {
    bool kept = run->pictures.kept.n && gm_rng_unit(&run->rng) < run->params.kept_share;
    status = draw_look(run, kept ? &run->pictures.kept : &run->pictures.learned, i, err);
  }
  gm_rng rng = {gm_rng_u64(&run->rng)};
  if (status == GM_OK) status = compute_batch(run, n, rng, true, losses);
  gm_arena_restore(&run->compute.arena, mark);
  return status;
}

/* The next at most n pictures of the list that can be read; *next goes on. */
static gm_status look_at_held(gm_tune_run *run, size_t *next, size_t end, size_t *n,
                              gm_error *err) {
  gm_tune_list *list = &run->pictures.held;
  gm_rng rng = {held_seed};
  for (*n = 0; *n < run->params.batch && *next < end; ++*next) {
    if (list->broken[*next]) continue;
    gm_error why;
    gm_status status = look_at(run, list, &list->all[*next], false, &rng, *n, &why);
    if (is_ours(status)) return gm_fail(err, status, "%s", why.message);
    list->broken[*next] = status != GM_OK;
    *n += status == GM_OK;
  }
  return GM_OK;
}

gm_status gm_tune_run_held(gm_tune_run *run, size_t most, gm_tune_losses *losses,
                           gm_error *err) {
  size_t end = run->pictures.held.n < most ? run->pictures.held.n : most, seen = 0;
  uint64_t batches = run->batches;
  *losses = (gm_tune_losses){0};
  run->batches = 0;
  for (size_t next = 0; next < end;) {
    size_t n;
    gm_tune_losses part = {0};
    gm_rng rng = {gm_mix64(held_seed + next)};
    gm_arena_mark mark = gm_arena_save(&run->compute.arena);
    gm_status status = look_at_held(run, &next, end, &n, err);
    if (status == GM_OK && n) status = compute_batch(run, n, rng, false, &part);
    gm_arena_restore(&run->compute.arena, mark);
    GM_TRY(status);
    losses->boxes += part.boxes * (double)n;
    losses->words += part.words * (double)n;
    losses->classes += part.classes * (double)n;
    seen += n;
  }
  run->batches = batches;
  losses->boxes /= seen ? (double)seen : 1;
  losses->words /= seen ? (double)seen : 1;
  losses->classes /= seen ? (double)seen : 1;
  return GM_OK;
}
