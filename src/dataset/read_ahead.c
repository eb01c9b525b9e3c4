/* read_ahead.c - see read_ahead.h.
 *
 * Items lie in a ring of ahead + 1 chunks. Work is given out in the order of the batches, one
 * item at a time; a chunk is handed out when all its items are done, and its place in the ring
 * is free again at the next call. */
#include "read_ahead.h"

#include "checked.h"

#include <stdlib.h>

typedef struct ring_item {
  gm_visit visit;
  gm_arena arena;
  gm_status status;
  gm_error err;
} ring_item;

struct gm_read_ahead {
  gm_read_ahead_params params;
  pthread_t *threads;
  unsigned n_threads;
  pthread_mutex_t lock, report_lock;
  pthread_cond_t work, done;
  /* Under the lock: */
  bool stop;
  uint64_t taken;   /* items given to threads so far */
  uint64_t free_to; /* items below this have a place in the ring */
  uint64_t handed;  /* chunks handed out */
  size_t *left;     /* [n_ring]: items of the ring's chunk that are not done */
  gm_visit *visits; /* [chunk_size]: of the chunk that is being given out */
  gm_place *after;  /* [n_ring]: the place after the ring's chunk */
  /* Of one thread at a time: */
  size_t n_ring;
  gm_item *items; /* [n_ring][chunk_size] */
  ring_item *ring;
  float *pixels;
  gm_place place;
};

/* ---- the threads ---- */

/* Takes the next item; false: the end. With the lock. */
static bool take_item(gm_read_ahead *p, size_t *index) {
  size_t chunk_size = p->params.chunk_size;
  while (!p->stop && p->taken >= p->free_to) pthread_cond_wait(&p->work, &p->lock);
  if (p->stop) return false;
  size_t in_chunk = (size_t)(p->taken % chunk_size),
         chunk = (size_t)(p->taken / chunk_size % p->n_ring);
  if (in_chunk == 0) {
    gm_batches_next(p->params.batches, p->visits);
    p->left[chunk] = chunk_size;
    p->after[chunk] = gm_batches_place(p->params.batches);
  }
  *index = chunk * chunk_size + in_chunk;
  p->ring[*index].visit = p->visits[in_chunk];
  p->taken++;
  return true;
}

static void *work(void *arg) {
  gm_read_ahead *p = arg;
  size_t index;
  pthread_mutex_lock(&p->lock);
  while (take_item(p, &index)) {
    ring_item *r = &p->ring[index];
    pthread_mutex_unlock(&p->lock);
    gm_arena_restore(&r->arena, (gm_arena_mark){0});
    r->status = gm_item_make(&p->items[index], &p->params, r->visit, &r->arena, &p->report_lock,
                             &r->err);
    pthread_mutex_lock(&p->lock);
    if (--p->left[index / p->params.chunk_size] == 0) pthread_cond_signal(&p->done);
  }
  pthread_mutex_unlock(&p->lock);
  return NULL;
}

/* ---- the caller ---- */

gm_status gm_read_ahead_next(gm_read_ahead *p, const gm_item **items, gm_error *err) {
  size_t chunk_size = p->params.chunk_size, chunk = (size_t)(p->handed % p->n_ring);
  *items = NULL;
  pthread_mutex_lock(&p->lock);
  /* The chunk of the call before is not used any more. */
  p->free_to = (p->handed + p->n_ring) * chunk_size;
  pthread_cond_broadcast(&p->work);
  while (p->taken < (p->handed + 1) * chunk_size || p->left[chunk])
    pthread_cond_wait(&p->done, &p->lock);
  pthread_mutex_unlock(&p->lock);
  for (size_t i = 0; i < chunk_size; i++) {
    const ring_item *r = &p->ring[chunk * chunk_size + i];
    if (r->status != GM_OK) return gm_fail(err, r->status, "%s", r->err.message);
  }
  *items = &p->items[chunk * chunk_size];
  p->place = p->after[chunk];
  p->handed++;
  return GM_OK;
}

gm_place gm_read_ahead_place(const gm_read_ahead *p) {
  return p->place;
}

/* ---- start and end ---- */

static gm_status make_ring(gm_read_ahead *p, gm_error *err) {
  const gm_read_ahead_params *params = &p->params;
  size_t n, pixels = params->visit.side, floats, bytes;
  if (!gm_add_size(params->ahead, 1, &p->n_ring) ||
      !gm_mul_size(p->n_ring, params->chunk_size, &n) ||
      !gm_mul_size(pixels, pixels, &pixels) || !gm_mul_size(pixels, 3, &pixels) ||
      !gm_mul_size(pixels, n, &floats) || !gm_mul_size(floats, sizeof *p->pixels, &bytes))
    return gm_fail(err, GM_ERR_ARGUMENT, "%zu chunks of %zu pictures ahead are too many",
                   params->ahead, params->chunk_size);
  p->items = calloc(n, sizeof *p->items);
  p->ring = calloc(n, sizeof *p->ring);
  p->left = calloc(p->n_ring, sizeof *p->left);
  p->after = calloc(p->n_ring, sizeof *p->after);
  p->visits = calloc(params->chunk_size, sizeof *p->visits);
  p->threads = calloc(params->threads, sizeof *p->threads);
  p->pixels = malloc(bytes);
  if (!p->items || !p->ring || !p->left || !p->after || !p->visits || !p->threads || !p->pixels)
    return gm_fail_memory(err, "pictures that are read ahead", bytes);
  for (size_t i = 0; i < n; i++) p->items[i].pixels = p->pixels + i * pixels;
  p->free_to = (uint64_t)params->ahead * params->chunk_size;
  return GM_OK;
}

gm_status gm_read_ahead_start(gm_read_ahead **out, const gm_read_ahead_params *params,
                              gm_error *err) {
  *out = NULL;
  if (!params->threads || !params->ahead || !params->chunk_size || !params->visit.side)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found %u threads, %zu chunks ahead of %zu pictures of side %zu; wanted at "
                   "least one of each",
                   params->threads, params->ahead, params->chunk_size, params->visit.side);
  gm_read_ahead *p = calloc(1, sizeof *p);
  if (!p) return gm_fail_memory(err, "pictures that are read ahead", sizeof *p);
  p->params = *params;
  p->place = gm_batches_place(params->batches);
  pthread_mutex_init(&p->lock, NULL);
  pthread_mutex_init(&p->report_lock, NULL);
  pthread_cond_init(&p->work, NULL);
  pthread_cond_init(&p->done, NULL);
  gm_status status = make_ring(p, err);
  for (unsigned i = 0; status == GM_OK && i < params->threads; i++) {
    if (gm_thread_start(&p->threads[i], work, p) != 0)
      status = gm_fail(err, GM_ERR_MEMORY, "a thread cannot be started");
    else
      p->n_threads++;
  }
  if (status == GM_OK)
    *out = p;
  else
    gm_read_ahead_free(p);
  return status;
}

void gm_read_ahead_free(gm_read_ahead *p) {
  if (!p) return;
  pthread_mutex_lock(&p->lock);
  p->stop = true;
  pthread_cond_broadcast(&p->work);
  pthread_mutex_unlock(&p->lock);
  for (unsigned i = 0; i < p->n_threads; i++) pthread_join(p->threads[i], NULL);
  for (size_t i = 0; p->ring && i < p->n_ring * p->params.chunk_size; i++)
    gm_arena_free(&p->ring[i].arena);
  pthread_mutex_destroy(&p->lock);
  pthread_mutex_destroy(&p->report_lock);
  pthread_cond_destroy(&p->work);
  pthread_cond_destroy(&p->done);
  free(p->items);
  free(p->ring);
  free(p->left);
  free(p->after);
  free(p->visits);
  free(p->threads);
  free(p->pixels);
  free(p);
}
