/* label_signals.h - what is known of a region that got a name: the signals that a head
 * (label_head.h) looks at. docs/LABEL.md has what each of them is worth. */
#ifndef GM_LABEL_SIGNALS_H
#define GM_LABEL_SIGNALS_H

#include "classes.h"
#include "label_head.h"
#include "view.h"

/* Sets the signals of the place and the pixels of region i of n. The view is that of the
 * region. scores [n] or NULL, which leaves the signals of the regions' scores NaN. */
void gm_label_place_signals(float signals[GM_LABEL_SIGNALS], const gm_view *view,
                            const gm_box *regions, const float *scores, size_t n, size_t i);

/* Sets the signals of the names, as if the n classes with the numbers `among` were the list
 * (NULL: all of them). raw[all classes] are their raw scores. Returns the best class. The
 * signals depend on the order of neither classes nor crops. */
size_t gm_label_name_signals(float signals[GM_LABEL_SIGNALS], const gm_view *view,
                             const gm_classes *classes, const float *raw, const size_t *among,
                             size_t n);

#endif
