/* cgroup.h - the control groups that a process is in. */
#ifndef GM_CGROUP_H
#define GM_CGROUP_H

/* Calls f for each group with that controller that `membership` (a file like /proc/self/cgroup)
 * lists, and for its ancestors; group is its path below the hierarchy's root, "" for the root
 * itself. */
void gm_cgroup_each(const char *membership, const char *controller,
                    void (*f)(void *user, const char *group), void *user);

/* Reads one or two numbers from the start of a file; returns how many were read, 0 for words
 * like "max". */
int gm_cgroup_numbers(const char *path, long long *a, long long *b);

#endif
