/* benchmark_lines.c - see benchmark_lines.h. */
#include "benchmark_lines.h"

#include "options.h"
#include "run_settings.h"
#include "terminal.h"
#include "text_read.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- lines ---- */

static json_t *json_id(const gm_name_table *ids, size_t number) {
  const char *id = ids->names[number];
  return id[0] == '"' ? json_string(id + 1) : json_loads(id, JSON_DECODE_ANY, NULL);
}

static json_t *json_box(score_box b) {
  return json_pack("[f, f, f, f]", b.x, b.y, b.w, b.h);
}

static json_t *json_answer(const score_answers *answers, const score_answer *a,
                           const benchmark_ids *ids) {
  bool rec = ids->kind == SCORE_REC;
  json_t *out = json_object();
  if (ids->kind == SCORE_CHAT) {
    json_object_set_new(out, "question_id", json_id(ids->entries, a->entry));
    json_object_set_new(out, "text", json_string(a->caption));
    json_object_set_new(out, "category", json_string(ids->labels[a->entry]));
    return out;
  }
  if (ids->kind == SCORE_PRESENCE) {
    json_object_set_new(out, "image_id", json_id(ids->categories, a->category));
    json_object_set_new(out, "expression",
                        json_string(strchr(ids->entries->names[a->entry], '/') + 1));
    json_object_set_new(out, "present", json_real(a->present));
    json_object_set_new(out, "calibrated", json_boolean(a->calibrated));
  } else {
    json_object_set_new(out, rec ? "id" : "image_id", json_id(ids->entries, a->entry));
  }
  if (ids->kind == SCORE_DETECTIONS)
    json_object_set_new(out, "category_id", json_id(ids->categories, a->category));
  if (ids->kind == SCORE_CAPTION)
    json_object_set_new(out, "caption", json_string(a->caption));
  else if (ids->kind != SCORE_PRESENCE)
    json_object_set_new(out, "bbox", a->has_box ? json_box(a->box) : json_null());
  if (ids->kind == SCORE_DETECTIONS || ids->kind == SCORE_PROPOSALS)
    json_object_set_new(out, "score", json_real(a->score));
  if (a->has_regions) {
    json_t *regions = json_array();
    for (size_t i = 0; i < a->n_regions; i++) {
      const score_region *region = &answers->regions[a->first_region + i];
      json_array_append_new(
          regions,
          rec ? json_box(region->box)
              : json_pack("{s:o, s:f}", "bbox", json_box(region->box), "score", region->score));
    }
    json_object_set_new(out, "regions", regions);
  }
  return out;
}

bool benchmark_lines_add(cli_ledger *ledger, const char *key, const score_answers *answers,
                         size_t first, const benchmark_ids *ids) {
  json_t *list = json_array();
  for (size_t i = first; i < answers->n; i++)
    json_array_append_new(list, json_answer(answers, &answers->items[i], ids));
  /* Each question of a chat is asked by itself, and its line has no list: so the public judge
   * reads the file too. */
  const json_t *whole = ids->kind == SCORE_CHAT ? json_array_get(list, 0) : list;
  char *line = json_dumps(whole, JSON_COMPACT | JSON_REAL_PRECISION(17));
  bool ok = line && cli_ledger_write(ledger, key, line, false);
  if (!line) cli_error("not enough memory for an answer");
  free(line);
  json_decref(list);
  return ok;
}

/* ---- the file ---- */

/* What must be the same when the run goes on. */
static json_t *settings_of(const cli_args *args, const benchmark_ids *ids,
                           const char *model_sha256, const char *clip_sha256, json_t *adapters,
                           const char *kernels) {
  json_t *own = json_pack(
      "{s:s, s:s, s:s, s:o*, s:s, s:s, s:s, s:s, s:s, s:I}", "the benchmark",
      args->inputs.items[0], "the model's SHA-256", model_sha256, "the CLIP's SHA-256",
      clip_sha256, "--adapter", adapters, "the instruction set (GROMATIC_CPU)", kernels,
      "--templates", args->templates ? "random" : "the first",
      ids->kind == SCORE_CHAT ? "--questions" : "--coco", ids->sums[0], "--refs", ids->sums[1],
      "--absent", ids->sums[2], "--limit", (json_int_t)args->limit);
  json_t *all = cli_option_settings(cli_command_named("eval"), args, own);
  json_decref(own);
  return all;
}

/* The lines that are kept of an earlier run. */
static int read_kept(score_answers *answers, const char *path, const benchmark_ids *ids) {
  char *part = NULL, *text = NULL;
  gm_error err = {0};
  if (asprintf(&part, "%s.part", path) < 0) return CLI_SOME_FAILED;
  gm_status status = gm_text_read(&text, part, &err);
  const score_file kept = {part, text};
  if (status == GM_OK && text[0])
    status = score_answers_read(answers, &kept, ids->kind, ids->entries, ids->n_entries,
                                ids->categories, ids->n_categories, &err);
  if (status != GM_OK) cli_report_error(&err);
  free(text);
  free(part);
  return status == GM_OK ? CLI_DONE : CLI_SOME_FAILED;
}

int benchmark_lines_open(cli_ledger **out, score_answers *answers, const cli_args *args,
                         const benchmark_ids *ids, const char *model_sha256,
                         const char *clip_sha256, json_t *adapters, const char *kernels) {
  *out = NULL;
  if (!args->output) {
    json_decref(adapters);
    return CLI_DONE;
  }
  json_t *settings = settings_of(args, ids, model_sha256, clip_sha256, adapters, kernels);
  int code =
      settings
          ? cli_ledger_open(args->output,
                            (ledger_wish){.resume = args->resume, .force = args->force}, out)
          : CLI_SOME_FAILED;
  if (code == CLI_DONE) code = cli_ledger_begin(*out, settings);
  if (code == CLI_DONE && args->resume) code = read_kept(answers, args->output, ids);
  json_decref(settings);
  return code;
}
