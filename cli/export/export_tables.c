/* export_tables.c - the exports that are plain text: CSV (RFC 4180), YOLO's folder, Pascal
 * VOC's XML. */
#include "export_formats.h"

#include "terminal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- CSV ---- */

/* RFC 4180: quoted where it holds a comma, a quote or a line end; quotes are doubled. */
static void put_field(FILE *out, const char *text) {
  bool quoted = text[strcspn(text, ",\"\r\n")] != 0;
  if (quoted) fputc('"', out);
  for (; *text; text++) {
    if (*text == '"') fputc('"', out);
    fputc(*text, out);
  }
  if (quoted) fputc('"', out);
}

/* {"image": {"file"}, "results": [{"label", "score", "raw_score"}]}, one row a label. */
static void put_labels(FILE *out, const json_t *line) {
  const json_t *image = json_object_get(line, "image"),
               *list = json_object_get(line, "results");
  const char *file = json_string_value(json_object_get(image, "file"));
  for (size_t i = 0; file && i < json_array_size(list); i++) {
    const json_t *result = json_array_get(list, i);
    const char *label = json_string_value(json_object_get(result, "label"));
    put_field(out, file);
    fprintf(out, ",%zu,", i + 1);
    put_field(out, label ? label : "");
    fputc(',', out);
    export_number(out, json_number_value(json_object_get(result, "score")), 6);
    fputc(',', out);
    export_number(out, json_number_value(json_object_get(result, "raw_score")), 6);
    fputs("\r\n", out);
  }
}

static int export_labels_csv(FILE *lines, FILE *out) {
  char *text = NULL;
  size_t capacity = 0;
  bool ok = true;
  rewind(lines);
  fputs("file,rank,label,score,raw_score\r\n", out);
  while (ok && getline(&text, &capacity, lines) >= 0) {
    json_t *line = json_loads(text, 0, NULL);
    ok = line != NULL;
    if (ok) put_labels(out, line);
    json_decref(line);
  }
  free(text);
  if (!ok) cli_error("the run's lines: found one that is no JSON");
  return !ok ? -1 : ferror(out) || ferror(lines) ? 1 : 0;
}

int export_csv(const cli_export *export, FILE *lines, FILE *out) {
  if (export->classification) return export_labels_csv(lines, out);
  export_reader reader = export_lines_begin(export, lines);
  export_picture p;
  int more;
  fputs("file,width,height,label,score,x1,y1,x2,y2\r\n", out);
  while ((more = export_lines_next(&reader, &p)) == 1) {
    for (size_t i = 0; i < p.n_regions; i++) {
      const export_region *r = &p.regions[i];
      const double box[4] = {r->x1, r->y1, r->x2, r->y2};
      put_field(out, p.file);
      fprintf(out, ",%lld,%lld,", (long long)p.width, (long long)p.height);
      put_field(out, r->label);
      fputc(',', out);
      export_number(out, r->score, 6);
      for (size_t k = 0; k < 4; k++) {
        fputc(',', out);
        export_number(out, box[k], 2);
      }
      fputs("\r\n", out);
    }
    export_picture_free(&p);
  }
  return more < 0 ? -1 : ferror(out) ? 1 : 0;
}

/* ---- folders: one file a picture ---- */

typedef void put_fn(const cli_export *export, const export_picture *p, FILE *out);

/* Writes folder/STEM.ending for every picture. */
static int each_picture(const cli_export *export, FILE *lines, const char *folder,
                        const char *ending, put_fn *put) {
  export_reader reader = export_lines_begin(export, lines);
  export_picture p;
  int more;
  bool ok = true;
  while (ok && (more = export_lines_next(&reader, &p)) == 1) {
    char *stem = export_stem(p.file), *name = NULL;
    export_file file;
    ok = stem && asprintf(&name, "%s%s", stem, ending) >= 0 &&
         export_file_open(&file, folder, name);
    if (ok) {
      put(export, &p, file.out);
      ok = export_file_close(&file, !ferror(file.out));
    }
    int code = errno;
    free(name);
    free(stem);
    export_picture_free(&p);
    errno = code;
  }
  return !ok ? 1 : more < 0 ? -1 : 0;
}

/* ---- YOLO ---- */

/* class centre-x centre-y width height [score], shares of the picture. */
static void put_yolo(const cli_export *export, const export_picture *p, FILE *out) {
  double w = (double)p->width, h = (double)p->height;
  for (size_t i = 0; i < p->n_regions; i++) {
    const export_region *r = &p->regions[i];
    fprintf(out, "%zu %.6f %.6f %.6f %.6f", r->class_index, (r->x1 + r->x2) / 2 / w,
            (r->y1 + r->y2) / 2 / h, (r->x2 - r->x1) / w, (r->y2 - r->y1) / h);
    if (export->confidence) fprintf(out, " %.6f", r->score);
    fputc('\n', out);
  }
}

static void put_one_line(FILE *out, const char *text) {
  for (; *text; text++) fputc((unsigned char)*text < ' ' ? ' ' : *text, out);
}

static bool write_class_files(const cli_export *export, const char *folder) {
  export_file file;
  if (!export_file_open(&file, folder, "classes.txt")) return false;
  for (size_t i = 0; i < export->n_classes; i++) {
    put_one_line(file.out, export->classes[i]);
    fputc('\n', file.out);
  }
  if (!export_file_close(&file, !ferror(file.out))) return false;
  if (!export_file_open(&file, folder, "data.yaml")) return false;
  fprintf(file.out,
          "# Put the pictures into images/, beside labels/.\n"
          "path: .\ntrain: images\nval: images\nnc: %zu\nnames:\n",
          export->n_classes);
  for (size_t i = 0; i < export->n_classes; i++) {
    /* a JSON string is a YAML string in double quotes */
    json_t *name = json_string(export->classes[i]);
    char *quoted = name ? json_dumps(name, JSON_ENCODE_ANY) : NULL;
    fprintf(file.out, "- %s\n", quoted ? quoted : "\"\"");
    free(quoted);
    json_decref(name);
  }
  return export_file_close(&file, !ferror(file.out));
}

int export_yolo(const cli_export *export, FILE *lines, const char *folder) {
  char *labels = NULL;
  if (asprintf(&labels, "%s/labels", folder) < 0) return 1;
  int code = each_picture(export, lines, labels, ".txt", put_yolo);
  if (code == 0 && !write_class_files(export, folder)) code = 1;
  int number = errno;
  free(labels);
  errno = number;
  return code;
}

/* ---- Pascal VOC ---- */

/* Text of an element. What XML 1.0 cannot hold, control characters and U+FFFE/F, becomes '?'.
 */
static void put_xml(FILE *out, const char *text) {
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    if (c == '&')
      fputs("&amp;", out);
    else if (c == '<')
      fputs("&lt;", out);
    else if (c == '>')
      fputs("&gt;", out);
    else if (c == '\r')
      fputs("&#13;", out);
    else if (c < ' ' && c != '\t' && c != '\n')
      fputc('?', out);
    else if (strncmp(text, "\xEF\xBF\xBE", 3) == 0 || strncmp(text, "\xEF\xBF\xBF", 3) == 0)
      fputc('?', out), text += 2;
    else
      fputc(c, out);
  }
}

static void put_element(FILE *out, const char *indent, const char *name, const char *text) {
  fprintf(out, "%s<%s>", indent, name);
  put_xml(out, text);
  fprintf(out, "</%s>\n", name);
}

static long within(double pixel, json_int_t limit) {
  return pixel < 1 ? 1 : pixel > (double)limit ? (long)limit : (long)pixel;
}

/* VOC counts pixels from 1 and both corners are inside. The box covers, in part, the pixels
 * floor(x1) .. ceil(x2) - 1 counted from 0. */
static void put_voc_object(const cli_export *export, const export_picture *p,
                           const export_region *r, FILE *out) {
  fputs("\t<object>\n", out);
  put_element(out, "\t\t", "name", r->label);
  fputs("\t\t<pose>Unspecified</pose>\n\t\t<truncated>0</truncated>\n"
        "\t\t<difficult>0</difficult>\n",
        out);
  if (export->confidence) fprintf(out, "\t\t<confidence>%.6f</confidence>\n", r->score);
  fprintf(out,
          "\t\t<bndbox>\n\t\t\t<xmin>%ld</xmin>\n\t\t\t<ymin>%ld</ymin>\n"
          "\t\t\t<xmax>%ld</xmax>\n\t\t\t<ymax>%ld</ymax>\n\t\t</bndbox>\n\t</object>\n",
          within(floor(r->x1) + 1, p->width), within(floor(r->y1) + 1, p->height),
          within(ceil(r->x2), p->width), within(ceil(r->y2), p->height));
}

static void put_voc(const cli_export *export, const export_picture *p, FILE *out) {
  const char *slash = strrchr(p->file, '/');
  fputs("<annotation>\n\t<folder>images</folder>\n", out);
  put_element(out, "\t", "filename", slash ? slash + 1 : p->file);
  put_element(out, "\t", "path", p->file);
  fprintf(out,
          "\t<source>\n\t\t<database>gromatic</database>\n\t</source>\n"
          "\t<size>\n\t\t<width>%lld</width>\n\t\t<height>%lld</height>\n"
          "\t\t<depth>3</depth>\n\t</size>\n\t<segmented>0</segmented>\n",
          (long long)p->width, (long long)p->height);
  for (size_t i = 0; i < p->n_regions; i++) put_voc_object(export, p, &p->regions[i], out);
  fputs("</annotation>\n", out);
}

int export_voc(const cli_export *export, FILE *lines, const char *folder) {
  char *annotations = NULL;
  if (asprintf(&annotations, "%s/Annotations", folder) < 0) return 1;
  int code = each_picture(export, lines, annotations, ".xml", put_voc);
  int number = errno;
  free(annotations);
  errno = number;
  return code;
}
