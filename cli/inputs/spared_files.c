/* spared_files.c - see spared_files.h. */
#include "spared_files.h"

#include "file_names.h"
#include "picture_paths.h"
#include "terminal.h"

#include <string.h>

typedef struct named_file {
  const char *option, *path;
} named_file;

static bool spares(const named_file *output, const char *path, const named_file *input) {
  if (!input->path || !cli_same_file(path, input->path)) return true;
  cli_error("%s %s: it would replace %s%s%s, which this run reads; give another name",
            output->option, path, input->option, *input->option ? " " : "", input->path);
  return false;
}

static bool spares_all(const named_file *output, const char *path, const cli_args *a) {
  const named_file inputs[] = {
      {"-m", a->model},
      {"--clip-model", a->clip_model},
      {"--groma-model", a->groma_model},
      {"--classes", a->classes},
      {"--descriptions", a->descriptions},
      {"--templates", a->templates},
      {"--descriptors", a->descriptors},
      {"--words", a->words},
      {"--regions", a->regions_file},
      {"--coco", a->coco},
      {"--refs", a->refs},
      {"--absent", a->absent},
      {"--captions", a->captions},
      {"--replies", a->replies},
      {"--instructions", a->instructions},
  };
  for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++)
    if (!spares(output, path, &inputs[i])) return false;
  for (size_t i = 0; i < a->inputs.n; i++) {
    const char *name = a->inputs.items[i];
    const named_file whole = {"", name}, list = {"", name[0] == '@' ? name + 1 : NULL};
    if (!spares(output, path, &whole) || !spares(output, path, &list)) return false;
  }
  return true;
}

bool cli_spares_inputs(const cli_command *command, const cli_args *args) {
  const named_file outputs[] = {
      {"-o", args->output},
      {"--draw", args->draw},
      {"--explain", args->explain},
      {"--label-config", args->label_config},
      {"--write-prompts", args->write_prompts},
      {"--sheet", args->sheet},
  };
  char lines[4096];
  for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++)
    if (outputs[i].path && !spares_all(&outputs[i], outputs[i].path, args)) return false;
  /* With an export format, the lines are beside the result, unless the result was made of
   * lines. */
  if (!args->output || !args->format || command->groups & GROUP_LINES) return true;
  int length = (int)cli_length_without_slashes(args->output);
  if (snprintf(lines, sizeof lines, "%.*s.jsonl", length, args->output) >= (int)sizeof lines)
    return true; /* longer than any path */
  return spares_all(&outputs[0], lines, args);
}
