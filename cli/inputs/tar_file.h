/* tar_file.h - the pictures in a tar file, plain or packed (gzip, bzip2, xz, zstd), read one
 * after another; by libarchive. */
#ifndef CLI_TAR_FILE_H
#define CLI_TAR_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether the name ends in .tar, .tar.gz, .tgz, .tar.bz2, .tar.xz or .tar.zst. */
bool cli_is_archive(const char *name);

/* The number of an entry whose bytes are not in the archive: a link to another place. */
#define CLI_ARCHIVE_NOWHERE SIZE_MAX

/* Calls found with the name of every picture (.jpg, .jpeg, .png, .webp), in the archive's
 * order, until it returns false. number: that of the entry with its bytes; for a hard or
 * symbolic link, that of the file in the archive that it leads to. False after a message on
 * stderr. */
bool cli_archive_list(const char *path,
                      bool (*found)(void *user, const char *entry, size_t number), void *user);

/* An open archive and the place in it. */
typedef struct cli_archive cli_archive;
/* NULL after a message on stderr. */
cli_archive *cli_archive_open(const char *path);
void cli_archive_close(cli_archive *archive);
const char *cli_archive_path(const cli_archive *archive);
/* The bytes of an entry by its number, at most limit, for free(). Fastest in the archive's
 * order. NULL with errno set (EFBIG, EIO, ENOENT, ENOLINK for CLI_ARCHIVE_NOWHERE). */
void *cli_archive_read(cli_archive *archive, size_t number, size_t limit, size_t *size);

/* WebDataset's key: the name up to the first dot of its last part, into out[size], cut to fit.
 */
void cli_archive_key(const char *entry, char *out, size_t size);

#endif
