/* extras.h - members of other people's protocols: those that are acted on, those that may be
 * there because they change no answer, and all others, which are refused. */
#ifndef SRV_EXTRAS_H
#define SRV_EXTRAS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Lists end with NULL. An entry of `harmless` is a name, or "name=JSON": only with this value.
 * null counts as absent. False: *name is the first member that is in neither. */
bool srv_extras_check(json_t *object, const char *const *known, const char *const *harmless,
                      const char **name);

#endif
