/* eval_classify.c - see eval_classify.h.
 *
 * Every picture is decoded once, and its crops are encoded once for each seed; all methods
 * score the same features. The draws of the methods:
 *
 *   wca           one set of crops for each of --seeds seeds
 *   wca-released  the same, and --redraws drawings from each set, each scored by itself
 *   waffle        the words of one seed
 *   the others    none
 *
 * With --proposals the crops are Groma's, and wca draws nothing. */
#include "eval_classify.h"

#include "batch.h"
#include "class_choice.h"
#include "class_options.h"
#include "eval_run.h"
#include "labelled_set.h"
#include "progress.h"
#include "proposals.h"
#include "results.h"
#include "terminal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TOP = 5, N_METHODS = GM_METHOD_CUPL + 1, REDRAWS = 20 /* the default */ };

/* The results of one method so far. */
typedef struct measure {
  gm_method method;
  gm_classes *classes;
  gm_view_params view;
  gm_classify_params params;
  size_t seeds, redraws, draws; /* draws = seeds * redraws */
  /* [seeds][redraws]: pictures whose class is first, and among the first five */
  size_t *right, *near;
  size_t *by_class; /* [classes]: right answers, over all draws */
  size_t n_crops;   /* crops that were used, over all pictures and draws */
  size_t changed;   /* with --stop: answers that differ from those with all crops */
  double seconds;   /* for features and scores, over all pictures and draws */
} measure;

typedef struct evaluation {
  const cli_args *args;
  gm_clip *clip;
  gm_model *groma; /* of --proposals; else NULL */
  labelled_set set;
  measure measures[N_METHODS];
  size_t n_measures;
  size_t *of_class; /* [classes]: number of pictures */
  size_t n_scored;  /* pictures */
  eval_run run;
  size_t n_classes;
  gm_callbacks callbacks;
} evaluation;

/* ---- methods ---- */

/* Whether the method is measured: those of --method (separated by commas), or else all whose
 * files are given. wca without descriptions takes long, so it must be asked for. */
static bool is_wanted(const cli_args *args, gm_method method) {
  const char *name = gm_method_name(method), *at = args->method;
  switch (method) {
  case GM_METHOD_CLIP_E:
    if (!at) return args->templates != NULL;
    break;
  case GM_METHOD_CLIP_D:
    if (!at) return args->descriptors != NULL;
    break;
  case GM_METHOD_WCA:
  case GM_METHOD_WCA_RELEASED:
  case GM_METHOD_CUPL:
    if (!at) return args->descriptions != NULL;
    break;
  default:
    if (!at) return true;
  }
  for (size_t length; *at; at += length + (at[length] != 0)) {
    length = strcspn(at, ",");
    if (strlen(name) == length && strncmp(at, name, length) == 0) return true;
  }
  return false;
}

static bool check_methods(const cli_args *args) {
  for (const char *at = args->method ? args->method : ""; *at;) {
    char name[32];
    size_t length = strcspn(at, ",");
    gm_method method;
    snprintf(name, sizeof name, "%.*s", (int)(length < 31 ? length : 31), at);
    if (!gm_method_named(name, &method)) {
      cli_error("--method: found '%s', wanted some of wca, wca-released, clip, clip-e, clip-d, "
                "waffle, cupl with commas between",
                name);
      return false;
    }
    at += length + (at[length] != 0);
  }
  return true;
}

static void set_draws(const cli_args *args, measure *m) {
  bool released = m->method == GM_METHOD_WCA_RELEASED;
  m->seeds = out_has_crops(m->method) && !args->proposals ? (size_t)args->seeds : 1;
  m->redraws = !released ? 1 : args->redraws ? (size_t)args->redraws : REDRAWS;
  m->draws = m->seeds * m->redraws;
  m->params.redraws = 1;
}

static int add_measure(evaluation *e, gm_method method, const char *const *names, size_t n) {
  measure *m = &e->measures[e->n_measures];
  *m = (measure){.method = method};
  if (!cli_view_params(e->args, method, false, &m->view)) return CLI_USAGE;
  m->params = cli_classify_params(e->args);
  m->params.top = TOP;
  m->view.cache = true;
  if (method != GM_METHOD_WCA) m->params.stop = 0;
  e->n_measures++;
  int code = cli_make_classes(e->args, e->clip, method, names, n, &e->callbacks, &m->classes);
  if (code != CLI_DONE) return code;
  set_draws(e->args, m);
  e->n_classes = gm_classes_count(m->classes);
  m->right = calloc(m->draws, sizeof *m->right);
  m->near = calloc(m->draws, sizeof *m->near);
  m->by_class = calloc(e->n_classes, sizeof *m->by_class);
  return m->right && m->near && m->by_class ? CLI_DONE : CLI_SOME_FAILED;
}

/* Without --classes and --descriptions the classes are those of the pictures. */
static int add_measures(evaluation *e) {
  size_t n = 0;
  const char **labels = NULL;
  int code = CLI_DONE;
  if (!e->args->classes && !e->args->descriptions) {
    labels = labelled_set_labels(&e->set, &n);
    if (!labels) return CLI_SOME_FAILED;
  }
  for (int i = 0; code == CLI_DONE && i < N_METHODS; i++)
    if (is_wanted(e->args, (gm_method)i)) code = add_measure(e, (gm_method)i, labels, n);
  free(labels);
  return code;
}

static void measure_free(measure *m) {
  gm_classes_free(m->classes);
  free(m->right);
  free(m->near);
  free(m->by_class);
}

/* ---- pictures ---- */

/* Leaves out pictures of other classes, which cannot be judged. */
static int keep_known(evaluation *e, const char *path) {
  const gm_classes *classes = e->measures[0].classes;
  const char **names = calloc(e->n_classes, sizeof *names);
  for (size_t i = 0; names && i < e->n_classes; i++) names[i] = gm_classes_name(classes, i);
  bool ok = names && labelled_set_keep(&e->set, names, e->n_classes);
  free(names);
  left_out_tell(&e->set.left_out, path, "entry", "entries");
  if (!ok) return CLI_SOME_FAILED;
  if (e->set.n > 0) return CLI_DONE;
  cli_error("%s: none of its pictures is of one of the classes", path);
  return CLI_USAGE;
}

/* Compares with the answer without --stop. */
static gm_status compare_with_all(measure *m, gm_view *view, size_t answer,
                                  const gm_callbacks *callbacks, gm_error *err) {
  gm_classify_params all = m->params;
  gm_classification *found;
  all.stop = 0;
  gm_status status = gm_classify(view, m->classes, &all, callbacks, &found, err);
  if (status != GM_OK) return status;
  m->changed += out_label(found, 0).class_index != answer;
  gm_classification_free(found);
  return GM_OK;
}

static gm_status score(measure *m, gm_view *view, size_t draw, size_t truth,
                       const gm_callbacks *callbacks, gm_error *err) {
  gm_classification *found;
  double began = cli_now();
  gm_status status = gm_classify(view, m->classes, &m->params, callbacks, &found, err);
  m->seconds += cli_now() - began;
  if (status != GM_OK) return status;
  for (size_t i = 0; i < found->n_labels; i++)
    if (out_label(found, i).class_index == truth) {
      m->near[draw]++;
      m->right[draw] += i == 0;
      m->by_class[truth] += i == 0;
    }
  m->n_crops += found->n_crops;
  size_t answer = out_label(found, 0).class_index;
  gm_classification_free(found);
  return m->params.stop > 0 ? compare_with_all(m, view, answer, callbacks, err) : GM_OK;
}

static gm_status score_draws(evaluation *e, measure *m, const gm_image *image, size_t truth,
                             const gm_box *boxes, size_t n_boxes, gm_error *err) {
  gm_status status = GM_OK;
  for (size_t seed = 0; status == GM_OK && seed < m->seeds; seed++) {
    gm_view *view = NULL;
    gm_view_params params = m->view;
    params.seed = e->args->seed + seed;
    params.boxes = boxes;
    params.n_boxes = n_boxes;
    status = gm_view_create(&view, e->clip, image, &params, err);
    for (size_t r = 0; status == GM_OK && r < m->redraws; r++) {
      m->params.seed = e->args->seed + r;
      status = score(m, view, seed * m->redraws + r, truth, &e->callbacks, err);
    }
    gm_view_free(view);
  }
  return status;
}

static gm_status score_picture(evaluation *e, const labelled_picture *p, gm_error *err) {
  size_t truth = p->class_index;
  gm_image *image;
  gm_box *boxes = NULL;
  size_t n_boxes = 0;
  gm_image_params params = cli_image_params(e->args);
  gm_status status = gm_image_open(&image, p->path, &params, err);
  double began = cli_now();
  if (status == GM_OK && e->groma)
    status = cli_propose(e->groma, image, &e->callbacks, &boxes, &n_boxes, err);
  double proposing = cli_now() - began;
  for (size_t i = 0; status == GM_OK && i < e->n_measures; i++) {
    measure *m = &e->measures[i];
    bool crops = out_has_crops(m->method);
    status = score_draws(e, m, image, truth, crops ? boxes : NULL, n_boxes, err);
    if (crops) m->seconds += proposing * (double)m->draws;
  }
  if (status == GM_OK) {
    e->of_class[truth]++;
    e->n_scored++;
  }
  free(boxes);
  gm_image_free(image);
  return status;
}

static int score_all(evaluation *e) {
  for (size_t i = 0; i < e->set.n; i++) {
    const labelled_picture *p = &e->set.pictures[i];
    gm_error err = {0};
    eval_run_at(&e->run, "classify", i);
    gm_status status = score_picture(e, p, &err);
    if (status != GM_OK && !eval_run_fail(&e->run, p->path, status, &err))
      return CLI_INTERRUPTED;
  }
  cli_progress_clear(&e->run.progress);
  return CLI_DONE;
}

/* ---- results ---- */

typedef struct summary {
  double mean, deviation; /* over the seeds; of a seed the mean over its redraws */
  double redraws;         /* deviation over a seed's redraws; mean over the seeds */
} summary;

static void mean_and_deviation(const double *x, size_t n, double *mean, double *deviation) {
  double sum = 0, squares = 0;
  for (size_t i = 0; i < n; i++) sum += x[i];
  *mean = sum / (double)n;
  for (size_t i = 0; i < n; i++) squares += (x[i] - *mean) * (x[i] - *mean);
  *deviation = sqrt(squares / (double)n);
}

/* Makes counts shares of n pictures; deviations are those of the population. */
static bool summarise(const measure *m, const size_t *counts, size_t n, summary *out) {
  double *means = malloc((m->seeds + m->redraws) * sizeof *means), *own = means + m->seeds;
  *out = (summary){0};
  for (size_t seed = 0; means && seed < m->seeds; seed++) {
    double deviation;
    for (size_t r = 0; r < m->redraws; r++)
      own[r] = (double)counts[seed * m->redraws + r] / (double)n;
    mean_and_deviation(own, m->redraws, &means[seed], &deviation);
    out->redraws += deviation / (double)m->seeds;
  }
  if (means) mean_and_deviation(means, m->seeds, &out->mean, &out->deviation);
  free(means);
  return means != NULL;
}

static json_t *classes_json(const evaluation *e, const measure *m) {
  json_t *out = json_object();
  for (size_t i = 0; i < e->n_classes; i++) {
    if (!e->of_class[i]) continue;
    double share = (double)m->by_class[i] / (double)(m->draws * e->of_class[i]);
    json_object_set_new(out, gm_classes_name(m->classes, i), out_json_number(share));
  }
  return out;
}

static void print_json(const evaluation *e, const measure *m, const char *path,
                       const summary *top1, const summary *top5, double crops) {
  json_t *line =
      json_pack("{s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o}", "set", path,
                "method", gm_method_name(m->method), "n", (json_int_t)e->n_scored, "top1",
                out_json_number(top1->mean), "top1_std", out_json_number(top1->deviation),
                "top5", out_json_number(top5->mean), "top5_std",
                out_json_number(top5->deviation), "seeds", (json_int_t)m->seeds, "crops",
                out_json_number(crops), "seconds", out_json_number(m->seconds), "per_class",
                classes_json(e, m), "skipped", eval_run_skipped(&e->run));
  if (m->redraws > 1) {
    json_object_set_new(line, "redraws", json_integer((json_int_t)m->redraws));
    json_object_set_new(line, "top1_redraw_std", out_json_number(top1->redraws));
  }
  if (m->params.stop > 0)
    json_object_set_new(line, "stop_changed",
                        out_json_number((double)m->changed / (double)(e->n_scored * m->draws)));
  char *text = line ? json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(10)) : NULL;
  if (text) cli_put_json(stdout, text);
  free(text);
  json_decref(line);
}

static void print_measure(const evaluation *e, const measure *m, const char *path) {
  summary top1, top5;
  if (!summarise(m, m->right, e->n_scored, &top1) || !summarise(m, m->near, e->n_scored, &top5))
    return;
  double crops = (double)m->n_crops / (double)(e->n_scored * m->draws);
  if (e->args->json) {
    print_json(e, m, path, &top1, &top5, crops);
    return;
  }
  printf("%-13s top-1 %6.2f +- %.2f   top-5 %6.2f +- %.2f   %zu seeds",
         gm_method_name(m->method), 100 * top1.mean, 100 * top1.deviation, 100 * top5.mean,
         100 * top5.deviation, m->seeds);
  if (m->redraws > 1) printf(", %zu redraws (+- %.2f)", m->redraws, 100 * top1.redraws);
  if (crops > 0) printf(", %.1f crops", crops);
  if (m->params.stop > 0)
    printf(", %.2f %% changed by stopping",
           100 * (double)m->changed / (double)(e->n_scored * m->draws));
  putchar('\n');
}

int cli_eval_classify(const cli_args *args, const char *path) {
  evaluation e = {.args = args, .callbacks = cli_callbacks()};
  cli_catch_interrupt();
  if (!check_methods(args)) return CLI_USAGE;
  int code = labelled_set_load(&e.set, path, (size_t)args->limit) ? CLI_DONE : CLI_USAGE;
  const char *spec = args->model ? args->model : args->clip_model;
  if (code == CLI_DONE) code = cli_open_clip(args, spec, args->proposals, &e.clip);
  if (code == CLI_DONE) code = add_measures(&e);
  if (code == CLI_DONE && args->proposals) code = cli_open_proposer(args, &e.groma);
  if (code == CLI_DONE) code = keep_known(&e, path);
  if (code == CLI_DONE) {
    e.of_class = calloc(e.n_classes, sizeof *e.of_class);
    e.run = eval_run_begin(args, e.set.n, 0, e.set.left_out.n);
    code = e.of_class ? score_all(&e) : CLI_SOME_FAILED;
    for (size_t i = 0; code == CLI_DONE && e.n_scored && i < e.n_measures; i++)
      print_measure(&e, &e.measures[i], path);
    code = eval_run_end(&e.run, code);
  }
  for (size_t i = 0; i < e.n_measures; i++) measure_free(&e.measures[i]);
  free(e.of_class);
  cli_close_clip(args, e.clip);
  cli_close_model(args, e.groma);
  labelled_set_free(&e.set);
  return code;
}
