/* struct_size.h - structs that cross the public border and can grow: see gromatic.h.
 *
 * A caller made for another version of the header has a shorter or a longer struct of the same
 * name; both begin alike. A later version may only add members at the end, and none that would
 * fit into the padding after the last one: an older caller's padding may hold anything. */
#ifndef GM_STRUCT_SIZE_H
#define GM_STRUCT_SIZE_H

#include "status.h"

/* *own (of own_size bytes) becomes the caller's struct, all zero but for struct_size where
 * given is NULL; what an older caller does not have is zero. GM_ERR_ARGUMENT where struct_size
 * is 0, and where what this library does not know is not zero; the message has the type's
 * name. */
gm_status gm_struct_read(void *own, size_t own_size, const void *given, const char *type,
                         gm_error *err);
#define GM_STRUCT_READ(type, own, given, err)                                                  \
  gm_struct_read((type *){own}, sizeof(type), (const type *){given}, #type, err)

/* The same for n structs; the first one's struct_size is the distance between them. own has
 * room for n; all are default ones where given is NULL. */
gm_status gm_structs_read(void *own, size_t own_size, const void *given, size_t n,
                          const char *type, gm_error *err);
#define GM_STRUCTS_READ(type, own, given, n, err)                                              \
  gm_structs_read((type *){own}, sizeof(type), (const type *){given}, n, #type, err)

/* Fills out, whose struct_size the caller has set and keeps, with what it has room for; what
 * this library does not know becomes zero. GM_ERR_ARGUMENT where out is NULL or its struct_size
 * is 0. */
gm_status gm_struct_write(void *out, const void *own, size_t own_size, const char *type,
                          gm_error *err);
#define GM_STRUCT_WRITE(type, out, own, err)                                                   \
  gm_struct_write((type *){out}, (const type *){own}, sizeof(type), #type, err)
/* For element i of an array of n; GM_ERR_ARGUMENT where there is none. */
#define GM_STRUCT_WRITE_AT(type, out, array, i, n)                                             \
  ((i) < (n) ? GM_STRUCT_WRITE(type, out, &(array)[i], NULL) : GM_ERR_ARGUMENT)

#endif
