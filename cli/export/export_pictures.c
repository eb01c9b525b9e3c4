/* export_pictures.c - what YOLO and VOC share: a file for each picture, links to the pictures,
 * lists of them. */
#include "export_formats.h"

#include "terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int export_each_picture(export_job *job, export_folder *folder, const char *inside,
                        const char *ending, export_put_fn *put) {
  export_reader reader = export_job_lines(job);
  export_picture p;
  int more;
  bool ok = true;
  for (size_t i = 0; ok && (more = export_lines_next(&reader, &p)) == 1; i++) {
    char *name = NULL;
    FILE *out = NULL;
    ok = i < job->items.n &&
         asprintf(&name, "%s/%s%s", inside, job->items.all[i].stem, ending) >= 0;
    if (ok) ok = (out = export_folder_open(folder, name)) != NULL;
    if (ok) {
      put(job, &p, &job->items.all[i], out);
      ok = export_close(out);
    }
    int code = errno;
    free(name);
    export_picture_free(&p);
    errno = code;
  }
  export_lines_end(&reader);
  return !ok ? 1 : more < 0 ? -1 : 0;
}

static void tell_unlinked(const export_item *item, const char *inside, int code) {
  if (code == EEXIST)
    cli_error("%s: --link-images: %s/%s is there and no link of an earlier export; it stays",
              item->file, inside, item->image);
  else if (code == ENOTDIR)
    cli_error("%s: --link-images: wanted a file to link; unpack tar files first", item->file);
  else
    cli_error("%s: --link-images: cannot link the picture: %s", item->file,
              code == EINVAL ? "it is no file" : strerror(code));
}

void export_link_pictures(export_job *job, export_folder *folder, const char *inside) {
  enum { MOST_TOLD = 20 };
  if (!job->export.link) return;
  for (size_t i = 0; i < job->items.n; i++) {
    export_item *item = &job->items.all[i];
    char *name = NULL;
    errno = ENOMEM;
    if (asprintf(&name, "%s/%s", inside, item->image) < 0) name = NULL;
    item->absent = !name || !export_folder_link(folder, item->file, name);
    if (item->absent && ++job->counts.unlinked <= MOST_TOLD) tell_unlinked(item, inside, errno);
    free(name);
  }
}

int export_put_list(const export_job *job, export_folder *folder, const char *name,
                    export_part_of part, const char *prefix, bool stems) {
  FILE *out = export_folder_open(folder, name);
  if (!out) return 1;
  for (size_t i = 0; i < job->items.n; i++) {
    const export_item *item = &job->items.all[i];
    if (item->absent || (part != PART_ALL && item->train != (part == PART_TRAIN))) continue;
    fprintf(out, "%s%s\n", prefix, stems ? item->stem : item->image);
  }
  return export_close(out) ? 0 : 1;
}
