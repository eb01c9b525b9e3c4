/* cmd_ground.c - gromatic ground: finds the things that the phrases name. */
#include "batch.h"
#include "commands.h"
#include "file_names.h"
#include "results.h"
#include "terminal.h"

#include <stdlib.h>
#include <unistd.h>

/* Whether the phrase has no regions because its thing is not in the picture. */
static bool is_refused(const cli_args *args, const gm_ground_result *result) {
  return result->calibrated && (double)result->present < args->min_present;
}

static void report_phrase(const cli_job *job, cli_report *report, json_t *results, size_t i,
                          const gm_ground_result *result) {
  const char *phrase = job->phrases->items[i];
  for (size_t k = 0; k < result->n_regions; k++) {
    const gm_region region = out_ground_region(result, k);
    cli_report_print_name(report, phrase, (int32_t)i);
    cli_report_print_box(report, region.box);
    fprintf(report->text, "  %.2f\n", (double)region.score);
    cli_report_mark(report, region.box, phrase, (int32_t)i);
  }
  if (result->n_regions == 0) {
    cli_put_column(report->text, phrase, 24);
    fputs(is_refused(job->args, result) ? " not there\n" : " not found\n", report->text);
  }
  json_array_append_new(results, out_json_phrase(&report->frame, phrase, result));
}

static gm_status run(const cli_job *job, gm_scene *scene, cli_report *report, gm_error *err) {
  size_t n = job->phrases->n;
  gm_ground_params params = gm_ground_params_default();
  params.all = job->args->all;
  params.max_det = (uint32_t)job->args->max_det;
  if (params.max_det == 0 && !params.all) params.max_det = 1;
  params.min_score = (float)job->args->min_score;
  params.min_present = job->args->min_present > 0 ? (float)job->args->min_present : -1;
  params.clip = job->clip;
  params.image = job->clip ? report->image : NULL;
  gm_ground_result **found = calloc(n, sizeof *found);
  if (!found) return err->status = GM_ERR_MEMORY;
  gm_status status =
      gm_ground(scene, job->phrases->items, n, &params, &job->callbacks, found, err);
  if (status == GM_OK) {
    json_t *results = json_array();
    for (size_t i = 0; i < n; i++) report_phrase(job, report, results, i, found[i]);
    json_object_set_new(report->json, "results", results);
  }
  for (size_t i = 0; i < n; i++) gm_ground_result_free(found[i]);
  free(found);
  return status;
}

/* False, after a message, for a picture among the phrases and for a file of phrases. */
static bool is_phrase(const char *text, size_t i) {
  if (!text[0]) {
    cli_error("ground: phrase %zu is empty", i + 1);
    return false;
  }
  bool picture = cli_is_picture_name(text);
  if (!picture && !(cli_reads_as_file(text) && access(text, F_OK) == 0)) return true;
  cli_error("ground: phrase %zu: found '%s', the name of a %s, wanted words; %s", i + 1, text,
            picture ? "picture" : "file",
            picture ? "with several pictures, give phrases as --phrase P"
                    : "give its phrases one by one");
  return false;
}

int cmd_ground(const cli_args *args) {
  cli_job job = {
      .args = args,
      .command = "ground",
      .run = run,
      .language = true,
      .looks = true,
      .nothing =
          "nothing that a phrase names is there (--min-present), or no region's score reaches "
          "--min-score"};
  /* ground IMAGE PHRASE...  or  ground --phrase P ... IMAGE... */
  cli_list inputs = args->inputs, phrases = args->phrases;
  if (phrases.n == 0 && inputs.n > 0) {
    phrases = (cli_list){inputs.items + 1, inputs.n - 1};
    inputs.n = 1;
  }
  if (phrases.n == 0 || inputs.n == 0) {
    cli_error(
        "ground: wanted a picture and phrases: ground IMAGE PHRASE..., or ground --phrase P "
        "IMAGE...");
    return CLI_USAGE;
  }
  for (size_t i = 0; i < phrases.n; i++)
    if (!is_phrase(phrases.items[i], i)) return CLI_USAGE;
  job.phrases = &phrases;
  job.classes = phrases.items;
  job.n_classes = phrases.n;
  return cli_run_batch(&job, &inputs);
}
