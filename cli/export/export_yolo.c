/* export_yolo.c - YOLO's folder: labels/STEM.txt, classes.txt, data.yaml, and with options
 * images/, train.txt and val.txt. */
#include "export_formats.h"

/* class centre-x centre-y width height [score], shares of the picture. */
static void put_yolo(const export_job *job, const export_picture *p, const export_item *item,
                     FILE *out) {
  double w = (double)p->width, h = (double)p->height;
  (void)item;
  for (size_t i = 0; i < p->n_regions; i++) {
    const export_region *r = &p->regions[i];
    fprintf(out, "%zu %.6f %.6f %.6f %.6f", r->class_index, (r->x1 + r->x2) / 2 / w,
            (r->y1 + r->y2) / 2 / h, (r->x2 - r->x1) / w, (r->y2 - r->y1) / h);
    if (job->export.confidence) fprintf(out, " %.6f", r->score);
    fputc('\n', out);
  }
}

static void put_one_line(FILE *out, const char *text) {
  for (; *text; text++) fputc((unsigned char)*text < ' ' ? ' ' : *text, out);
}

/* A string in double quotes. Characters that YAML calls unprintable are escaped. */
static void put_yaml_string(FILE *out, const char *text) {
  fputc('"', out);
  for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
    bool c1 = c[0] == 0xC2 && c[1] >= 0x80 && c[1] < 0xA0;
    bool none = c[0] == 0xEF && c[1] == 0xBF && c[2] >= 0xBE; /* U+FFFE and U+FFFF */
    if (*c < ' ' || *c == 0x7F)
      fprintf(out, "\\x%02X", *c);
    else if (c1)
      fprintf(out, "\\x%02X", *++c);
    else if (none)
      fprintf(out, "\\uFFF%c", c[2] == 0xBE ? 'E' : 'F'), c += 2;
    else if (*c == '"' || *c == '\\')
      fprintf(out, "\\%c", *c);
    else
      fputc(*c, out);
  }
  fputc('"', out);
}

static int put_classes(const export_job *job, export_folder *folder) {
  FILE *out = export_folder_open(folder, "classes.txt");
  if (!out) return 1;
  for (size_t i = 0; i < job->counts.classes; i++) {
    put_one_line(out, export_class_name(&job->classes, i));
    fputc('\n', out);
  }
  return export_close(out) ? 0 : 1;
}

/* There is no "path": without it, folders are relative to data.yaml, wherever it is read from.
 */
static int put_data_yaml(const export_job *job, export_folder *folder) {
  FILE *out = export_folder_open(folder, "data.yaml");
  bool split = job->export.split >= 0;
  if (!out) return 1;
  if (!job->export.link)
    fputs("# The pictures belong into images/ beside labels/; --link-images links them.\n",
          out);
  fprintf(out, "train: %s\nval: %s\nnc: %zu\nnames:%s\n", split ? "train.txt" : "images",
          split ? "val.txt" : "images", job->counts.classes, job->counts.classes ? "" : " []");
  for (size_t i = 0; i < job->counts.classes; i++) {
    fputs("- ", out);
    put_yaml_string(out, export_class_name(&job->classes, i));
    fputc('\n', out);
  }
  return export_close(out) ? 0 : 1;
}

int export_yolo(export_job *job, export_folder *folder) {
  int code = export_each_picture(job, folder, "labels", ".txt", put_yolo);
  if (code) return code;
  export_link_pictures(job, folder, "images");
  if (job->export.split >= 0) {
    code = export_put_list(job, folder, "train.txt", PART_TRAIN, "./images/", false);
    if (code == 0) code = export_put_list(job, folder, "val.txt", PART_VAL, "./images/", false);
  }
  if (code == 0) code = put_classes(job, folder);
  return code ? code : put_data_yaml(job, folder);
}
