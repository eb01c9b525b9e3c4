/* tune_measure.h - what a model can do with the held pictures: the tasks of eval, and how often
 * it finds what is not there. */
#ifndef CLI_TUNE_MEASURE_H
#define CLI_TUNE_MEASURE_H

#include "eval_tasks.h"
#include "tune_data.h"

typedef enum tune_value {
  TUNE_RECALL,
  TUNE_AR, /* recall, mean over IoU 0.5, 0.55, .. 0.95 */
  TUNE_PRECISION,
  TUNE_GROUND,
  TUNE_NAMES,
  TUNE_CAPTIONS,
  TUNE_FALSE_ALARMS, /* of phrases that are not there, the share that gets a box */
  TUNE_VALUES
} tune_value;

/* name for people; key for JSON; decides: whether a fall of this value means "worse". */
typedef struct tune_value_row {
  const char *name, *key;
  bool decides;
} tune_value_row;
extern const tune_value_row tune_value_rows[TUNE_VALUES];

enum { TUNE_SHOWN = 4 }; /* held pictures whose captions are kept, for the sheet */

typedef struct tune_tallies {
  eval_tally values[TUNE_VALUES];
} tune_tallies;

typedef struct tune_measures {
  eval_tally values[TUNE_VALUES];
  tune_tallies *first;          /* [n_pictures] values of the first 1, 2, .. pictures */
  gm_answer *shown[TUNE_SHOWN]; /* captions of the first pictures; NULL: none */
  size_t n_pictures, n_failed;
  double seconds;
} tune_measures;

double tune_mean(const eval_tally *t);
/* Standard error of the mean. */
double tune_error(const eval_tally *t);

/* Measures the first `most` held pictures with the model of the arguments and the adapter
 * (NULL: none), as many as there is time for, but at least TUNE_FEWEST. seconds 0: all. what:
 * for the progress. Returns an exit code, after a message. Free with tune_measures_free in any
 * case. */
enum { TUNE_FEWEST = 4 };
int tune_measure(tune_measures *out, const cli_args *args, const tune_data *data,
                 const char *adapter, const char *what, size_t most, double seconds);
/* Of fewer pictures: the first n of those that were measured. */
void tune_measures_cut(tune_measures *m, size_t n);
void tune_measures_free(tune_measures *m);

/* Prints the table; after may be NULL. */
void tune_print(const cli_args *args, const tune_measures *before, const tune_measures *after);
/* The first value that got worse by more than one standard error; TUNE_VALUES: none. */
tune_value tune_worse(const tune_measures *before, const tune_measures *after);

#endif
