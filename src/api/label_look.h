/* label_look.h - naming regions as gm_label_regions does, with what was seen of each. */
#ifndef GM_LABEL_LOOK_H
#define GM_LABEL_LOOK_H

#include "label_signals.h"

/* Region number i with its features; raw[classes]; of signals those of places and pixels are
 * set, and those of the names for the whole list. All live until it returns. */
typedef gm_status gm_label_seen(void *user, size_t i, const gm_view *view, const float *raw,
                                const float *signals, gm_error *err);

/* gm_label_regions, whose params are read. seen may be NULL. */
gm_status gm_label_look(gm_clip *clip, const gm_image *image, const gm_box *regions, size_t n,
                        const gm_classes *classes, const gm_view_params *view,
                        const gm_classify_params *classify, const gm_callbacks *callbacks,
                        gm_classification **results, gm_label_seen *seen, void *user,
                        gm_error *err);

/* raw[classes] of a classification, by the classes' numbers. */
void gm_classification_raw(const gm_classification *classification, size_t n_classes,
                           float *raw);

#endif
