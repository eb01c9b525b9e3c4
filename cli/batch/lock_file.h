/* lock_file.h - a lock that one process at a time holds while it works on the file beside it.
 * It ends with the process, however that ends. */
#ifndef CLI_LOCK_FILE_H
#define CLI_LOCK_FILE_H

/* Returns a descriptor, or -1 with errno: EWOULDBLOCK if another process has the lock. On file
 * systems without locks, nobody is kept out. */
int cli_lock_take(const char *path);
/* Removes the file and releases the lock. fd < 0: does nothing. */
void cli_lock_release(int fd, const char *path);

#endif
