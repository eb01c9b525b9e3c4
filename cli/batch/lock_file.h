/* lock_file.h - a file that one process at a time has, for as long as it works on what stands
 * beside it. It goes with the process, however that ends. */
#ifndef CLI_LOCK_FILE_H
#define CLI_LOCK_FILE_H

/* A descriptor, or -1 with errno: EWOULDBLOCK where another process has it. Where the file
 * system has no locks nobody is kept out. */
int cli_lock_take(const char *path);
/* Removes the file and lets it go; fd < 0: there is nothing to do. */
void cli_lock_release(int fd, const char *path);

#endif
