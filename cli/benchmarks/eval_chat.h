/* eval_chat.h - gromatic eval chat: LLaVA-Bench, free answers to questions about pictures,
 * which a judge model compares with those of another model. */
#ifndef CLI_EVAL_CHAT_H
#define CLI_EVAL_CHAT_H

#include "arguments.h"
#include "chat_judge.h"
#include "score_report.h"

/* An option of eval chat alone that was given, as "--judge"; NULL: none. */
const char *cli_chat_option(const cli_args *args);
/* Returns the exit code. */
int cli_eval_chat(const cli_args *args);

/* 100 times the mean of our answers' numbers over that of the references', for each category
 * and for all, NaN without a question; and the number of replies that cannot be read, which
 * count as -1 and -1. */
void chat_figures(score_report *out, const chat_set *set, const chat_scores *scores);

#endif
