/* benchmark_run.h - a model's answers to a benchmark's entries, asked in the form that was
 * published. */
#ifndef CLI_BENCHMARK_RUN_H
#define CLI_BENCHMARK_RUN_H

#include "arguments.h"
#include "benchmark_lines.h"

typedef struct benchmark_item {
  const char *file;       /* the picture, below the folder; NULL: the annotations do not say */
  size_t entry, category; /* what the answer refers to */
  const char *phrase;     /* what is to be found, or the question; NULL: nothing */
  score_box box;          /* what is to be described */
} benchmark_item;

/* Opens the model of the arguments and asks for each of n items (which it sorts by picture):
 *
 *   GM_TASK_LOCATE         the first region that 3 tokens name; the answer has all regions too
 *   GM_TASK_LOCATE_ALL     each region that 10 tokens name, with score 1
 *   GM_TASK_DESCRIBE       at most 100 tokens on the box; GM_TASK_DESCRIBE_LONG: with the
 *                          questions for long descriptions
 *   GM_TASK_CHAT           the question as it is, at most 1024 tokens; each by itself, in order
 *   GM_TASK_LOCATE with SCORE_PRESENCE: what gm_ground gives, the best region, with refusal
 * off, and with the CLIP that the model's head looks with GM_TASK_DETECT         nothing is
 * asked: the picture's regions with their scores
 *
 * The question is the first of training's list, with --templates random one drawn by --seed and
 * the item's entry. Boxes are the model's own, not clipped. Pictures that fail have no answers,
 * are named on stderr and counted in *n_failed. sha256: of the model. Returns an exit code,
 * after a message if it is not CLI_DONE.
 *
 * With -o FILE each picture's answers are written when they are there, and --resume goes on. */
int benchmark_run(score_answers *answers, char sha256[65], size_t *n_failed,
                  const cli_args *args, gm_task task, const benchmark_ids *ids,
                  benchmark_item *items, size_t n);

#endif
