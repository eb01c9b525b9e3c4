/* tune_sheet.h - a few held pictures side by side: before, true, after. */
#ifndef CLI_TUNE_SHEET_H
#define CLI_TUNE_SHEET_H

#include "tune_measure.h"

/* Writes a PNG; a file of that name is replaced. Returns an exit code, after a message. */
int tune_sheet_write(const char *path, const tune_data *data, const tune_measures *before,
                     const tune_measures *after);

#endif
