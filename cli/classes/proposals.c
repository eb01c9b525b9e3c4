/* proposals.c - see proposals.h. */
#include "proposals.h"

#include "batch.h"
#include "results.h"

#include <stdlib.h>

int cli_open_proposer(const cli_args *args, gm_model **out) {
  cli_args groma = *args;
  groma.model = args->groma_model;
  return cli_open_model(&groma, 0, true, out);
}

/* The square includes some surroundings, since CLIP was trained on things with theirs. */
static gm_box square_around(gm_box box, float width, float height) {
  float x = (box.x1 + box.x2) / 2, y = (box.y1 + box.y2) / 2;
  float w = box.x2 - box.x1, h = box.y2 - box.y1, half = 0.6f * (w > h ? w : h);
  gm_box square = {x - half, y - half, x + half, y + half};
  return (gm_box){square.x1 < 0 ? 0 : square.x1, square.y1 < 0 ? 0 : square.y1,
                  square.x2 > width ? width : square.x2,
                  square.y2 > height ? height : square.y2};
}

gm_status cli_propose(gm_model *groma, const gm_image *image, const gm_callbacks *callbacks,
                      gm_box **boxes, size_t *n, gm_error *err) {
  gm_scene *scene = NULL;
  *boxes = NULL;
  gm_status status = gm_scene_create(&scene, groma, image, NULL, callbacks, err);
  if (status != GM_OK) return status;
  float width = (float)gm_image_width(image), height = (float)gm_image_height(image);
  gm_region *regions = out_scene_regions(scene, n);
  *boxes = regions ? malloc((*n + 1) * sizeof **boxes) : NULL;
  for (size_t i = 0; *boxes && i < *n; i++)
    (*boxes)[i] = square_around(regions[i].box, width, height);
  free(regions);
  gm_scene_free(scene);
  if (!*boxes) return err->status = GM_ERR_MEMORY;
  if (*n == 0) (*boxes)[(*n)++] = (gm_box){0, 0, width, height};
  return GM_OK;
}
