/* namer.c - see namer.h. */
#include "namer.h"

#include "class_options.h"
#include "terminal.h"
#include "thresholds.h"

#include <math.h>
#include <stdlib.h>

static int list_names(cli_namer *namer) {
  const gm_classes *classes = namer->naming.classes;
  namer->n_names = gm_classes_count(classes);
  namer->names = calloc(namer->n_names, sizeof *namer->names);
  if (!namer->names) return CLI_SOME_FAILED;
  for (size_t i = 0; i < namer->n_names; i++) namer->names[i] = gm_classes_name(classes, i);
  return CLI_DONE;
}

/* --none for all classes, then --thresholds for its own. */
static int set_limits(cli_namer *namer, const cli_args *args) {
  out_naming *naming = &namer->naming;
  if (args->none < -1 && !args->thresholds) return CLI_DONE;
  if (!out_naming_set_none(naming, args->none >= -1 ? (float)args->none : NAN)) {
    cli_error("no memory for the limits of %zu classes", namer->n_names);
    return CLI_SOME_FAILED;
  }
  if (!args->thresholds) return CLI_DONE;
  return cli_thresholds_read(args->thresholds, namer->names, namer->n_names, naming->limits)
             ? CLI_DONE
             : CLI_USAGE;
}

int cli_namer_open(cli_namer *namer, const cli_args *args, const char *const *names, size_t n,
                   const gm_callbacks *callbacks) {
  *namer = (cli_namer){0};
  out_naming *naming = &namer->naming;
  gm_method method;
  if (!cli_method(args, &method) || !cli_view_params(args, method, true, &naming->view))
    return CLI_USAGE;
  naming->view.cache = true;
  naming->scoring = cli_classify_params(args);
  naming->scoring.top = 1;
  int code = cli_open_clip(args, args->clip_model, true, &naming->clip);
  if (code == CLI_DONE)
    code = cli_make_classes(args, naming->clip, method, names, n, callbacks, &naming->classes);
  if (code == CLI_DONE) code = list_names(namer);
  if (code == CLI_DONE) {
    naming->merge_iou = args->merge_iou;
    namer->settings = cli_class_settings(args);
    if (!namer->settings) code = CLI_SOME_FAILED;
  }
  if (code == CLI_DONE) code = set_limits(namer, args);
  return code;
}

void cli_namer_close(cli_namer *namer, const cli_args *args) {
  free(namer->names);
  free(namer->naming.limits);
  json_decref(namer->settings);
  gm_classes_free(namer->naming.classes);
  cli_close_clip(args, namer->naming.clip);
  *namer = (cli_namer){0};
}
