/* export_lines.c - see export_lines.h. */
#include "export_lines.h"

#include "terminal.h"

#include <stdlib.h>
#include <string.h>

export_reader export_lines_begin(const cli_export *export, FILE *lines) {
  rewind(lines);
  return (export_reader){export, lines, 0};
}

size_t export_class_index(const cli_export *export, const char *name) {
  size_t i = 0;
  while (i < export->n_classes && strcmp(export->classes[i], name) != 0) i++;
  return i;
}

char *export_stem(const char *file) {
  if (strcmp(file, "-") == 0) return strdup("stdin");
  const char *slash = strrchr(file, '/');
  const char *base = slash ? slash + 1 : file;
  const char *dot = strrchr(base, '.');
  return dot && dot > base ? strndup(base, (size_t)(dot - base)) : strdup(base);
}

/* Adds one region; false where the line is none of ours or memory is short. */
static bool add_region(const cli_export *export, export_picture *picture, json_t *region,
                       const char *label) {
  double v[4];
  json_t *box = json_object_get(region, "box"), *score = json_object_get(region, "score");
  json_t *label_score = json_object_get(region, "label_score");
  if (json_array_size(box) != 4 || !json_is_number(score)) return false;
  for (size_t i = 0; i < 4; i++) {
    if (!json_is_number(json_array_get(box, i))) return false;
    v[i] = json_number_value(json_array_get(box, i));
  }
  export_region found = {v[0], v[1], v[2], v[3], json_number_value(score), 0, label};
  if (label_score) found.score *= json_number_value(label_score);
  found.class_index = export_class_index(export, label);
  if (found.class_index == export->n_classes) return false;
  export_region *grown =
      realloc(picture->regions, (picture->n_regions + 1) * sizeof *picture->regions);
  if (!grown) return false;
  picture->regions = grown;
  grown[picture->n_regions++] = found;
  return true;
}

static bool add_regions(const cli_export *export, export_picture *picture, json_t *regions,
                        const char *phrase) {
  size_t i;
  json_t *region;
  if (!json_is_array(regions)) return false;
  json_array_foreach(regions, i, region) {
    json_t *label = json_object_get(region, "label");
    if (json_is_null(label)) continue;
    const char *name = json_is_string(label) ? json_string_value(label) : phrase;
    if (!add_region(export, picture, region, name)) return false;
  }
  return true;
}

static bool read_picture(const cli_export *export, export_picture *picture) {
  json_t *image = json_object_get(picture->line, "image");
  json_t *width = json_object_get(image, "width"), *height = json_object_get(image, "height");
  json_t *results = json_object_get(picture->line, "results"), *result;
  picture->file = json_string_value(json_object_get(image, "file"));
  picture->width = json_integer_value(width);
  picture->height = json_integer_value(height);
  if (!picture->file || picture->width <= 0 || picture->height <= 0) return false;
  if (!results)
    return add_regions(export, picture, json_object_get(picture->line, "regions"),
                       export->classes[0]);
  size_t i;
  json_array_foreach(results, i, result) {
    const char *phrase = json_string_value(json_object_get(result, "phrase"));
    if (!phrase || !add_regions(export, picture, json_object_get(result, "regions"), phrase))
      return false;
  }
  return true;
}

int export_lines_next(export_reader *reader, export_picture *out) {
  char *text = NULL;
  size_t capacity = 0;
  int result = 0;
  *out = (export_picture){0};
  while (result == 0 && getline(&text, &capacity, reader->lines) > 0) {
    json_error_t where;
    out->number = ++reader->number;
    out->line = json_loads(text, 0, &where);
    if (out->line && json_object_get(out->line, "error")) {
      export_picture_free(out);
      continue;
    }
    result = out->line && read_picture(reader->export, out) ? 1 : -1;
    if (result < 0)
      cli_error("line %zu of the results: wanted regions of the classes of this run; start "
                "anew, without --resume",
                reader->number);
  }
  if (ferror(reader->lines)) {
    cli_error("cannot read the results back");
    result = -1;
  }
  free(text);
  if (result < 0) export_picture_free(out);
  return result;
}

void export_picture_free(export_picture *picture) {
  json_decref(picture->line);
  free(picture->regions);
  *picture = (export_picture){0};
}
