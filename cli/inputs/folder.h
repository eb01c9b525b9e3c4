/* folder.h - lists the pictures in a directory. */
#ifndef CLI_FOLDER_H
#define CLI_FOLDER_H

#include <stdbool.h>

/* Calls found with the path of every picture (.jpg, .jpeg, .png, .webp), in no order, until it
 * returns false. recursive: in directories below too. Links to directories are not followed but
 * reported on stderr. False after a message. */
bool cli_folder_list(const char *path, bool recursive,
                     bool (*found)(void *user, const char *picture), void *user);

#endif
