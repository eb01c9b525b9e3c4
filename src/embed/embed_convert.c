/* embed_convert.c - build tool: converts a checkpoint to GGUF before the gromatic program
 * exists. embed_convert SOURCE DESTINATION TYPE [HEAD] merges the adapter HEAD if its head was
 * fitted to these weights. */
#include "adapter.h"
#include "gromatic_tools.h"

#include <stdio.h>
#include <string.h>

enum { PATH = 4096 };

static gm_status fits(const char *model, const char *head, bool *same, gm_error *err) {
  gm_model_file *file;
  gm_adapter *adapter = NULL;
  char weights[65];
  *same = false;
  GM_TRY(gm_model_file_open(&file, model, true, false, err));
  gm_status status = gm_adapter_open(&adapter, head, err);
  if (status == GM_OK) status = gm_present_weights(file, weights, err);
  if (status == GM_OK) {
    const char *present = adapter->present ? adapter->present->weights : NULL;
    const char *fitted = adapter->label ? adapter->label->weights : present;
    *same = fitted && strcmp(fitted, weights) == 0;
  }
  gm_adapter_close(adapter);
  gm_model_file_close(file);
  return status;
}

/* model.part -> model with the head. */
static gm_status merge(const char *part, const char *model, const char *head,
                       gm_convert_params params, gm_error *err) {
  bool same;
  const gm_adapter_use use = {.struct_size = sizeof use, .path = head};
  GM_TRY(fits(part, head, &same, err));
  if (same) {
    params.adapters = &use;
    params.n_adapters = 1;
  } else {
    fprintf(stderr,
            "embed_convert: %s was fitted to other weights and is left out: run make "
            "calibrate-mini\n",
            head);
  }
  return gm_convert(part, model, &params, NULL, err);
}

int main(int argc, char **argv) {
  if (argc != 4 && argc != 5) {
    fprintf(stderr, "usage: embed_convert SOURCE DESTINATION TYPE [HEAD]\n");
    return 2;
  }
  gm_convert_params params = gm_convert_params_default();
  params.type = argv[3];
  gm_error err = {GM_OK, ""};
  char part[PATH];
  snprintf(part, sizeof part, "%s.part", argv[2]);
  const char *first = argc == 5 ? part : argv[2];
  gm_status status = gm_convert(argv[1], first, &params, NULL, &err);
  if (status == GM_OK && argc == 5) status = merge(part, argv[2], argv[4], params, &err);
  if (argc == 5) remove(part);
  if (status == GM_OK) return 0;
  fprintf(stderr, "embed_convert: %s\n", err.message);
  return 1;
}
