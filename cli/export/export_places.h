/* export_places.h - whether the files of an export may take their places in a folder that is
 * there. It is asked while nothing is changed yet: a change that cannot be ended would leave a
 * folder of two exports. */
#ifndef CLI_EXPORT_PLACES_H
#define CLI_EXPORT_PLACES_H

#include <jansson.h>
#include <stdbool.h>

/* The sums of what the files hold, in their order; NULL with errno. */
json_t *export_places_sums(const char *folder, const json_t *files);

/* before: the list of the earlier export; NULL: none. False after a message where a file would
 * be lost that is not of that list, or where a name has no place, as below a linked folder;
 * without force also where a file of the list was changed since. */
bool export_places_are_free(const char *folder, const json_t *before, const json_t *files,
                            const json_t *links, bool force);

#endif
