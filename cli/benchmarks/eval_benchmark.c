/* eval_benchmark.c - see eval_benchmark.h. */
#include "eval_benchmark.h"

#include "box_scores.h"
#include "rec.h"
#include "region_captions.h"
#include "score_report.h"
#include "terminal.h"
#include "text_read.h"

#include <stdlib.h>
#include <string.h>

/* The texts of the files that a benchmark reads. */
typedef struct files {
  char *coco, *refs, *predictions;
} files;

static gm_status read_files(files *f, const cli_args *args, gm_error *err) {
  *f = (files){0};
  gm_status status = gm_text_read(&f->coco, args->coco, err);
  if (status == GM_OK && args->refs) status = gm_text_read(&f->refs, args->refs, err);
  if (status == GM_OK) status = gm_text_read(&f->predictions, args->predictions, err);
  return status;
}

static void free_files(files *f) {
  free(f->coco);
  free(f->refs);
  free(f->predictions);
}

typedef gm_status benchmark_fn(score_report *out, const cli_args *args, const files *f,
                               gm_error *err);

static gm_status run_rec(score_report *out, const cli_args *args, const files *f,
                         gm_error *err) {
  const score_file coco = {args->coco, f->coco}, refs = {args->refs, f->refs},
                   predictions = {args->predictions, f->predictions};
  rec_set rec;
  rec_figures figures;
  score_answers answers = {0};
  gm_status status =
      rec_set_read(&rec, &coco, args->refs ? &refs : NULL, args->split_name, err);
  if (status == GM_OK)
    status =
        score_answers_read(&answers, &predictions, SCORE_REC, &rec.ids, rec.n, NULL, 0, err);
  if (status == GM_OK) status = rec_score(&figures, &rec, &answers, err);
  if (status == GM_OK) {
    out->n = rec.n;
    score_report_add_count(out, "right", figures.right);
    score_report_add(out, "accuracy", figures.accuracy);
    score_report_add(out, "mean_iou", figures.mean_iou);
    score_report_add(out, "missing", figures.missing);
    score_report_add(out, "ceiling", figures.ceiling);
    score_report_add_count(out, "tiny", rec.n_tiny);
  }
  score_answers_free(&answers);
  rec_set_free(&rec);
  return status;
}

/* LVIS-Ground and proposals: boxes found in pictures. */
static gm_status run_boxes(score_report *out, const cli_args *args, const files *f,
                           bool classes, gm_error *err) {
  const score_file coco = {args->coco, f->coco},
                   predictions = {args->predictions, f->predictions};
  score_set set;
  score_answers answers = {0};
  bool as_many = args->protocol && strcmp(args->protocol, "as-many") == 0;
  gm_status status = score_set_read(
      &set, &coco, SCORE_BOXES | (classes ? SCORE_CATEGORIES | SCORE_SIZES : 0), err);
  if (status == GM_OK)
    status = score_answers_read(&answers, &predictions,
                                classes ? SCORE_DETECTIONS : SCORE_PROPOSALS, &set.image_ids,
                                set.n_images, &set.category_ids, set.n_categories, err);
  if (status == GM_OK)
    status = classes ? lvis_score(out, &set, &answers, as_many, err)
                     : proposals_score(out, &set, &answers, err);
  out->n = set.n_images;
  if (classes && as_many)
    out->protocol = "as-many: a picture's first boxes count, as many as it has true ones";
  score_answers_free(&answers);
  score_set_free(&set);
  return status;
}

static gm_status run_lvis(score_report *out, const cli_args *args, const files *f,
                          gm_error *err) {
  return run_boxes(out, args, f, true, err);
}

static gm_status run_proposals(score_report *out, const cli_args *args, const files *f,
                               gm_error *err) {
  return run_boxes(out, args, f, false, err);
}

static gm_status run_captions(score_report *out, const cli_args *args, const files *f,
                              gm_error *err) {
  const score_file coco = {args->coco, f->coco},
                   predictions = {args->predictions, f->predictions};
  score_set set;
  score_answers answers = {0};
  gm_status status = score_set_read(&set, &coco, SCORE_CAPTIONS, err);
  if (status == GM_OK)
    status = score_answers_read(&answers, &predictions, SCORE_CAPTION, &set.image_ids,
                                set.n_images, NULL, 0, err);
  if (status == GM_OK)
    status = region_captions_score(out, &set, &answers, args->meteor_jar, err);
  out->n = set.n_images;
  score_answers_free(&answers);
  score_set_free(&set);
  return status;
}

static const struct {
  const char *name, *entries, *protocol;
  benchmark_fn *run;
} benchmarks[] = {
    {"rec", "expressions", "right if IoU > 0.5; the first region counts", run_rec},
    {"lvis-ground", "pictures", "released: a picture's first 300 boxes count", run_lvis},
    {"proposals", "pictures", "without classes; mean over IoU 0.50 to 0.95", run_proposals},
    {"region-captions", "regions", "words as coco-caption's tokenizer cuts them", run_captions},
};
enum { N_BENCHMARKS = sizeof benchmarks / sizeof benchmarks[0] };

static size_t benchmark_named(const char *name) {
  size_t i = 0;
  while (i < N_BENCHMARKS && strcmp(benchmarks[i].name, name) != 0) i++;
  return i;
}

bool cli_is_benchmark(const char *name) {
  return benchmark_named(name) < N_BENCHMARKS;
}

static const char *usage_error(const cli_args *args) {
  const char *name = args->inputs.items[0], *p = args->protocol;
  if (args->inputs.n != 1) return "wanted no other task beside it";
  if (!args->coco) return "wanted --coco FILE, the annotations";
  if (!args->predictions) return "wanted --predictions FILE, the answers";
  if (p && strcmp(name, "lvis-ground") != 0) return "--protocol is for lvis-ground";
  if (p && strcmp(p, "released") != 0 && strcmp(p, "as-many") != 0)
    return "wanted --protocol released or as-many";
  if ((args->refs || args->split_name) && strcmp(name, "rec") != 0)
    return "--refs and --split are for rec";
  if (args->meteor_jar && strcmp(name, "region-captions") != 0)
    return "--meteor-jar is for region-captions";
  if (args->split_name && !args->refs) return "--split is for --refs";
  return NULL;
}

int cli_eval_benchmark(const cli_args *args) {
  size_t i = benchmark_named(args->inputs.items[0]);
  const char *wrong = usage_error(args);
  if (wrong) {
    cli_error("eval %s: %s", benchmarks[i].name, wrong);
    return CLI_USAGE;
  }
  score_report report = {.method = benchmarks[i].name,
                         .entries = benchmarks[i].entries,
                         .protocol = benchmarks[i].protocol};
  gm_error err = {0};
  files f;
  gm_status status = read_files(&f, args, &err);
  if (status == GM_OK) status = benchmarks[i].run(&report, args, &f, &err);
  if (status == GM_OK)
    score_report_print(&report, args);
  else
    cli_report_error(&err);
  free_files(&f);
  return status == GM_OK ? CLI_DONE : CLI_USAGE;
}
