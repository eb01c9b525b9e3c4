/* hungarian.c - see hungarian.h. The shorter side is assigned entry by entry. Each new entry
 * searches, as Dijkstra does, for the cheapest path of alternating pairs to a free place of the
 * longer side. Potentials keep all reduced costs at or above 0. */
#include "hungarian.h"

#include "checked.h"

#include <math.h>
#include <stdlib.h>

/* Entries of the short side are counted from 1, so that 0 is none. Place 0 of the long side is
 * an extra one, where the entry that is being assigned stands at first. */
typedef struct assignment {
  const double *cost;
  size_t short_side, long_side;
  size_t short_step, long_step;             /* distances within cost */
  double *short_potential, *long_potential; /* [1 + side] */
  double *distance;                         /* [1 + long_side], shortest path to a place */
  size_t *entry_at, *from; /* [1 + long_side]: who has it; the place before it on the path */
  size_t *done;            /* [1 + long_side]: the last entry whose search visited it */
} assignment;

static double cost_of(const assignment *a, size_t entry, size_t place) {
  return a->cost[(entry - 1) * a->short_step + (place - 1) * a->long_step];
}

/* The nearest place that was not visited, after the paths through `place` are known. */
static size_t nearest(assignment *a, size_t search, size_t place, double *step) {
  size_t entry = a->entry_at[place], best = 0;
  *step = INFINITY;
  for (size_t j = 1; j <= a->long_side; j++) {
    if (a->done[j] == search) continue;
    double reduced = cost_of(a, entry, j) - a->short_potential[entry] - a->long_potential[j];
    if (reduced < a->distance[j]) {
      a->distance[j] = reduced;
      a->from[j] = place;
    }
    if (a->distance[j] < *step) {
      *step = a->distance[j];
      best = j;
    }
  }
  return best;
}

static void assign_entry(assignment *a, size_t entry) {
  size_t place = 0;
  a->entry_at[0] = entry;
  for (size_t j = 0; j <= a->long_side; j++) a->distance[j] = INFINITY;
  do {
    double step;
    a->done[place] = entry;
    size_t next = nearest(a, entry, place, &step);
    for (size_t j = 0; j <= a->long_side; j++) {
      if (a->done[j] == entry) {
        a->short_potential[a->entry_at[j]] += step;
        a->long_potential[j] -= step;
      } else {
        a->distance[j] -= step;
      }
    }
    place = next;
  } while (a->entry_at[place]);
  for (; place; place = a->from[place]) a->entry_at[place] = a->entry_at[a->from[place]];
}

static gm_status check(const double *cost, size_t rows, size_t columns, gm_error *err) {
  for (size_t i = 0; i < rows * columns; i++)
    if (!(fabs(cost[i]) <= GM_ASSIGN_LIMIT))
      return gm_fail(err, GM_ERR_MODEL,
                     "found the cost %g for pair (%zu, %zu) of an assignment, wanted a number "
                     "of at most %g; the model's outputs are not numbers any more",
                     cost[i], i / columns, i % columns, GM_ASSIGN_LIMIT);
  return GM_OK;
}

gm_status gm_assign(const double *cost, size_t rows, size_t columns, int32_t *column_of,
                    gm_error *err) {
  bool turned = rows > columns;
  assignment a = {cost,
                  turned ? columns : rows,
                  turned ? rows : columns,
                  turned ? 1 : columns,
                  turned ? columns : 1,
                  NULL,
                  NULL,
                  NULL,
                  NULL,
                  NULL,
                  NULL};
  for (size_t i = 0; i < rows; i++) column_of[i] = -1;
  if (a.short_side == 0) return GM_OK;
  GM_TRY(check(cost, rows, columns, err));
  size_t n = a.short_side + 1, m = a.long_side + 1;
  double *numbers = calloc(n + 2 * m, sizeof *numbers);
  size_t *places = calloc(3 * m, sizeof *places);
  if (!numbers || !places) {
    free(numbers);
    free(places);
    return gm_fail_memory(err, "an assignment", (n + 5 * m) * sizeof *numbers);
  }
  a.short_potential = numbers;
  a.long_potential = numbers + n;
  a.distance = numbers + n + m;
  a.entry_at = places;
  a.from = places + m;
  a.done = places + 2 * m;
  for (size_t i = 1; i <= a.short_side; i++) assign_entry(&a, i);
  for (size_t j = 1; j <= a.long_side; j++) {
    size_t i = a.entry_at[j];
    if (i) column_of[turned ? j - 1 : i - 1] = (int32_t)(turned ? i - 1 : j - 1);
  }
  free(numbers);
  free(places);
  return GM_OK;
}
