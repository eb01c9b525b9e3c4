/* keys.h - the keys that clients send. */
#ifndef SRV_KEYS_H
#define SRV_KEYS_H

#include "gromatic.h"

enum { SRV_ID = 65 }; /* a SHA-256 in hex */

/* Zero-initialised: no key is wanted. */
typedef struct srv_keys {
  char (*sums)[SRV_ID]; /* [n] SHA-256 of the keys */
  size_t n;
} srv_keys;

/* Reads a file of keys, one a line; blank ones and those that begin with # are left out.
 * GM_ERR_ARGUMENT where there is no key, or one that no header can carry. On failure *out stays
 * as it was. */
gm_status srv_keys_read(srv_keys *out, const char *path, gm_error *err);
void srv_keys_free(srv_keys *keys);

/* Whether one of the keys is the given one (NULL: none was sent). Takes equally long whichever
 * it is and wherever they differ. *number counts from 1; id is the key's SHA-256. */
bool srv_keys_check(const srv_keys *keys, const char *given, char id[SRV_ID], size_t *number);

#endif
