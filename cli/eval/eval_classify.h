/* eval_classify.h - gromatic eval classify: measures the methods on pictures whose class is
 * known. */
#ifndef CLI_EVAL_CLASSIFY_H
#define CLI_EVAL_CLASSIFY_H

#include "arguments.h"

/* path: class folders or a CSV (labelled_set.h). Returns an exit code. */
int cli_eval_classify(const cli_args *args, const char *path);

#endif
