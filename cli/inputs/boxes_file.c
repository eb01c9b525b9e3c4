/* boxes_file.c - see boxes_file.h. */
#include "boxes_file.h"

#include "box_format.h"
#include "terminal.h"
#include "text_file.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BOXES_FILE = 64 << 20 };

bool cli_boxes_add(double (**boxes)[4], size_t *n, const double box[4]) {
  double(*grown)[4] = realloc(*boxes, (*n + 1) * sizeof **boxes);
  if (!grown) return false;
  *boxes = grown;
  memcpy(grown[(*n)++], box, sizeof *grown);
  return true;
}

static bool boxes_from_json(const char *path, const char *text, double (**out)[4], size_t *n) {
  json_error_t where;
  json_t *root = json_loads(text, JSON_DECODE_ANY, &where);
  bool ok = json_is_array(root);
  size_t i;
  json_t *entry;
  if (ok) json_array_foreach(root, i, entry) {
      json_t *values = json_is_object(entry) ? json_object_get(entry, "box") : entry;
      double box[4];
      ok = json_is_array(values) && json_array_size(values) == 4;
      for (size_t k = 0; ok && k < 4; k++) {
        ok = json_is_number(json_array_get(values, k));
        box[k] = json_number_value(json_array_get(values, k));
      }
      if (!ok || !cli_boxes_add(out, n, box)) {
        cli_error("%s: box %zu: wanted four numbers", path, i + 1);
        json_decref(root);
        return false;
      }
    }
  if (!ok)
    cli_error("%s: wanted a JSON list of boxes: %s", path, root ? "not a list" : where.text);
  json_decref(root);
  return ok;
}

bool cli_read_boxes_file(const char *path, double (**out)[4], size_t *n) {
  *out = NULL;
  *n = 0;
  char *text = cli_read_text("--regions", path, MAX_BOXES_FILE, NULL);
  if (!text) return false;
  bool ok = true;
  if (text[strspn(text, " \t\r\n")] == '[') {
    ok = boxes_from_json(path, text, out, n);
  } else {
    char *rest = text;
    size_t number = 0;
    for (char *line; ok && (line = strsep(&rest, "\n"));) {
      number++;
      if (line[strspn(line, " \t")] == 0) continue;
      double box[4];
      ok = out_parse_box(line, box) && cli_boxes_add(out, n, box);
      if (!ok) cli_error("%s: line %zu: found '%.40s', wanted x1,y1,x2,y2", path, number, line);
    }
  }
  if (ok && *n == 0) {
    cli_error("%s: no boxes in this file", path);
    ok = false;
  }
  free(text);
  if (!ok) {
    free(*out);
    *out = NULL;
  }
  return ok;
}
