/* export_options.c - the options of exports, and which formats have them. */
#include "export.h"

#include "terminal.h"

#include <strings.h>

static const char *const names[] = {
    [FORMAT_JSON] = "json", [FORMAT_CSV] = "csv", [FORMAT_COCO] = "coco",
    [FORMAT_YOLO] = "yolo", [FORMAT_VOC] = "voc", [FORMAT_LABELSTUDIO] = "labelstudio"};

const char *cli_format_name(cli_format format) {
  return names[format];
}

static bool format_named(const char *name, cli_format *out) {
  *out = FORMAT_JSON;
  for (size_t i = 0; name && i < sizeof names / sizeof names[0]; i++)
    if (strcasecmp(names[i], name) == 0) {
      *out = (cli_format)i;
      return true;
    }
  return !name;
}

/* False, after a message, if an option is given that the format does not have. */
static bool options_fit(const cli_args *a, cli_format format) {
  bool folder = cli_format_is_folder(format), studio = format == FORMAT_LABELSTUDIO;
  const struct {
    const char *option;
    bool given, fits;
    const char *formats;
  } rows[] = {{"--split", a->split >= 0, folder, "-f yolo or -f voc"},
              {"--link-images", a->link_images, folder, "-f yolo or -f voc"},
              {"--save-conf", a->save_conf, folder, "-f yolo or -f voc"},
              {"--label-config", a->label_config != NULL, studio, "-f labelstudio"},
              {"--url-prefix", a->url_prefix != NULL, studio, "-f labelstudio"}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    if (rows[i].given && !rows[i].fits) {
      cli_error("%s goes with %s; found -f %s", rows[i].option, rows[i].formats, names[format]);
      return false;
    }
  return true;
}

bool cli_export_options(const cli_args *a, cli_export *out) {
  cli_format format;
  if (!format_named(a->format, &format)) {
    cli_error("-f: found '%s', wanted json, csv, coco, yolo, voc or labelstudio", a->format);
    return false;
  }
  if (!options_fit(a, format)) return false;
  if (a->split >= 0 && !(a->split > 0 && a->split < 1)) {
    cli_error("--split: found %.10g, wanted a share between 0 and 1, as 0.8", a->split);
    return false;
  }
  *out = (cli_export){.format = format,
                      .confidence = a->save_conf,
                      .again = a->resume,
                      .force = a->force,
                      .split = a->split,
                      .seed = a->seed,
                      .link = a->link_images,
                      .label_config = a->label_config,
                      .url_prefix = a->url_prefix};
  return true;
}
