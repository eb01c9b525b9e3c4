/* results.h - elements of the library's lists, as values. The caller knows that element i
 * exists. Strings live as long as the list's owner. */
#ifndef OUT_RESULTS_H
#define OUT_RESULTS_H

#include "gromatic.h"

/* The scene's *n regions, for free(). NULL if memory is short. */
gm_region *out_scene_regions(const gm_scene *scene, size_t *n);

gm_grounding out_grounding(const gm_answer *answer, size_t i);
gm_region out_answer_region(const gm_answer *answer, size_t grounding, size_t i);
gm_region out_ground_region(const gm_ground_result *result, size_t i);
gm_label out_label(const gm_classification *found, size_t i);

gm_model_info out_model_info(const gm_model *model);
gm_clip_info out_clip_info(const gm_clip *clip);

#endif
