/* scene_support.h - models, scenes and golden questions for the tests of the language half. */
#ifndef GM_SCENE_SUPPORT_H
#define GM_SCENE_SUPPORT_H

#include "interface.h"

#include "handles.h"
#include "pipeline.h"

/* Opens a checkpoint directory, converted to type, or a model by name if type is NULL. Fails
 * the test on any error. */
gm_model *test_model(const char *source, const char *type, const gm_model_params *params);
/* Opens a picture below tests/data and encodes it. */
gm_scene *test_scene(gm_model *model, const char *picture, const gm_scene_params *params);

/* Computes on the model, or on the scene, between enter and leave, one at a time. */
gm_compute *test_enter(gm_model *model, const gm_callbacks *callbacks, gm_error *err);
void test_leave(void);
gm_compute *test_enter_scene(gm_scene *scene, gm_error *err);
void test_leave_scene(gm_scene *scene);

/* Runs n talks of one model together until all rest; full[i]: the context had no room for talk
 * i's next row. After a failure they can go on from there. */
gm_status run_talks(gm_compute *c, gm_talk *const *talks, size_t n, gm_next_fn next, void *user,
                    bool *full);

/* One question of the reference: golden/NAME.json and .safetensors. */
typedef struct golden_question {
  golden *values;
  char question[256], text[1024], picture[256];
  gm_box boxes[4]; /* pixels */
  size_t n_boxes;
  float box_score_thres; /* 0: the model's own */
  size_t n_new;          /* number of tokens in the reference's answer */
} golden_question;

/* pictures: the folder below tests/data. */
void golden_question_open(golden_question *q, const char *name, const char *pictures);
void golden_question_close(golden_question *q);
/* Verbatim, with the boxes, and as many tokens as the reference's answer. */
gm_ask_params golden_ask_params(const golden_question *q);

/* Compares with the reference: prompt ids and sequence length equal, logits after the first and
 * the last prompt position within 1e-3 of the largest, then the answer's ids and text equal,
 * asked through the public calls. */
void check_golden_question(gm_model *model, const char *name, const char *pictures);

/* Fails unless both answers have the same ids, text and groundings. */
void assert_same_answer(const gm_answer *a, const gm_answer *b);

#endif
