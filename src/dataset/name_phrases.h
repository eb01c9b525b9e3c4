/* name_phrases.h - sentences made from names, for pictures that come with boxes and names only:
 * a caption, and phrases that single out one object. Their wording is that of the drawn world
 * that groma-mini was trained on. */
#ifndef GM_NAME_PHRASES_H
#define GM_NAME_PHRASES_H

#include "data_set.h"

/* "a", "an", "the" or "": as the file says, else by the name's first letter. */
const char *gm_category_article(const gm_data_set *set, size_t category);

/* "<p>A cat</p><roi><ground_box></roi>, <p>a dog</p><roi><ground_box></roi> and <p>a dog</p>
 * <roi><ground_box></roi> on a white background." (without the line break) in the arena, for n
 * >= 1 categories in this order: that of the regions' indices, which the caller knows.
 * background: a colour, or NULL. GM_ERR_MEMORY. */
gm_status gm_name_caption(const char **out, const gm_data_set *set, const uint32_t *categories,
                          size_t n, const char *background, gm_arena *arena, gm_error *err);

/* At most two phrases for box `object` (0..n_boxes-1) of the picture, in the arena. If its name
 * occurs once: "a cat", "the cat". If twice: "the cat on the left", "the upper cat", where the
 * centres are at least 0.12 of the picture apart. Else none. GM_ERR_MEMORY. */
enum { GM_NAME_PHRASES = 2 };
gm_status gm_name_phrases(const char *out[GM_NAME_PHRASES], size_t *n, const gm_data_set *set,
                          size_t picture, size_t object, gm_arena *arena, gm_error *err);

#endif
