/* cmd_detect.c - gromatic detect: the class-agnostic regions of a picture, with scores. */
#include "batch.h"
#include "commands.h"
#include "results.h"

#include <stdlib.h>

static gm_status run(const cli_job *job, gm_scene *scene, cli_report *report, gm_error *err) {
  size_t n;
  gm_region *regions = out_scene_regions(scene, &n);
  if (!regions) return err->status = GM_ERR_MEMORY;
  json_t *list = json_array();
  for (size_t i = 0; i < n; i++) {
    char label[32];
    if (!cli_above_conf(job->args, &regions[i])) continue;
    json_array_append_new(list, out_json_region(&report->frame, &regions[i]));
    fprintf(report->text, "%5.2f  ", (double)regions[i].score);
    cli_report_print_box(report, regions[i].box);
    fputc('\n', report->text);
    snprintf(label, sizeof label, "%.2f", (double)regions[i].score);
    cli_report_mark(report, regions[i].box, label, (int32_t)i);
  }
  json_object_set_new(report->json, "regions", list);
  free(regions);
  return GM_OK;
}

int cmd_detect(const cli_args *args) {
  static const char *const classes[] = {"object"};
  cli_job job = {.args = args,
                 .command = "detect",
                 .run = run,
                 .nothing = "no region has a score above --conf",
                 .classes = classes,
                 .n_classes = 1};
  return cli_run_batch(&job, &args->inputs);
}
