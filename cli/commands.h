/* commands.h - the entry points of the commands, one file each; they return an exit code. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "arguments.h"

int cmd_caption(const cli_args *args);
int cmd_chat(const cli_args *args);
int cmd_ground(const cli_args *args);
int cmd_describe(const cli_args *args);
int cmd_describe_classes(const cli_args *args);
int cmd_curate(const cli_args *args);
int cmd_label(const cli_args *args);
int cmd_detect(const cli_args *args);
int cmd_classify(const cli_args *args);
int cmd_export(const cli_args *args);
int cmd_convert(const cli_args *args);
int cmd_inspect(const cli_args *args);
int cmd_eval(const cli_args *args);
int cmd_tune(const cli_args *args);
int cmd_calibrate(const cli_args *args);
int cmd_bench(const cli_args *args);
int cmd_train(const cli_args *args);
int cmd_serve(const cli_args *args);
int cmd_help(const cli_args *args);
int cmd_completion(const cli_args *args);

#endif
