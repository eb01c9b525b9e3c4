/* label_studio_answers.h - what the tags of a labelling configuration are answered for one
 * picture: Label Studio's results. */
#ifndef SRV_LABEL_STUDIO_ANSWERS_H
#define SRV_LABEL_STUDIO_ANSWERS_H

#include "label_studio_config.h"
#include "naming.h"
#include "plan.h"

/* A control with its classes as CLIP has them. */
typedef struct srv_ls_asked {
  const srv_ls_control *control;
  gm_view_params view; /* of the whole picture */
  gm_classify_params scoring;
  out_naming naming; /* of boxes; owns the classes of both */
} srv_ls_asked;

/* Encodes the classes of a control that has any. False after an answer. Free it in any case. */
bool srv_ls_ask(srv_job *job, const srv_ls_control *control, srv_ls_asked *out);
void srv_ls_asked_free(srv_ls_asked *asked);

/* A picture that is being answered. */
typedef struct srv_ls_picture {
  srv_job *job; /* its plan has the picture */
  const gm_image *image;
  gm_scene *scene; /* NULL: not made yet; srv_ls_picture_end frees it */
  json_t *results; /* a list, added to */
} srv_ls_picture;

/* Adds the answers for the picture: boxes, labels, words; not of what is about single boxes.
 * False after an answer. */
bool srv_ls_answer(srv_ls_picture *picture, const srv_ls_asked *asked);

/* A box that the user has drawn, of an interactive request. */
typedef struct srv_ls_drawn {
  const char *from_name;
  json_t *labels; /* strings that the user chose, or NULL */
  gm_box box;     /* pixels */
} srv_ls_drawn;

/* Reads Label Studio's result, percents of the picture. False after an answer, with *wanted as
 * it is; *wanted is false where it is marked as what the user does not want. */
bool srv_ls_read_drawn(srv_ls_picture *picture, json_t *result, srv_ls_drawn *out,
                       bool *wanted);
/* Adds the box, moved to the region that it is meant for, with the user's label, else CLIP's;
 * and what controls about single boxes say of it. False after an answer. */
bool srv_ls_answer_drawn(srv_ls_picture *picture, const srv_ls_drawn *drawn,
                         const srv_ls_asked *asked, size_t n);
void srv_ls_picture_end(srv_ls_picture *picture);

#endif
