/* batches.c - see batches.h. */
#include "batches.h"

#include "checked.h"
#include "sizes.h"

#include <stdlib.h>
#include <string.h>

typedef struct chunk {
  uint32_t set;
  size_t first; /* in the set's order */
} chunk;

typedef struct batch_set {
  uint32_t *chosen; /* [n]: pictures that take part, ascending */
  uint32_t *order;  /* [n]: those of this epoch */
  size_t n;
} batch_set;

struct gm_batches {
  batch_set *sets;
  size_t n_sets, chunk_size, n_chunks, n_pictures;
  chunk *chunks; /* [n_chunks]: this epoch's */
  uint64_t seed;
  gm_place place;
};

/* Streams of draws that do not touch each other. */
enum { STREAM_SHARE = 1, STREAM_ORDER, STREAM_CHUNKS };

static gm_rng stream(uint64_t seed, uint64_t kind, uint64_t set, uint64_t epoch) {
  uint64_t state = gm_mix64(seed + kind * 0x9E3779B97F4A7C15u);
  return (gm_rng){gm_mix64(gm_mix64(state ^ set) ^ epoch)};
}

static void shuffle(uint32_t *list, size_t n, gm_rng *rng) {
  for (size_t i = n; i > 1; i--) {
    size_t j = gm_rng_below(rng, i);
    uint32_t swap = list[i - 1];
    list[i - 1] = list[j];
    list[j] = swap;
  }
}

static void begin_epoch(gm_batches *b) {
  size_t n = 0;
  for (size_t s = 0; s < b->n_sets; s++) {
    batch_set *set = &b->sets[s];
    gm_rng rng = stream(b->seed, STREAM_ORDER, s, b->place.epoch);
    memcpy(set->order, set->chosen, set->n * sizeof *set->order);
    shuffle(set->order, set->n, &rng);
    for (size_t first = 0; first + b->chunk_size <= set->n; first += b->chunk_size)
      b->chunks[n++] = (chunk){(uint32_t)s, first};
  }
  gm_rng rng = stream(b->seed, STREAM_CHUNKS, 0, b->place.epoch);
  for (size_t i = n; i > 1; i--) {
    size_t j = gm_rng_below(&rng, i);
    chunk swap = b->chunks[i - 1];
    b->chunks[i - 1] = b->chunks[j];
    b->chunks[j] = swap;
  }
}

static int ascending(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

static gm_status choose(gm_batches *b, size_t s, size_t size, double share, gm_error *err) {
  batch_set *set = &b->sets[s];
  size_t n = share < 1 ? (size_t)((double)size * share) : size, bytes;
  if (n == 0 && size) n = 1;
  if (size > UINT32_MAX || !gm_mul_size(size + 1, sizeof *set->chosen, &bytes))
    return gm_fail(err, GM_ERR_ARGUMENT, "a data set has %zu pictures; at most %u are taken",
                   size, UINT32_MAX);
  set->chosen = malloc(bytes);
  set->order = malloc(bytes);
  if (!set->chosen || !set->order) return gm_fail_memory(err, "an epoch's order", bytes);
  for (size_t i = 0; i < size; i++) set->chosen[i] = (uint32_t)i;
  if (n < size) {
    gm_rng rng = stream(b->seed, STREAM_SHARE, s, 0);
    shuffle(set->chosen, size, &rng);
    qsort(set->chosen, n, sizeof *set->chosen, ascending);
  }
  set->n = n;
  b->n_pictures += n;
  b->n_chunks += n / b->chunk_size;
  return GM_OK;
}

static gm_status set_up(gm_batches *b, const size_t *sizes, const double *shares,
                        gm_error *err) {
  b->sets = calloc(b->n_sets, sizeof *b->sets);
  if (!b->sets) return gm_fail_memory(err, "data sets", b->n_sets * sizeof *b->sets);
  for (size_t s = 0; s < b->n_sets; s++)
    GM_TRY(choose(b, s, sizes[s], shares ? shares[s] : 1, err));
  if (!b->n_chunks)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "no data set has as many pictures as a chunk (%zu; all together %zu): give "
                   "more pictures, a larger share or a smaller batch",
                   b->chunk_size, b->n_pictures);
  b->chunks = malloc(b->n_chunks * sizeof *b->chunks);
  if (!b->chunks) return gm_fail_memory(err, "an epoch's order", b->n_chunks * sizeof(chunk));
  begin_epoch(b);
  return GM_OK;
}

gm_status gm_batches_create(gm_batches **out, const size_t *sizes, const double *shares,
                            size_t n_sets, size_t chunk_size, uint64_t seed, gm_error *err) {
  *out = NULL;
  if (!n_sets || !chunk_size)
    return gm_fail(err, GM_ERR_ARGUMENT, "found %zu data sets and chunks of %zu; wanted some",
                   n_sets, chunk_size);
  gm_batches *b = calloc(1, sizeof *b);
  if (!b) return gm_fail_memory(err, "data sets", sizeof *b);
  b->n_sets = n_sets;
  b->chunk_size = chunk_size;
  b->seed = seed;
  gm_status status = set_up(b, sizes, shares, err);
  if (status == GM_OK)
    *out = b;
  else
    gm_batches_free(b);
  return status;
}

void gm_batches_free(gm_batches *b) {
  if (!b) return;
  for (size_t s = 0; b->sets && s < b->n_sets; s++) {
    free(b->sets[s].chosen);
    free(b->sets[s].order);
  }
  free(b->sets);
  free(b->chunks);
  free(b);
}

size_t gm_batches_chunks(const gm_batches *b) {
  return b->n_chunks;
}

size_t gm_batches_pictures(const gm_batches *b) {
  return b->n_pictures;
}

size_t gm_batches_chosen(const gm_batches *b, size_t set) {
  return b->sets[set].n;
}

void gm_batches_next(gm_batches *b, gm_visit *visits) {
  const chunk *c = &b->chunks[b->place.chunk];
  for (size_t i = 0; i < b->chunk_size; i++)
    visits[i] = (gm_visit){c->set, b->sets[c->set].order[c->first + i], b->place.epoch};
  if (++b->place.chunk < b->n_chunks) return;
  b->place = (gm_place){b->place.epoch + 1, 0};
  begin_epoch(b);
}

gm_place gm_batches_place(const gm_batches *b) {
  return b->place;
}

gm_status gm_batches_seek(gm_batches *b, gm_place place, gm_error *err) {
  if (place.chunk >= b->n_chunks)
    return gm_fail(
        err, GM_ERR_ARGUMENT,
        "the saved place is chunk %llu of an epoch, but this data has %zu chunks: it "
        "is not the data that the run was started with",
        (unsigned long long)place.chunk, b->n_chunks);
  b->place = place;
  begin_epoch(b);
  return GM_OK;
}
