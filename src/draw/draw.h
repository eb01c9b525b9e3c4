/* draw.h - PICTURE + BOXES + CAPTION -> CANVAS, and PICTURE + EXPLANATION -> CANVAS: the two
 * kinds of drawings. Both fill *out; free it in any case. */
#ifndef GM_DRAW_H
#define GM_DRAW_H

#include "draw_canvas.h"

/* As gm_draw_params says, with arrays of this library's structs. caption may be NULL. Errors:
 * GM_ERR_IO, GM_ERR_MEMORY. */
gm_status gm_draw_marked(gm_canvas *out, const gm_image *image, const gm_mark *marks,
                         size_t n_marks, const char *caption, const gm_span_colour *spans,
                         size_t n_spans, gm_error *err);

/* Errors also: GM_ERR_ARGUMENT if a crop is not inside the picture. */
gm_status gm_draw_explained(gm_canvas *out, const gm_image *image,
                            const gm_explanation *explanation, const gm_label *label,
                            gm_error *err);

#endif
