/* conversation.h - gromatic chat at the terminal: line editing, history, several turns. */
#ifndef CLI_CONVERSATION_H
#define CLI_CONVERSATION_H

#include "arguments.h"

/* Reads questions until /quit or the end of input; returns the exit code. The first input, if
 * any, is the picture. */
int cli_converse(const cli_args *args);

#endif
