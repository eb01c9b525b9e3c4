/* export_csv.c - CSV (RFC 4180): regions, or classify's labels. */
#include "export_formats.h"

#include <string.h>

/* A field is quoted if it has a comma, a quote or a line end; quotes are doubled. */
static void put_field(FILE *out, const char *text) {
  bool quoted = text[strcspn(text, ",\"\r\n")] != 0;
  if (quoted) fputc('"', out);
  for (; *text; text++) {
    if (*text == '"') fputc('"', out);
    fputc(*text, out);
  }
  if (quoted) fputc('"', out);
}

/* {"results": [{"label", "score", "raw_score"}]}: one row for each label. */
static void put_labels(const export_picture *p, FILE *out) {
  const json_t *list = json_object_get(p->line, "results");
  for (size_t i = 0; i < json_array_size(list); i++) {
    const json_t *result = json_array_get(list, i);
    put_field(out, p->file);
    fprintf(out, ",%zu,", i + 1);
    put_field(out, json_string_value(json_object_get(result, "label")));
    fputc(',', out);
    export_number(out, json_number_value(json_object_get(result, "score")), 6);
    fputc(',', out);
    export_number(out, json_number_value(json_object_get(result, "raw_score")), 6);
    fputs("\r\n", out);
  }
}

static void put_regions(const export_picture *p, FILE *out) {
  for (size_t i = 0; i < p->n_regions; i++) {
    const export_region *r = &p->regions[i];
    const double box[4] = {r->x1, r->y1, r->x2, r->y2};
    put_field(out, p->file);
    fprintf(out, ",%lld,%lld,", (long long)p->width, (long long)p->height);
    put_field(out, r->label);
    fputc(',', out);
    export_number(out, r->score, 6);
    for (size_t k = 0; k < 4; k++) {
      fputc(',', out);
      export_number(out, box[k], 2);
    }
    fputs("\r\n", out);
  }
}

int export_csv(export_job *job, FILE *out) {
  export_reader reader = export_job_lines(job);
  export_picture p;
  int more;
  fputs(job->export.classification ? "file,rank,label,score,raw_score\r\n"
                                   : "file,width,height,label,score,x1,y1,x2,y2\r\n",
        out);
  while ((more = export_lines_next(&reader, &p)) == 1) {
    if (job->export.classification)
      put_labels(&p, out);
    else
      put_regions(&p, out);
    export_picture_free(&p);
  }
  export_lines_end(&reader);
  return more < 0 ? -1 : ferror(out) ? 1 : 0;
}
