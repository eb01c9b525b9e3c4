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
  /* What the command does with one scene. On an error the report is thrown away, unless
   * partial. */
  gm_status (*run)(const cli_job *job, gm_scene *scene, cli_report *report, gm_error *err);
  /* Besides run: the same with n scenes at once, 2 <= n <= CLI_MOST_TOGETHER; answered[i],
   * false before, tells whose reports are as run would have made them. The others, after a
   * failure, are as they were and run alone. NULL: all do. */
  gm_status (*run_together)(const cli_job *job, gm_scene *const *scenes,
                            cli_report *const *reports, size_t n, bool *answered,
                            gm_error *err);
  /* Called when the pictures are known, before the model is opened: may set what follows.
   * Returns an exit code. NULL: none. */
  int (*prepare)(cli_job *job);
  /* Instead of run: what the command does with the picture itself. No scene is made, and no
   * model opened but the job's clip. */
  gm_status (*run_image)(const cli_job *job, const gm_image *image, const char *name,
                         cli_report *report, gm_error *err);
  const char *nothing; /* what is said where no picture had any result; NULL: it always has */
  gm_clip *clip;       /* NULL: the command has none */
  json_t *settings;    /* the command's own, see cli_option_settings; NULL: none */
  /* For the run function */
  struct cli_naming *naming;
  const cli_list *phrases;
  double (*boxes)[4]; /* --box, as given */
  size_t n_boxes;
  cli_box_format format;
  const char *const *classes; /* [n_classes] what things may be called, for exports */
  size_t n_classes;
  gm_callbacks callbacks;
  cli_drawn_name draw_name, explain_name; /* how their pictures are named */
  bool language; /* the language model is asked, whose cache -v tells of */
  bool stream;   /* words go to stdout as they come: one picture, text output */
};

#endif
