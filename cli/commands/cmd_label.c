/* cmd_label.c - gromatic label: open-vocabulary detection. Groma proposes the regions; CLIP
 * gives each one of the user's names. */
#include "batch.h"
#include "class_options.h"
#include "commands.h"
#include "namer.h"
#include "results.h"
#include "terminal.h"

#include <stdlib.h>

static void report_region(cli_report *report, json_t *list, const gm_region *region,
                          const out_named *named) {
  const gm_label *best = &named->best;
  json_array_append_new(list, out_json_named_region(&report->frame, region, named));
  if (named->none) return;
  int32_t colour = (int32_t)best->class_index;
  cli_report_print_name(report, best->name, colour);
  cli_report_print_box(report, region->box);
  fprintf(report->text, "  %.2f\n", out_naming_score(region, best));
  cli_report_mark(report, region->box, best->name, colour);
}

static gm_status run(const cli_job *job, gm_scene *scene, cli_report *report, gm_error *err) {
  size_t n;
  gm_region *regions = out_scene_regions(scene, &n);
  out_named *best = NULL;
  double began = cli_now();
  gm_status status = regions ? GM_OK : (err->status = GM_ERR_MEMORY);
  if (status == GM_OK)
    status = out_name_regions(&job->namer->naming, report->image, regions, n, &job->callbacks,
                              &best, err);
  if (status != GM_OK) {
    free(regions);
    return status;
  }
  cli_report_stage(report, "naming", began);
  bool *left_out = calloc(n + 1, sizeof *left_out);
  for (size_t i = 0; left_out && i < n; i++)
    left_out[i] = !cli_above_conf(job->args, &regions[i]);
  if (!left_out || !out_naming_merge(&job->namer->naming, regions, best, n, left_out))
    status = err->status = GM_ERR_MEMORY;
  json_t *list = json_array();
  for (size_t i = 0; status == GM_OK && i < n; i++)
    if (!left_out[i]) report_region(report, list, &regions[i], &best[i]);
  json_object_set_new(report->json, "regions", list);
  free(best);
  free(regions);
  free(left_out);
  return status;
}

/* Opens the second model when the pictures are known. */
static int prepare(cli_job *job) {
  int code = cli_namer_open(job->namer, job->args, NULL, 0, &job->callbacks);
  if (code != CLI_DONE) return code;
  job->clip = job->namer->naming.clip;
  job->classes = job->namer->names;
  job->n_classes = job->namer->n_names;
  job->settings = job->namer->settings;
  return CLI_DONE;
}

int cmd_label(const cli_args *args) {
  if (!args->classes && !args->descriptions) {
    cli_error("label: no names given; say which with --classes a,b,c or --classes FILE");
    return CLI_USAGE;
  }
  cli_namer namer = {0};
  cli_job job = {.args = args,
                 .command = "label",
                 .prepare = prepare,
                 .run = run,
                 .nothing =
                     "no region is good enough for one of the names; --none -1 names them "
                     "all",
                 .namer = &namer};
  int code = cli_run_batch(&job, &args->inputs);
  cli_namer_close(&namer, args);
  return code;
}
