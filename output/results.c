/* results.c - see results.h. */
#include "results.h"

#include <stdlib.h>

gm_region *out_scene_regions(const gm_scene *scene, size_t *n) {
  *n = gm_scene_region_count(scene);
  gm_region *regions = calloc(*n + 1, sizeof *regions);
  for (size_t i = 0; regions && i < *n; i++) {
    regions[i].struct_size = sizeof regions[i];
    gm_scene_region_at(scene, i, &regions[i]);
  }
  return regions;
}

gm_grounding out_grounding(const gm_answer *answer, size_t i) {
  gm_grounding grounding = {.struct_size = sizeof grounding};
  gm_answer_grounding_at(answer, i, &grounding);
  return grounding;
}

gm_region out_answer_region(const gm_answer *answer, size_t grounding, size_t i) {
  gm_region region = {.struct_size = sizeof region};
  gm_answer_region_at(answer, grounding, i, &region);
  return region;
}

gm_region out_ground_region(const gm_ground_result *result, size_t i) {
  gm_region region = {.struct_size = sizeof region};
  gm_ground_region_at(result, i, &region);
  return region;
}

gm_label out_label(const gm_classification *found, size_t i) {
  gm_label label = {.struct_size = sizeof label};
  gm_label_at(found, i, &label);
  return label;
}

gm_model_info out_model_info(const gm_model *model) {
  gm_model_info info = {.struct_size = sizeof info};
  gm_model_get_info(model, &info, NULL);
  return info;
}

gm_clip_info out_clip_info(const gm_clip *clip) {
  gm_clip_info info = {.struct_size = sizeof info};
  gm_clip_get_info(clip, &info, NULL);
  return info;
}
