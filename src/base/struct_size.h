/* struct_size.h - structs of the public interface, which can grow: see gromatic.h.
 *
 * A caller built with another version of the header has a shorter or longer struct of the same
 * name; both begin alike. A later version may only add members at the end, and none that would
 * fit into the padding after the last one: an older caller's padding may hold anything. */
#ifndef GM_STRUCT_SIZE_H
#define GM_STRUCT_SIZE_H

#include "status.h"

/* Copies the caller's struct to *own (own_size bytes). Members that an older caller does not
 * have become zero; if given is NULL, all do except struct_size. GM_ERR_ARGUMENT if struct_size
 * is 0, or if members that this library does not know are not zero; the message names the type.
 */
gm_status gm_struct_read(void *own, size_t own_size, const void *given, const char *type,
                         gm_error *err);
#define GM_STRUCT_READ(type, own, given, err)                                                  \
  gm_struct_read((type *){own}, sizeof(type), (const type *){given}, #type, err)

/* The same for n structs; the first one's struct_size is the distance between them. own has
 * room for n; if given is NULL, all are defaults. */
gm_status gm_structs_read(void *own, size_t own_size, const void *given, size_t n,
                          const char *type, gm_error *err);
#define GM_STRUCTS_READ(type, own, given, n, err)                                              \
  gm_structs_read((type *){own}, sizeof(type), (const type *){given}, n, #type, err)

/* Fills as much of out as its struct_size, which the caller has set and which stays, has room
 * for; members that this library does not know become zero. GM_ERR_ARGUMENT if out is NULL or
 * its struct_size is 0. */
gm_status gm_struct_write(void *out, const void *own, size_t own_size, const char *type,
                          gm_error *err);
#define GM_STRUCT_WRITE(type, out, own, err)                                                   \
  gm_struct_write((type *){out}, (const type *){own}, sizeof(type), #type, err)
/* For element i of an array of n; GM_ERR_ARGUMENT if there is none. */
#define GM_STRUCT_WRITE_AT(type, out, array, i, n)                                             \
  ((i) < (n) ? GM_STRUCT_WRITE(type, out, &(array)[i], NULL) : GM_ERR_ARGUMENT)

#endif
