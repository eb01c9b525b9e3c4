/* memory_limit.h - how much memory this process may use. */
#ifndef GM_MEMORY_LIMIT_H
#define GM_MEMORY_LIMIT_H

#include <stdint.h>

/* In bytes: the machine's memory, or the limit of a cgroup (v1 or v2) if that is smaller; 0:
 * unknown. */
uint64_t gm_usable_memory(void);
/* The smallest memory limit of the groups that `membership` (a file like /proc/self/cgroup)
 * lists and of their ancestors, below `root` (/sys/fs/cgroup); 0: no limit. For
 * gm_usable_memory and its test. */
uint64_t gm_cgroup_memory(const char *membership, const char *root);

#endif
