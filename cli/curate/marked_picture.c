/* marked_picture.c - see marked_picture.h. */
#include "marked_picture.h"

#include "draw_numbers.h"
#include "export_part.h"
#include "gromatic_tools.h"
#include "marked_order.h"
#include "terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

char *picture_path(const curate_picture *p, const char *folder) {
  char *path = NULL;
  if (p->file[0] == '/') return strdup(p->file);
  return asprintf(&path, "%s/%s", folder, p->file) < 0 ? NULL : path;
}

bool write_bytes(const char *path, const char *bytes, size_t size) {
  export_file file;
  bool ok = export_file_open(&file, path);
  if (ok) ok = export_file_close(&file, fwrite(bytes, 1, size, file.out) == size);
  if (!ok) cli_error("%s: cannot write: %s", path, strerror(errno));
  return ok;
}

/* The size must be that of the annotations: else the boxes belong to another picture. */
static gm_status check_size(const curate_picture *p, const gm_image *image, gm_error *err) {
  uint32_t w = gm_image_width(image), h = gm_image_height(image);
  if (w == p->width && h == p->height) return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT, "found %u x %u pixels, wanted %u x %u as --coco says", w,
                 h, p->width, p->height);
}

static gm_status draw(const curate_picture *p, const gm_image *image, gm_text *out,
                      gm_error *err) {
  mark_disc places[MOST_MARKED];
  gm_number_disc discs[MOST_MARKED];
  size_t n = 0;
  GM_TRY(check_size(p, image, err));
  place_discs(p, places);
  for (size_t i = 0; i < p->n_boxes; i++) {
    const curate_box *b = &p->boxes[i];
    if (places[i].place == DISC_NONE) continue;
    discs[n++] = (gm_number_disc){.number = (unsigned)i + 1,
                                  .x = places[i].x,
                                  .y = places[i].y,
                                  .line = places[i].place == DISC_OUTSIDE,
                                  .to_x = b->x + b->w / 2,
                                  .to_y = b->y + b->h / 2};
  }
  return gm_draw_numbers(out, image, discs, n, disc_diameter(p), err);
}

char *marked_picture(const curate_picture *p, const char *folder, size_t *size) {
  gm_image_params params = gm_image_params_default();
  gm_image *image = NULL;
  gm_text png = {0};
  gm_error err = {0};
  char *path = picture_path(p, folder);
  gm_status status = path ? gm_image_open(&image, path, &params, &err)
                          : gm_fail_memory(&err, "a name", strlen(p->file));
  if (status == GM_OK) status = draw(p, image, &png, &err);
  if (status != GM_OK) cli_error("%s: %s", path ? path : p->file, err.message);
  gm_image_free(image);
  free(path);
  if (status != GM_OK) gm_text_free(&png);
  *size = png.length;
  return png.bytes;
}
