/* export_json.c - the JSON exports: a COCO data set with scores, and Label Studio's tasks with
 * predictions. Written entry by entry, so that a long run needs little memory. */
#include "export_formats.h"

#include "label_studio.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FLAGS = JSON_COMPACT | JSON_REAL_PRECISION(10) };

/* Writes an entry of a list and releases it. */
static bool put_entry(FILE *out, bool *first, json_t *entry) {
  fputs(*first ? "\n" : ",\n", out);
  *first = false;
  bool ok = entry && json_dumpf(entry, out, FLAGS) == 0;
  json_decref(entry);
  return ok;
}

static json_t *rounded(double v, double unit) {
  return json_real(round(v * unit) / unit);
}

/* ---- COCO ---- */

static bool put_coco_image(FILE *out, bool *first, const export_picture *p) {
  return put_entry(out, first,
                   json_pack("{s:I, s:s, s:I, s:I}", "id", (json_int_t)p->number, "file_name",
                             p->file, "width", p->width, "height", p->height));
}

/* There is no "segmentation", because importers fail on an empty one. */
static bool put_coco_regions(FILE *out, bool *first, const export_picture *p, json_int_t *id) {
  bool ok = true;
  for (size_t i = 0; ok && i < p->n_regions; i++) {
    const export_region *r = &p->regions[i];
    double w = r->x2 - r->x1, h = r->y2 - r->y1;
    json_t *bbox = json_pack("[o,o,o,o]", rounded(r->x1, 100), rounded(r->y1, 100),
                             rounded(w, 100), rounded(h, 100));
    ok = put_entry(out, first,
                   json_pack("{s:I, s:I, s:I, s:o, s:o, s:i, s:o}", "id", ++*id, "image_id",
                             (json_int_t)p->number, "category_id",
                             (json_int_t)r->class_index + 1, "bbox", bbox, "area",
                             rounded(w * h, 100), "iscrowd", 0, "score",
                             rounded(r->score, 1e6)));
  }
  return ok;
}

static int put_coco_list(export_job *job, FILE *out, bool regions) {
  export_reader reader = export_job_lines(job);
  export_picture p;
  json_int_t id = 0;
  bool first = true, ok = true;
  int more;
  while (ok && (more = export_lines_next(&reader, &p)) == 1) {
    ok = regions ? put_coco_regions(out, &first, &p, &id) : put_coco_image(out, &first, &p);
    export_picture_free(&p);
  }
  export_lines_end(&reader);
  return !ok ? 1 : more < 0 ? -1 : 0;
}

int export_coco(export_job *job, FILE *out) {
  fputs(EXPORT_COCO_HEAD ",\n\"images\":[", out);
  int code = put_coco_list(job, out, false);
  fputs("],\n\"annotations\":[", out);
  if (code == 0) code = put_coco_list(job, out, true);
  fputs("],\n\"categories\":[", out);
  bool first = true, ok = true;
  for (size_t i = 0; ok && i < job->counts.classes; i++)
    ok = put_entry(out, &first,
                   json_pack("{s:I, s:s}", "id", (json_int_t)i + 1, "name",
                             export_class_name(&job->classes, i)));
  fputs("]}\n", out);
  return code ? code : !ok || ferror(out);
}

/* ---- Label Studio ---- */

static json_t *labelstudio_result(const export_picture *p, const export_region *r, size_t i) {
  json_t *value =
      out_label_studio_value(r->x1, r->y1, r->x2, r->y2, (double)p->width, (double)p->height);
  json_object_set_new(value, "rectanglelabels", json_pack("[s]", r->label));
  char id[48];
  snprintf(id, sizeof id, "%zu-%zu", p->number, i + 1);
  return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:i, s:o, s:o}", "id", id, "type",
                   "rectanglelabels", "from_name", "label", "to_name", "image",
                   "original_width", p->width, "original_height", p->height, "image_rotation",
                   0, "value", value, "score", rounded(r->score, 1e6));
}

/* The picture's address: the prefix, and the name with all but letters, digits, "-._~" and
 * slashes as %XX. Without a prefix, the name as it is. NULL if memory is short. */
static char *address(const char *prefix, const char *file) {
  char *text = NULL;
  size_t size;
  if (!prefix) return strdup(file);
  FILE *out = open_memstream(&text, &size);
  if (!out) return NULL;
  fputs(prefix, out);
  while (strncmp(file, "./", 2) == 0) file += 2;
  if (*prefix && prefix[strlen(prefix) - 1] == '/') file += strspn(file, "/");
  for (const unsigned char *c = (const unsigned char *)file; *c; c++)
    if ((*c < 0x80 && isalnum(*c)) || strchr("-._~/", *c))
      fputc(*c, out);
    else
      fprintf(out, "%%%02X", *c);
  if (fclose(out) == 0) return text;
  free(text);
  return NULL;
}

/* The model's name; the lines of a run with -v have its file. */
static const char *model_name(const cli_export *export, const export_picture *p) {
  const json_t *file = json_object_get(json_object_get(p->line, "model"), "file");
  const char *path = json_string_value(file);
  if (export->model) return export->model;
  if (!path || !*path) return "gromatic";
  return strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
}

/* A task's score, by which Label Studio sorts, is the mean score of its regions. */
static json_t *labelstudio_task(const cli_export *export, const export_picture *p) {
  json_t *results = json_array();
  double sum = 0;
  for (size_t i = 0; i < p->n_regions; i++) {
    json_array_append_new(results, labelstudio_result(p, &p->regions[i], i));
    sum += p->regions[i].score;
  }
  json_t *score = rounded(p->n_regions ? sum / (double)p->n_regions : 0, 1e6);
  char *image = address(export->url_prefix, p->file);
  json_t *task = json_pack("{s:{s:o}, s:[{s:s, s:o, s:o}]}", "data", "image",
                           json_string(image ? image : p->file), "predictions", "model_version",
                           model_name(export, p), "score", score, "result", results);
  free(image);
  return task;
}

int export_labelstudio(export_job *job, FILE *out) {
  export_reader reader = export_job_lines(job);
  export_picture p;
  bool first = true, ok = true;
  int more;
  fputc('[', out);
  while (ok && (more = export_lines_next(&reader, &p)) == 1) {
    ok = put_entry(out, &first, labelstudio_task(&job->export, &p));
    export_picture_free(&p);
  }
  export_lines_end(&reader);
  fputs("]\n", out);
  return !ok || ferror(out) ? 1 : more < 0 ? -1 : 0;
}
