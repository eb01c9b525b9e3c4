/* memory_limit.h - how much memory this process may use. */
#ifndef GM_MEMORY_LIMIT_H
#define GM_MEMORY_LIMIT_H

#include <stdint.h>

/* Bytes: the machine's, or less where a cgroup (v1 or v2) allows less; 0: not known. */
uint64_t gm_usable_memory(void);
/* The least memory limit of the groups that `membership` (a file like /proc/self/cgroup) lists,
 * and of their ancestors, below `root` (/sys/fs/cgroup); 0: no limit. For gm_usable_memory and
 * its test. */
uint64_t gm_cgroup_memory(const char *membership, const char *root);

#endif
