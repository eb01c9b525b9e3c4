/* export_places.h - checks whether the files of an export may take their places in an existing
 * folder. Checked before anything is changed: a change that cannot be completed would leave a
 * folder of two exports. */
#ifndef CLI_EXPORT_PLACES_H
#define CLI_EXPORT_PLACES_H

#include <jansson.h>
#include <stdbool.h>

/* The hashes of the files' contents, in order; NULL with errno. */
json_t *export_places_sums(const char *folder, const json_t *files);

/* before: the list of the earlier export; NULL: none. False, after a message, if a file would
 * be lost that is not in that list, or if a name has no place, for example below a linked
 * folder. Without force, also if a file of the list was changed. */
bool export_places_are_free(const char *folder, const json_t *before, const json_t *files,
                            const json_t *links, bool force);

#endif
