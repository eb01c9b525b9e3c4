/* hungarian.h - which rows go with which columns, so that the sum of costs is smallest: the
 * linear assignment problem, by shortest augmenting paths (R. Jonker, A. Volgenant, Computing
 * 38, 1987), in f64. */
#ifndef GM_HUNGARIAN_H
#define GM_HUNGARIAN_H

#include "status.h"

#include <stddef.h>
#include <stdint.h>

/* Larger costs are refused: sums of them could overflow. */
#define GM_ASSIGN_LIMIT 1e150

/* cost[rows, columns]. Every row gets a column of its own if rows <= columns, else every column
 * a row. column_of[rows]: the row's column, -1 where it has none. The same costs always give
 * the same pairs, also where several choices are equally good. Time min^2 * max.
 *
 * Errors: GM_ERR_MODEL where a cost is not a number or its magnitude is above the limit,
 * GM_ERR_MEMORY. */
gm_status gm_assign(const double *cost, size_t rows, size_t columns, int32_t *column_of,
                    gm_error *err);

#endif
