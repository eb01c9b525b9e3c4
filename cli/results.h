/* results.h - elements of the library's lists, as values. The caller knows that element i
 * exists. Strings live as long as the list's owner. */
#ifndef CLI_RESULTS_H
#define CLI_RESULTS_H

#include "gromatic.h"

/* The scene's *n regions, for free(). NULL if memory is short. */
gm_region *cli_scene_regions(const gm_scene *scene, size_t *n);

gm_grounding cli_grounding(const gm_answer *answer, size_t i);
gm_region cli_answer_region(const gm_answer *answer, size_t grounding, size_t i);
gm_region cli_ground_region(const gm_ground_result *result, size_t i);
gm_label cli_label(const gm_classification *found, size_t i);

gm_model_info cli_model_info(const gm_model *model);
gm_clip_info cli_clip_info(const gm_clip *clip);

#endif
