/* label_studio_config.h - a labelling configuration of Label Studio (XML from strangers), as
 * far as it is answered here: tags that label pictures. */
#ifndef SRV_LABEL_STUDIO_CONFIG_H
#define SRV_LABEL_STUDIO_CONFIG_H

#include "gromatic.h"

#include <jansson.h>

typedef enum srv_ls_kind {
  SRV_LS_BOXES,    /* RectangleLabels */
  SRV_LS_CHOICES,  /* Choices */
  SRV_LS_TAXONOMY, /* Taxonomy */
  SRV_LS_TEXT      /* TextArea */
} srv_ls_kind;

/* A tag that wants answers. Labels are what Label Studio reads back, classes what CLIP is asked
 * for: a label may have several. */
typedef struct srv_ls_control {
  srv_ls_kind kind;
  char *name, *to_name;
  char *image;      /* the member of a task's data that has the picture */
  double threshold; /* model_score_threshold; below 0: not given */
  bool several;     /* choice="multiple" */
  bool per_region;  /* of Choices and the like: about a box, not the picture */
  json_t *labels;   /* strings; of a Taxonomy, lists of strings from the root to the leaf */
  char **classes;   /* [n_classes], each once */
  size_t *label_of; /* [n_classes] into labels */
  size_t n_classes, room;
} srv_ls_control;

typedef struct srv_ls_config {
  srv_ls_control *controls; /* [n] on pictures, in the order of the configuration; n > 0 */
  size_t n;
} srv_ls_config;

enum {
  SRV_LS_MAX_XML = 256 << 10, /* bytes */
  SRV_LS_MAX_DEPTH = 64,      /* of tags */
  SRV_LS_MAX_TAGS = 64,       /* that want answers, and pictures */
};

/* Reads xml, n bytes of UTF-8. GM_ERR_ARGUMENT says what was found: no XML, a document type
 * (entities could grow without limit), a limit, a tag without what it needs, nothing to answer.
 * Free it after success. */
gm_status srv_ls_config_read(srv_ls_config *out, const char *xml, size_t n, gm_error *err);
void srv_ls_config_free(srv_ls_config *config);

#endif
