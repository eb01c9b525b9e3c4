/* export_voc.c - Pascal VOC's folder: Annotations/STEM.xml, ImageSets/Main, labelmap.txt, and
 * with --link-images JPEGImages/. */
#include "export_formats.h"

#include "terminal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- class names ---- */

/* The name as labelmap.txt can hold it: without ':', which separates its fields, line ends, and
 * '#' at the beginning. The annotations have the same name. */
static char plain_at(const char *name, size_t i) {
  unsigned char c = (unsigned char)name[i];
  bool never = c < ' ' || c == ':' || c == 0x7F;
  return never || (i == 0 && (c == '#' || c == ' ')) ? '_' : name[i];
}

static char *plain_name(const char *name) {
  char *plain = strdup(name);
  for (size_t i = 0; plain && plain[i]; i++) plain[i] = plain_at(name, i);
  return plain;
}

/* False, after a message, if two classes would have one name. */
static bool classes_differ(const export_job *job) {
  json_t *seen = json_object();
  bool ok = seen != NULL, told = false;
  for (size_t i = 0; ok && i < job->counts.classes; i++) {
    const char *name = export_class_name(&job->classes, i);
    char *plain = plain_name(name);
    ok = plain && !json_object_get(seen, plain);
    if (plain && !ok)
      cli_error("-f voc: found the class '%s' and another that labelmap.txt would both call "
                "'%s'; give them names without ':', '#' and line ends",
                name, plain);
    if (ok) json_object_set_new(seen, plain, json_true());
    if (ok && !told && strcmp(plain, name) != 0) {
      cli_error("-f voc: the class '%s' is called '%s', as labelmap.txt cannot hold its name",
                name, plain);
      told = true;
    }
    free(plain);
  }
  json_decref(seen);
  return ok;
}

static int put_labelmap(const export_job *job, export_folder *folder) {
  FILE *out = export_folder_open(folder, "labelmap.txt");
  if (!out) return 1;
  fputs("# label:color_rgb:parts:actions\n", out);
  for (size_t i = 0; i < job->counts.classes; i++) {
    const char *name = export_class_name(&job->classes, i);
    for (size_t k = 0; name[k]; k++) fputc(plain_at(name, k), out);
    fputs(":::\n", out);
  }
  return export_close(out) ? 0 : 1;
}

/* ---- annotations ---- */

static void put_element(FILE *out, const char *indent, const char *name, const char *text) {
  fprintf(out, "%s<%s>", indent, name);
  export_xml(out, text);
  fprintf(out, "</%s>\n", name);
}

static long within(double pixel, json_int_t limit) {
  return pixel < 1 ? 1 : pixel > (double)limit ? (long)limit : (long)pixel;
}

/* VOC counts pixels from 1, and both corners are inside. Counted from 0, the box covers, at
 * least in part, the pixels floor(x1) to ceil(x2) - 1. */
static void put_object(const export_job *job, const export_picture *p, const export_region *r,
                       FILE *out) {
  char *name = plain_name(r->label);
  fputs("\t<object>\n", out);
  put_element(out, "\t\t", "name", name ? name : "");
  free(name);
  fputs("\t\t<pose>Unspecified</pose>\n\t\t<truncated>0</truncated>\n"
        "\t\t<difficult>0</difficult>\n",
        out);
  if (job->export.confidence) fprintf(out, "\t\t<confidence>%.6f</confidence>\n", r->score);
  fprintf(out,
          "\t\t<bndbox>\n\t\t\t<xmin>%ld</xmin>\n\t\t\t<ymin>%ld</ymin>\n"
          "\t\t\t<xmax>%ld</xmax>\n\t\t\t<ymax>%ld</ymax>\n\t\t</bndbox>\n\t</object>\n",
          within(floor(r->x1) + 1, p->width), within(floor(r->y1) + 1, p->height),
          within(ceil(r->x2), p->width), within(ceil(r->y2), p->height));
}

static void put_annotation(const export_job *job, const export_picture *p,
                           const export_item *item, FILE *out) {
  fputs("<annotation>\n\t<folder>JPEGImages</folder>\n", out);
  put_element(out, "\t", "filename", item->image);
  put_element(out, "\t", "path", p->file);
  fprintf(out,
          "\t<source>\n\t\t<database>gromatic</database>\n\t</source>\n"
          "\t<size>\n\t\t<width>%lld</width>\n\t\t<height>%lld</height>\n"
          "\t\t<depth>3</depth>\n\t</size>\n\t<segmented>0</segmented>\n",
          (long long)p->width, (long long)p->height);
  for (size_t i = 0; i < p->n_regions; i++) put_object(job, p, &p->regions[i], out);
  fputs("</annotation>\n", out);
}

int export_voc(export_job *job, export_folder *folder) {
  if (!classes_differ(job)) return -1;
  int code = export_each_picture(job, folder, "Annotations", ".xml", put_annotation);
  if (code) return code;
  export_link_pictures(job, folder, "JPEGImages");
  if (job->export.split < 0) {
    code = export_put_list(job, folder, "ImageSets/Main/trainval.txt", PART_ALL, "", true);
  } else {
    code = export_put_list(job, folder, "ImageSets/Main/train.txt", PART_TRAIN, "", true);
    if (code == 0)
      code = export_put_list(job, folder, "ImageSets/Main/val.txt", PART_VAL, "", true);
  }
  return code ? code : put_labelmap(job, folder);
}
