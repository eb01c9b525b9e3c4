/* eval_benchmark.c - see eval_benchmark.h. */
#include "eval_benchmark.h"

#include "benchmark_run.h"
#include "box_scores.h"
#include "options.h"
#include "presence_scores.h"
#include "rec.h"
#include "region_captions.h"
#include "score_report.h"
#include "terminal.h"
#include "text_read.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* One run: its files, its answers and what comes out. */
typedef struct benchmark {
  const cli_args *args;
  char *coco, *refs, *absent, *predictions; /* the files' texts */
  score_answers answers;
  score_report report;
  char sha256[65]; /* of the model */
  size_t n_failed; /* pictures */
  int code;        /* of the model's run */
} benchmark;

typedef gm_status benchmark_fn(benchmark *b, gm_error *err);

static gm_status read_files(benchmark *b, gm_error *err) {
  gm_status status = gm_text_read(&b->coco, b->args->coco, err);
  if (status == GM_OK && b->args->refs) status = gm_text_read(&b->refs, b->args->refs, err);
  if (status == GM_OK && b->args->absent)
    status = gm_text_read(&b->absent, b->args->absent, err);
  if (status == GM_OK && b->args->predictions)
    status = gm_text_read(&b->predictions, b->args->predictions, err);
  return status;
}

/* The answers to n_entries with these ids: from the file, or a model's to the items. */
static gm_status get_answers(benchmark *b, score_kind kind, gm_name_table *ids,
                             size_t n_entries, score_set *set, gm_task task,
                             benchmark_item *items, size_t n, gm_error *err) {
  const score_file predictions = {b->args->predictions, b->predictions};
  bool phrases = kind == SCORE_PRESENCE;
  gm_name_table *categories = phrases ? &set->image_ids : &set->category_ids;
  size_t n_categories = phrases ? set->n_images : set->n_categories;
  if (b->predictions)
    return score_answers_read(&b->answers, &predictions, kind, ids, n_entries, categories,
                              n_categories, err);
  char sums[3][65] = {"", "", ""};
  gm_sha256(b->coco, strlen(b->coco), sums[0]);
  if (b->refs) gm_sha256(b->refs, strlen(b->refs), sums[1]);
  if (b->absent) gm_sha256(b->absent, strlen(b->absent), sums[2]);
  const benchmark_ids all = {
      kind, ids, categories, n_entries, n_categories, NULL, {sums[0], sums[1], sums[2]}};
  b->code = benchmark_run(&b->answers, b->sha256, &b->n_failed, b->args, task, &all, items, n);
  b->report.model_sha256 = b->sha256;
  bool opencv = b->args->resize && strcmp(b->args->resize, "opencv") == 0;
  b->report.notes[b->report.n_notes++] =
      (score_note){"resize", opencv ? "OpenCV's bilinear" : "Pillow's bicubic"};
  bool some = b->code == CLI_DONE || (b->code == CLI_SOME_FAILED && b->answers.n > 0);
  return some ? GM_OK : GM_ERR_CANCELLED; /* a message was printed */
}

static benchmark_item *make_items(size_t n, gm_error *err) {
  benchmark_item *items = calloc(n + 1, sizeof *items);
  if (!items) gm_fail_memory(err, "questions", n);
  return items;
}

static gm_status run_rec(benchmark *b, gm_error *err) {
  const score_file coco = {b->args->coco, b->coco}, refs = {b->args->refs, b->refs};
  rec_set rec;
  rec_figures figures;
  benchmark_item *items = NULL;
  gm_status status =
      rec_set_read(&rec, &coco, b->refs ? &refs : NULL, b->args->split_name, err);
  if (status == GM_OK) rec_set_limit(&rec, b->args->limit);
  if (status == GM_OK && !(items = make_items(rec.n, err))) status = GM_ERR_MEMORY;
  for (size_t i = 0; status == GM_OK && i < rec.n; i++)
    items[i] = (benchmark_item){.file = rec.set.images[rec.entries[i].image].file,
                                .entry = i,
                                .phrase = rec.entries[i].expression};
  if (status == GM_OK)
    status =
        get_answers(b, SCORE_REC, &rec.ids, rec.n, &rec.set, GM_TASK_LOCATE, items, rec.n, err);
  if (status == GM_OK) status = rec_score(&figures, &rec, &b->answers, err);
  if (status == GM_OK) {
    b->report.n = rec.n;
    score_report_add_count(&b->report, "right", figures.right);
    score_report_add(&b->report, "accuracy", figures.accuracy);
    score_report_add(&b->report, "mean_iou", figures.mean_iou);
    score_report_add(&b->report, "missing", figures.missing);
    score_report_add(&b->report, "ceiling", figures.ceiling);
    score_report_add_count(&b->report, "tiny", figures.tiny);
  }
  free(items);
  rec_set_free(&rec);
  return status;
}

/* As it is asked for: without underscores and outer spaces, in lower case. */
static void make_phrase(char *name) {
  size_t begin = 0, end = strlen(name);
  for (char *c = name; *c; c++) *c = (char)(*c == '_' ? ' ' : tolower((unsigned char)*c));
  while (name[begin] == ' ') begin++;
  while (end > begin && name[end - 1] == ' ') end--;
  memmove(name, name + begin, end - begin);
  name[end - begin] = 0;
}

static gm_status lvis_items(score_set *set, benchmark_item *items, size_t *n, gm_error *err) {
  size_t *asked = calloc(set->n_images + 1, sizeof *asked);
  *n = 0;
  if (!asked) return gm_fail_memory(err, "pictures", set->n_images);
  lvis_asked(set, asked);
  for (size_t i = 0; i < set->n_categories; i++) make_phrase(set->categories[i]);
  for (size_t i = 0; i < set->n_images; i++)
    if (asked[i] != GM_NAME_NONE)
      items[(*n)++] = (benchmark_item){.file = set->images[i].file,
                                       .entry = i,
                                       .category = asked[i],
                                       .phrase = set->categories[asked[i]]};
  free(asked);
  return GM_OK;
}

/* LVIS-Ground and proposals: boxes found in pictures. */
static gm_status run_boxes(benchmark *b, bool classes, gm_error *err) {
  const score_file coco = {b->args->coco, b->coco};
  score_set set;
  benchmark_item *items = NULL;
  bool as_many = b->args->protocol && strcmp(b->args->protocol, "as-many") == 0;
  gm_status status = score_set_read(
      &set, &coco, SCORE_BOXES | (classes ? SCORE_CATEGORIES | SCORE_SIZES : 0), err);
  if (status == GM_OK) score_set_limit(&set, b->args->limit);
  if (status == GM_OK && !(items = make_items(set.n_images, err))) status = GM_ERR_MEMORY;
  size_t n = set.n_images;
  for (size_t i = 0; status == GM_OK && i < n; i++)
    items[i] = (benchmark_item){.file = set.images[i].file, .entry = i};
  if (status == GM_OK && classes) status = lvis_items(&set, items, &n, err);
  if (status == GM_OK)
    status = get_answers(b, classes ? SCORE_DETECTIONS : SCORE_PROPOSALS, &set.image_ids,
                         set.n_images, &set, classes ? GM_TASK_LOCATE_ALL : GM_TASK_DETECT,
                         items, n, err);
  if (status == GM_OK)
    status = classes ? lvis_score(&b->report, &set, &b->answers, as_many, err)
                     : proposals_score(&b->report, &set, &b->answers, err);
  b->report.n = set.n_images;
  if (classes && as_many)
    b->report.protocol = "as-many: a picture's first boxes count, as many as it has true ones";
  free(items);
  score_set_free(&set);
  return status;
}

static gm_status run_lvis(benchmark *b, gm_error *err) {
  return run_boxes(b, true, err);
}

static gm_status run_proposals(benchmark *b, gm_error *err) {
  return run_boxes(b, false, err);
}

static gm_status run_captions(benchmark *b, gm_error *err) {
  const score_file coco = {b->args->coco, b->coco};
  score_set set;
  benchmark_item *items = NULL;
  gm_status status =
      score_set_read(&set, &coco, SCORE_CAPTIONS | (b->predictions ? 0 : SCORE_BOXES), err);
  if (status == GM_OK) score_set_limit(&set, b->args->limit);
  if (status == GM_OK && !(items = make_items(set.n_images, err))) status = GM_ERR_MEMORY;
  for (size_t i = 0; status == GM_OK && i < set.n_truths; i++) {
    size_t image =
        set.truths[i].image; /* of several captions of a region the first one's box */
    if (!items[image].file)
      items[image] = (benchmark_item){
          .file = set.images[image].file, .entry = image, .box = set.truths[i].box};
  }
  if (status == GM_OK)
    status = get_answers(b, SCORE_CAPTION, &set.image_ids, set.n_images, &set,
                         b->args->long_form ? GM_TASK_DESCRIBE_LONG : GM_TASK_DESCRIBE, items,
                         set.n_images, err);
  if (status == GM_OK)
    status = region_captions_score(&b->report, &set, &b->answers, b->args->meteor_jar, err);
  b->report.n = set.n_images;
  free(items);
  score_set_free(&set);
  return status;
}

/* Phrases of which some name nothing. */
static gm_status run_presence(benchmark *b, gm_error *err) {
  const score_file coco = {b->args->coco, b->coco}, refs = {b->args->refs, b->refs},
                   absent = {b->args->absent, b->absent};
  presence_set set;
  benchmark_item *items = NULL;
  gm_status status = presence_set_read(&set, &coco, &refs, &absent, b->args->limit, err);
  if (status == GM_OK && !(items = make_items(set.n, err))) status = GM_ERR_MEMORY;
  for (size_t i = 0; status == GM_OK && i < set.n; i++)
    items[i] = (benchmark_item){.file = set.set.images[set.entries[i].image].file,
                                .entry = i,
                                .category = set.entries[i].image,
                                .phrase = presence_phrase(&set, i)};
  if (status == GM_OK)
    status = get_answers(b, SCORE_PRESENCE, &set.ids, set.n, &set.set, GM_TASK_LOCATE, items,
                         set.n, err);
  if (status == GM_OK)
    status = presence_score(&b->report, &set, &b->answers, b->args->min_present,
                            b->predictions != NULL, err);
  b->report.n = set.n;
  free(items);
  presence_set_free(&set);
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
    {"ground", "expressions",
     "no box where present is below --min-present, if it is calibrated; right if IoU > 0.5",
     run_presence},
};
enum { N_BENCHMARKS = sizeof benchmarks / sizeof benchmarks[0] };

static size_t benchmark_named(const char *name) {
  size_t i = 0;
  while (i < N_BENCHMARKS && strcmp(benchmarks[i].name, name) != 0) i++;
  return i;
}

bool cli_is_benchmark(const cli_args *args) {
  const char *name = args->inputs.items[0];
  return benchmark_named(name) < N_BENCHMARKS && (strcmp(name, "ground") != 0 || args->absent);
}

const char *cli_benchmark_option(const cli_args *args) {
  return args->absent        ? "--absent"
         : args->predictions ? "--predictions"
         : args->protocol    ? "--protocol"
         : args->split_name  ? "--split"
         : args->meteor_jar  ? "--meteor-jar"
         : args->output      ? "-o"
         : args->resume      ? "--resume"
         : args->force       ? "--force"
         : args->long_form   ? "--long"
         : args->resize      ? "--resize"
                             : NULL;
}

static const char *usage_error(const cli_args *args) {
  const char *name = args->inputs.items[0], *p = args->protocol;
  if (args->inputs.n != 1) return "wanted no other task beside it";
  if (!args->coco) return "wanted --coco FILE, the annotations";
  if (args->predictions && (args->limit || args->output || args->resume))
    return "--limit, -o and --resume are for a model's run";
  if (args->resize && strcmp(args->resize, "opencv") != 0 &&
      strcmp(args->resize, "pillow") != 0)
    return "wanted --resize pillow or opencv";
  if (args->resize && args->predictions) return "--resize is for a model's run";
  if (args->resume && !args->output) return "--resume wants -o FILE";
  if (args->templates && strcmp(args->templates, "random") != 0)
    return "wanted --templates random, or none for the first of the list";
  if (args->long_form && strcmp(name, "region-captions") != 0)
    return "--long is for region-captions";
  if (args->regions_file) return "--regions is for one picture; leave it out";
  if (p && strcmp(name, "lvis-ground") != 0) return "--protocol is for lvis-ground";
  if (p && strcmp(p, "released") != 0 && strcmp(p, "as-many") != 0)
    return "wanted --protocol released or as-many";
  bool ground = strcmp(name, "ground") == 0;
  if (args->absent && !ground) return "--absent is for ground";
  if (ground && !args->refs)
    return "--absent wants --refs FILE, the expressions of what is there";
  if (ground && args->templates)
    return "--templates is for rec, lvis-ground and region-captions";
  if (!ground && args->min_present != cli_defaults.min_present)
    return "--min-present is for ground with --absent";
  if (!ground && args->clip_model) return "--clip-model is for ground with --absent";
  if (ground && args->clip_model && args->predictions)
    return "--clip-model is for a model's run";
  if (args->refs && !ground && strcmp(name, "rec") != 0) return "--refs is for rec and ground";
  if (args->split_name && strcmp(name, "rec") != 0) return "--split is for rec";
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
  benchmark b = {.args = args,
                 .code = CLI_DONE,
                 .report = {.set = args->coco,
                            .method = benchmarks[i].name,
                            .entries = benchmarks[i].entries,
                            .protocol = benchmarks[i].protocol}};
  gm_error err = {0};
  gm_status status = read_files(&b, &err);
  if (status == GM_OK) status = benchmarks[i].run(&b, &err);
  if (status == GM_OK && b.report.model_sha256)
    score_report_add_count(&b.report, "failed", b.n_failed);
  if (status == GM_OK)
    score_report_print(&b.report, args);
  else if (status != GM_ERR_CANCELLED)
    cli_report_error(&err);
  score_answers_free(&b.answers);
  free(b.coco);
  free(b.refs);
  free(b.absent);
  free(b.predictions);
  return status == GM_OK || b.code != CLI_DONE ? b.code : CLI_USAGE;
}
