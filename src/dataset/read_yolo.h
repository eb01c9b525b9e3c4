/* read_yolo.h - YOLO's folders (user_data.h), and the names in data.yaml. */
#ifndef GM_READ_YOLO_H
#define GM_READ_YOLO_H

#include "data_set.h"

/* The set of a folder; names: data.yaml or a list of names, one a line. Errors as of
 * gm_data_set_load. */
gm_status gm_yolo_load(gm_data_set **out, const char *folder, const char *names,
                       gm_data_report *report, gm_error *err);

/* The class names of a data.yaml, called one after another in the order of their numbers. Of
 * YAML only what such files have is read: names: [a, "b"], {0: a, 1: b}, and both as blocks.
 * GM_ERR_ARGUMENT with the line if there are none, or a number is missing. text is changed. */
gm_status gm_yaml_names(char *text, const char *path, gm_status (*add)(void *user, char *name),
                        void *user, gm_error *err);

#endif
