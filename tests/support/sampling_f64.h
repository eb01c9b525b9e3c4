/* sampling_f64.h - resizing, RoIAlign and deformable sampling in double precision, written down
 * plainly: what the tests of the operations and of their backward passes compare with. */
#ifndef GM_SAMPLING_F64_H
#define GM_SAMPLING_F64_H

#include "row_kernels.h"

/* As gm_resize_bilinear. */
void resize_f64(double *out, size_t ld_out, size_t ho, size_t wo, const double *in,
                size_t ld_in, size_t hi, size_t wi, size_t channels);
/* As gm_roi_align. */
void roi_align_f64(double *out, const double *map, size_t h, size_t w, size_t channels,
                   const float *boxes, size_t n, size_t bins, double stride);

/* As gm_deform_sample; value stands in place of map->value. */
void deform_f64(double *out, const gm_deform_map *map, const double *value,
                const gm_reference *from, const double *offset, const double *score,
                size_t n_queries);

#endif
