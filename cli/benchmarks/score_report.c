/* score_report.c - see score_report.h. */
#include "score_report.h"

#include "terminal.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void add(score_report *report, const char *name, double value, bool count) {
  if (report->n_figures == SCORE_MOST_FIGURES) return;
  score_figure *figure = &report->figures[report->n_figures++];
  *figure = (score_figure){.value = value, .count = count};
  snprintf(figure->name, sizeof figure->name, "%s", name);
}

void score_report_add(score_report *report, const char *name, double value) {
  add(report, name, value, false);
}

void score_report_add_count(score_report *report, const char *name, size_t value) {
  add(report, name, (double)value, true);
}

static json_t *number(const score_figure *figure) {
  if (figure->count) return json_integer((json_int_t)figure->value);
  return isfinite(figure->value) ? json_real(figure->value) : json_null();
}

static void print_json(const score_report *report, const cli_args *args) {
  json_t *line = json_pack("{s:s, s:s, s:I, s:s, s:I}", "set", report->set, "method",
                           report->method, "n", (json_int_t)report->n, "protocol",
                           report->protocol, "seed", (json_int_t)args->seed);
  if (report->model_sha256) {
    json_object_set_new(line, "model_sha256", json_string(report->model_sha256));
    json_object_set_new(line, "templates", json_string(args->templates ? "random" : "first"));
  } else {
    json_object_set_new(line, "predictions", json_string(args->predictions));
  }
  for (size_t i = 0; i < report->n_notes; i++)
    json_object_set_new(line, report->notes[i].name, json_string(report->notes[i].text));
  for (size_t i = 0; i < report->n_figures; i++)
    json_object_set_new(line, report->figures[i].name, number(&report->figures[i]));
  char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(10));
  if (text) cli_put_json(stdout, text);
  free(text);
  json_decref(line);
}

void score_report_print(const score_report *report, const cli_args *args) {
  if (args->json) {
    print_json(report, args);
    return;
  }
  cli_print(stdout, "%s: %zu %s of %s; %s %s; seed %llu; %s", report->method, report->n,
            report->entries, report->set, report->model_sha256 ? "model" : "answers of",
            report->model_sha256 ? report->model_sha256 : args->predictions,
            (unsigned long long)args->seed, report->protocol);
  for (size_t i = 0; i < report->n_notes; i++)
    cli_print(stdout, "; %s: %s", report->notes[i].name, report->notes[i].text);
  printf("\n\n");
  for (size_t i = 0; i < report->n_figures; i++) printf("| %s ", report->figures[i].name);
  printf("|\n");
  for (size_t i = 0; i < report->n_figures; i++) printf("|---");
  printf("|\n");
  for (size_t i = 0; i < report->n_figures; i++) {
    const score_figure *figure = &report->figures[i];
    if (figure->count)
      printf("| %.0f ", figure->value);
    else if (isfinite(figure->value))
      printf("| %.4f ", figure->value);
    else
      printf("| not computed ");
  }
  printf("|\n");
}
