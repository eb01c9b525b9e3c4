/* report.c - see report.h. */
#include "report.h"

#include "results.h"
#include "terminal.h"

#include <stdlib.h>
#include <string.h>

bool cli_report_begin(cli_report *report, const char *image, uint32_t width, uint32_t height,
                      out_box_format format, bool colour) {
  *report = (cli_report){.frame = {format, width, height}, .colour = colour};
  report->text = open_memstream(&report->text_bytes, &report->text_size);
  report->json = out_json_picture(image, &report->frame);
  return report->text && report->json;
}

void cli_report_free(cli_report *report) {
  json_decref(report->json);
  if (report->text) fclose(report->text);
  free(report->text_bytes);
  for (size_t i = 0; i < report->n_marks; i++) free((char *)(uintptr_t)report->marks[i].label);
  free(report->marks);
  free(report->caption);
  free(report->spans);
  *report = (cli_report){0};
}

json_t *cli_report_object(const cli_report *report) {
  if (!json_is_array(report->json)) return report->json;
  return json_array_get(report->json, json_array_size(report->json) - 1);
}

json_t *cli_report_next(cli_report *report) {
  json_t *last = cli_report_object(report);
  if (!json_object_get(last, "text")) return last;
  json_t *next = json_pack("{s:O}", "image", json_object_get(last, "image"));
  json_t *format = json_object_get(last, "box_format");
  if (format) json_object_set(next, "box_format", format);
  if (!json_is_array(report->json)) report->json = json_pack("[o]", report->json);
  json_array_append_new(report->json, next);
  return next;
}

void cli_json_question(const cli_report *report, json_t *object, const char *question,
                       const gm_box *boxes, size_t n) {
  json_object_set_new(object, "question", json_string(question));
  if (n == 0) return;
  json_t *list = json_array();
  for (size_t i = 0; i < n; i++)
    json_array_append_new(list, out_json_box(&report->frame, boxes[i]));
  json_object_set_new(object, "boxes", list);
}

void cli_report_mark(cli_report *report, gm_box box, const char *label, int32_t colour) {
  gm_mark *grown = realloc(report->marks, (report->n_marks + 1) * sizeof *grown);
  if (!grown) return;
  report->marks = grown;
  grown[report->n_marks++] = (gm_mark){.struct_size = sizeof *grown,
                                       .box = box,
                                       .label = label ? strdup(label) : NULL,
                                       .colour = colour};
}

gm_draw_params cli_report_drawing(const cli_report *report) {
  gm_draw_params params = gm_draw_params_default();
  params.marks = report->marks;
  params.n_marks = report->n_marks;
  params.caption = report->caption;
  params.spans = report->spans;
  params.n_spans = report->n_spans;
  return params;
}

void cli_report_print_box(cli_report *report, gm_box box) {
  out_box_format format = report->frame.format;
  double v[4];
  out_box_from_pixels(format, box, report->frame.width, report->frame.height, v);
  bool pixels = format == BOX_XYXY || format == BOX_XYWH;
  const char *pattern =
      pixels || format == BOX_QWEN3 ? "%.0f,%.0f,%.0f,%.0f" : "%.4f,%.4f,%.4f,%.4f";
  fprintf(report->text, pattern, v[0], v[1], v[2], v[3]);
}

static const char *tint(const cli_report *report, int32_t index) {
  return report->colour ? cli_colour(stdout, index) : "";
}

void cli_report_print_name(cli_report *report, const char *name, int32_t colour) {
  fputs(tint(report, colour), report->text);
  cli_put_column(report->text, name, 24);
  fprintf(report->text, "%s ", tint(report, -1));
}

static void print_words(cli_report *report, const gm_answer *answer) {
  size_t at = 0;
  for (size_t i = 0; i < answer->n_groundings; i++) {
    const gm_grounding g = out_grounding(answer, i);
    if (g.span_begin < at) continue;
    cli_put_text(report->text, answer->text + at, g.span_begin - at);
    fputs(tint(report, (int32_t)i), report->text);
    cli_put_text(report->text, answer->text + g.span_begin, g.span_end - g.span_begin);
    fputs(tint(report, -1), report->text);
    at = g.span_end;
  }
  cli_put_text(report->text, answer->text + at, strlen(answer->text + at));
  fputc('\n', report->text);
}

static void add_span(cli_report *report, size_t begin, size_t end, int32_t colour) {
  gm_span_colour *grown = realloc(report->spans, (report->n_spans + 1) * sizeof *grown);
  if (!grown) return;
  report->spans = grown;
  grown[report->n_spans++] = (gm_span_colour){
      .struct_size = sizeof *grown, .begin = begin, .end = end, .colour = colour};
}

/* Adds the answer's phrase i with its regions to the text and the marks. */
static void add_grounding(cli_report *report, const gm_answer *answer, size_t i) {
  const gm_grounding g = out_grounding(answer, i);
  add_span(report, g.span_begin, g.span_end, (int32_t)i);
  for (size_t k = 0; k < g.n_regions; k++) {
    const gm_region region = out_answer_region(answer, i, k);
    fputs("  ", report->text);
    cli_report_print_name(report, g.phrase, (int32_t)i);
    cli_report_print_box(report, region.box);
    fprintf(report->text, "  %.2f\n", (double)region.score);
    cli_report_mark(report, region.box, g.phrase, (int32_t)i);
  }
}

void cli_report_stage(cli_report *report, const char *stage, double began) {
  if (report->n_stages == sizeof report->stages / sizeof report->stages[0]) return;
  report->stages[report->n_stages++] = (gm_timing){
      .struct_size = sizeof(gm_timing), .stage = stage, .seconds = cli_now() - began};
}

void cli_report_answer(cli_report *report, json_t *object, const gm_answer *answer, bool raw,
                       bool streamed) {
  out_json_add_answer(object, &report->frame, answer, raw);
  report->cut += !answer->complete;
  if (!streamed) print_words(report, answer);
  report->n_spans = 0;
  if (answer->n_groundings) fputc('\n', report->text);
  for (size_t i = 0; i < answer->n_groundings; i++) add_grounding(report, answer, i);
  if (raw) {
    fputs("\nraw: ", report->text);
    cli_put_text(report->text, answer->raw, strlen(answer->raw));
    fputc('\n', report->text);
  }
  free(report->caption);
  report->caption = strdup(answer->text);
}
