/* job.h - a command as the batch sees it: what it does with a picture, and what that needs. */
#ifndef CLI_JOB_H
#define CLI_JOB_H

#include "params.h"
#include "picture_paths.h"
#include "report.h"

typedef struct cli_job cli_job;
struct cli_job {
  const cli_args *args;
  const char *command;
  /* Answers the command for one scene. On an error the report is dropped, unless it is partial.
   */
  gm_status (*run)(const cli_job *job, gm_scene *scene, cli_report *report, gm_error *err);
  /* Optional: the same for n scenes at once, 2 <= n <= CLI_MOST_TOGETHER. Sets answered[i],
   * false before the call, if report i is what run would have made. After a failure the other
   * reports are unchanged, and run is called for them. NULL: run is called for each. */
  gm_status (*run_together)(const cli_job *job, gm_scene *const *scenes,
                            cli_report *const *reports, size_t n, bool *answered,
                            gm_error *err);
  /* Called when the pictures are known and before the model is opened. May set the members
   * below. Returns an exit code. NULL: nothing to do. */
  int (*prepare)(cli_job *job);
  /* Instead of run: answers the command for a picture, without a scene. Only the job's clip is
   * opened. */
  gm_status (*run_image)(const cli_job *job, const gm_image *image, const char *name,
                         cli_report *report, gm_error *err);
  const char *nothing; /* the message if no picture had a result; NULL: every picture has one */
  gm_clip *clip;       /* NULL: the command has none */
  bool looks; /* a CLIP is opened if the model's head looks with one; the batch closes it */
  json_t *settings; /* the command's own, see cli_option_settings; NULL: none */
  /* For the run function: */
  struct cli_namer *namer;
  const cli_list *phrases;
  double (*boxes)[4]; /* --box, as given */
  size_t n_boxes;
  out_box_format format;
  const char *const *classes; /* [n_classes] the possible classes, for exports */
  size_t n_classes;
  gm_callbacks callbacks;
  cli_drawn_name draw_name, explain_name; /* how their pictures are named */
  bool language; /* the language model is asked: -v reports its cache */
  bool stream;   /* print words as they come: one picture, text output */
};

#endif
