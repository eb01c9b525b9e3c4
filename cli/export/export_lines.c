/* export_lines.c - see export_lines.h. */
#include "export_lines.h"

#include "box_format.h"
#include "terminal.h"
#include "text_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- classes ---- */

/* Adds a name; one that exists keeps its number. False if memory is short. */
static bool add_class(export_classes *classes, const char *name) {
  if (cli_member_named(classes->ids, name)) return true;
  json_int_t id = (json_int_t)json_array_size(classes->names);
  return json_object_set_new(classes->ids, name, json_integer(id)) == 0 &&
         json_array_append_new(classes->names, json_string(name)) == 0;
}

bool export_classes_begin(const cli_export *export, export_classes *out) {
  *out = (export_classes){json_object(), json_array(), export->classes == NULL};
  bool ok = out->ids && out->names;
  for (size_t i = 0; ok && i < export->n_classes; i++) ok = add_class(out, export->classes[i]);
  if (!ok) export_classes_free(out);
  return ok;
}

void export_classes_free(export_classes *classes) {
  json_decref(classes->ids);
  json_decref(classes->names);
  *classes = (export_classes){0};
}

const char *export_class_name(const export_classes *classes, size_t i) {
  return json_string_value(json_array_get(classes->names, i));
}

/* ---- one line ---- */

/* Sets what is wrong with the current line. Returns false. */
__attribute__((format(printf, 2, 3))) static bool wrong(export_reader *reader,
                                                        const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(reader->why, sizeof reader->why, format, args);
  va_end(args);
  return false;
}

/* Reads the box in pixels and clips it to the picture. */
static bool read_box(export_reader *reader, const export_picture *p, const json_t *box,
                     export_region *out) {
  double v[4];
  out_box_format format;
  out_box_format_named(json_string_value(json_object_get(p->line, "box_format")), &format);
  bool numbers = json_array_size(box) == 4;
  for (size_t i = 0; i < 4 && numbers; i++) {
    numbers = json_is_number(json_array_get(box, i));
    v[i] = json_number_value(json_array_get(box, i));
  }
  if (!numbers) return wrong(reader, "wanted a box of four numbers");
  double w = (double)p->width, h = (double)p->height;
  if (format != BOX_XYXY) {
    gm_box pixels;
    if (!out_box_to_pixels(format, v, (uint32_t)p->width, (uint32_t)p->height, &pixels))
      return wrong(reader, "found a box that is not on its picture of %.0f x %.0f", w, h);
    v[0] = (double)pixels.x1, v[1] = (double)pixels.y1;
    v[2] = (double)pixels.x2, v[3] = (double)pixels.y2;
  }
  if (!(v[0] <= v[2] && v[1] <= v[3] && v[0] <= w && v[1] <= h && v[2] >= 0 && v[3] >= 0))
    return wrong(reader,
                 "found the box %.10g, %.10g, %.10g, %.10g, which is not on its picture"
                 " of %.0f x %.0f",
                 v[0], v[1], v[2], v[3], w, h);
  out->x1 = fmax(v[0], 0), out->y1 = fmax(v[1], 0);
  out->x2 = fmin(v[2], w), out->y2 = fmin(v[3], h);
  return true;
}

/* Adds {box, score, label_score} with the label. */
static bool add_region(export_reader *reader, export_picture *p, const json_t *region,
                       const char *label) {
  const json_t *score = json_object_get(region, "score");
  const json_t *label_score = json_object_get(region, "label_score");
  export_region found = {.label = label, .score = 1};
  if (!read_box(reader, p, json_object_get(region, "box"), &found)) return false;
  if ((score && !json_is_number(score)) || (label_score && !json_is_number(label_score)))
    return wrong(reader, "found a score that is not a number");
  if (score) found.score = json_number_value(score);
  if (label_score) found.score *= json_number_value(label_score);
  export_region *grown = realloc(p->regions, (p->n_regions + 1) * sizeof *grown);
  if (!grown) return wrong(reader, "out of memory");
  p->regions = grown;
  grown[p->n_regions++] = found;
  return true;
}

/* label: for regions without a label of their own. */
static bool add_regions(export_reader *reader, export_picture *p, const json_t *regions,
                        const char *label) {
  size_t i;
  json_t *region;
  if (!json_is_array(regions)) return wrong(reader, "wanted a list of regions");
  json_array_foreach(regions, i, region) {
    const json_t *own = json_object_get(region, "label");
    if (json_is_null(own)) continue;
    if (own && !json_is_string(own)) return wrong(reader, "found a label that is not text");
    if (!add_region(reader, p, region, own ? json_string_value(own) : label)) return false;
  }
  return true;
}

/* Entries {"phrase", "regions"}, or {"box", "text"}. */
static bool add_entries(export_reader *reader, export_picture *p, const json_t *entries) {
  size_t i;
  json_t *entry;
  json_array_foreach(entries, i, entry) {
    const char *phrase = json_string_value(json_object_get(entry, "phrase"));
    const char *text = json_string_value(json_object_get(entry, "text"));
    if (phrase) {
      if (!add_regions(reader, p, json_object_get(entry, "regions"), phrase)) return false;
    } else if (!text) {
      return wrong(reader, "wanted a phrase with regions, or a box with a text");
    } else if (!add_region(reader, p, entry, text)) {
      return false;
    }
  }
  return true;
}

bool export_line_is_classification(const json_t *line) {
  const json_t *first = json_array_get(json_object_get(line, "results"), 0);
  return json_object_get(first, "label") && !json_object_get(first, "box");
}

static bool read_labels(export_reader *reader, const export_picture *p) {
  size_t i;
  json_t *result, *list = json_object_get(p->line, "results");
  if (!json_is_array(list)) return wrong(reader, "wanted classify's results");
  json_array_foreach(
      list, i, result) if (!json_is_string(json_object_get(result, "label")) ||
                           !json_is_number(json_object_get(
                               result, "score"))) return wrong(reader,
                                                               "wanted a label and a score in "
                                                               "each of classify's results");
  return true;
}

static bool read_picture(export_reader *reader, export_picture *p) {
  const json_t *image = json_object_get(p->line, "image");
  const json_t *results = json_object_get(p->line, "results");
  const json_t *grounding = json_object_get(p->line, "grounding");
  const json_t *regions = json_object_get(p->line, "regions");
  enum { LARGEST = 1 << 24 };
  p->file = json_string_value(json_object_get(image, "file"));
  p->width = json_integer_value(json_object_get(image, "width"));
  p->height = json_integer_value(json_object_get(image, "height"));
  if (!p->file || !*p->file || p->width <= 0 || p->height <= 0 || p->width > LARGEST ||
      p->height > LARGEST)
    return wrong(reader, "wanted an image with file, width and height");
  const json_t *form = json_object_get(p->line, "box_format");
  out_box_format format;
  if (form && !(json_is_string(form) && out_box_format_named(json_string_value(form), &format)))
    return wrong(reader, "found an unknown box_format");
  if (reader->export->classification) return read_labels(reader, p);
  if (export_line_is_classification(p->line))
    return wrong(reader, "found labels of a whole picture, which have no boxes");
  if (json_is_array(regions)) return add_regions(reader, p, regions, "object");
  if (json_is_array(grounding)) return add_entries(reader, p, grounding);
  if (json_is_array(results)) return add_entries(reader, p, results);
  return wrong(reader, "wanted regions, results or grounding, as gromatic writes them");
}

/* Phrases without regions are classes too. */
static bool add_phrases(export_reader *reader, const json_t *entries) {
  size_t i;
  json_t *entry;
  json_array_foreach(entries, i, entry) {
    const char *phrase = json_string_value(json_object_get(entry, "phrase"));
    if (phrase && !add_class(reader->classes, phrase)) return wrong(reader, "out of memory");
  }
  return true;
}

/* Numbers the classes of a line without errors. */
static bool number_classes(export_reader *reader, export_picture *p) {
  if (reader->classes->open && (!add_phrases(reader, json_object_get(p->line, "results")) ||
                                !add_phrases(reader, json_object_get(p->line, "grounding"))))
    return false;
  for (size_t i = 0; i < p->n_regions; i++) {
    export_region *r = &p->regions[i];
    if (reader->classes->open && !add_class(reader->classes, r->label))
      return wrong(reader, "out of memory");
    const json_t *id = cli_member_named(reader->classes->ids, r->label);
    if (!id) return wrong(reader, "found '%.100s', which is none of the classes", r->label);
    r->class_index = (size_t)json_integer_value(id);
  }
  return true;
}

/* ---- all lines ---- */

export_reader export_lines_begin(const cli_export *export, export_classes *classes, FILE *lines,
                                 cli_export_counts *counts) {
  rewind(lines);
  return (export_reader){
      .export = export, .classes = classes, .lines = lines, .counts = counts};
}

void export_lines_end(export_reader *reader) {
  free(reader->text);
  reader->text = NULL;
}

/* A line that cannot be used: of a user's file it is left out (0); of the run's own it ends the
 * export (-1). */
static int refuse_line(export_reader *reader) {
  const char *name = reader->export->lines_name;
  enum { MOST_TOLD = 20 };
  if (!name) {
    cli_error("line %zu of the results: %s; start again without --resume", reader->number,
              reader->why);
    return -1;
  }
  if (reader->counts && ++reader->counts->bad <= MOST_TOLD)
    cli_error("%s:%zu: %s; the line is left out", name, reader->number, reader->why);
  return 0;
}

/* A line of white space is no line. */
static bool is_blank(const char *text, size_t length) {
  return strspn(text, " \t\r\n") == length;
}

static json_t *parse(export_reader *reader, size_t length) {
  json_error_t where;
  bool marked = reader->number == 1 && strncmp(reader->text, "\xEF\xBB\xBF", 3) == 0;
  if (strlen(reader->text) < length) {
    wrong(reader, "found a zero byte, wanted JSON");
    return NULL;
  }
  json_t *line = json_loads(reader->text + (marked ? 3 : 0), JSON_REJECT_DUPLICATES, &where);
  if (!line)
    wrong(reader, "wanted one JSON object a line: %s", where.text);
  else if (!json_is_object(line))
    wrong(reader, "wanted one JSON object a line");
  if (json_is_object(line)) return line;
  json_decref(line);
  return NULL;
}

/* Whether a later line of the same picture replaces this one. */
static bool is_replaced(const export_reader *reader, const export_picture *picture) {
  const json_t *last = reader->last ? json_object_get(reader->last, picture->file) : NULL;
  return last && json_integer_value(json_array_get(last, 0)) != (json_int_t)picture->number;
}

int export_lines_next(export_reader *reader, export_picture *out) {
  ssize_t length;
  int result = 0;
  *out = (export_picture){0};
  while (result == 0 &&
         (length = getline(&reader->text, &reader->capacity, reader->lines)) > 0) {
    out->number = ++reader->number;
    if (is_blank(reader->text, (size_t)length)) continue;
    out->line = parse(reader, (size_t)length);
    if (out->line && json_object_get(out->line, "error")) {
      if (reader->counts) reader->counts->failed++;
    } else if (out->line && read_picture(reader, out) && number_classes(reader, out)) {
      result = !is_replaced(reader, out);
      if (result) continue;
    } else {
      result = refuse_line(reader);
    }
    export_picture_free(out);
  }
  if (ferror(reader->lines)) {
    cli_error("%s: cannot read the lines",
              reader->export->lines_name ? reader->export->lines_name : "the results");
    result = -1;
  }
  if (result < 0) export_picture_free(out);
  return result;
}

void export_picture_free(export_picture *picture) {
  json_decref(picture->line);
  free(picture->regions);
  *picture = (export_picture){0};
}
