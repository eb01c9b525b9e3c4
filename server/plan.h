/* plan.h - what all requests about a picture have in common, read from the body. */
#ifndef SRV_PLAN_H
#define SRV_PLAN_H

#include "answer_json.h"
#include "body.h"
#include "state.h"

typedef struct srv_plan {
  json_t *json;         /* the body's members */
  size_t model;         /* in srv_models */
  srv_picture *picture; /* held */
  srv *server;
  gm_scene_params scene;
  gm_ask_params ask;
  out_box_format format;
  bool own_scales; /* scales are not those of the start */
  float scales[SRV_MAX_ADAPTERS];
  srv_variant *variant; /* with these scales, held; or NULL */
  bool raw;
  bool large; /* one of srv.n_large */
  /* Of the one kind of request that has them. */
  const char **texts; /* [n_texts] phrases, classes or turns, of json */
  size_t n_texts;
  const json_t *given; /* of json: [n_texts] the phrases of earlier answers (given.h) */
  bool usage;
} srv_plan;

/* Reads the body into job->plan: model, picture, and the members that have the names of the
 * program's options. False after an answer. wants_picture: 400 without one. */
bool srv_plan_read(srv_job *job, bool wants_picture);
void srv_plan_free(void *plan);

/* The picture that an address stands for: a data URI, bare base64, sha256:HEX, and where the
 * server allows it a URL or a file's name. For a reader's thread. False after an answer. */
bool srv_plan_picture(srv_job *job, srv_plan *plan, const char *address);

/* Makes these bytes (from malloc; it owns them) the plan's picture; false after an answer. */
bool srv_plan_keep(srv_job *job, srv_plan *plan, char *bytes, size_t size);
/* Fetches the picture from one of the hosts that are allowed; on any thread but that of HTTP.
 * authorization: a header's value, or NULL. False after an answer. */
bool srv_plan_fetch(srv_job *job, srv_plan *plan, const char *url, const char *authorization);

/* Members of the plan's JSON, checked by the table of members.h; false after an answer. What is
 * not there, or null, leaves *out as it is. */
bool srv_plan_number(srv_job *job, const char *name, double *out);
bool srv_plan_flag(srv_job *job, const char *name, bool *out);
bool srv_plan_text(srv_job *job, const char *name, const char **out);
/* A list of strings that are not empty, or one string. wanted: 400 without it. */
bool srv_plan_texts(srv_job *job, const char *name, bool wanted);
/* Whether this member, if it is there, names the CLIP that is served; else false after an
 * answer. */
bool srv_plan_is_clip(srv_job *job, const char *member);
/* [[x1, y1, x2, y2], ...] or one box, in the format of the plan; *out for free(). */
bool srv_plan_boxes(srv_job *job, const char *name, uint32_t width, uint32_t height,
                    gm_box **out, size_t *n);

/* ---- on the slot's thread ---- */

/* Decodes the plan's picture; a large one waits until few others are decoded. NULL after an
 * answer, or where the job is over. Give it back. */
gm_image *srv_plan_decode(srv_job *job);
void srv_plan_give_back(srv_job *job, gm_image *image);
/* Whether the head of the scene's model looks with the CLIP. */
bool srv_plan_looks(const srv_job *job);
/* The scene of the picture; NULL after an answer. */
gm_scene *srv_plan_scene(srv_job *job, const gm_image *image);
out_frame srv_plan_frame(const srv_plan *plan, const gm_image *image);
/* {"image": {..., "id"}, ...} with the notices of the model. */
json_t *srv_plan_object(const srv_job *job, const gm_image *image, const gm_scene *scene);

#endif
