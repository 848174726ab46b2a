/* SPDX-License-Identifier: MIT */
/* Whether the user looks at a VM's terminal: known where it is a tmux session of claude-sandbox's and
 * tmux's option focus-events is on; unknown is no. */
#ifndef FOCUS_H
#define FOCUS_H

#include <stdbool.h>

enum { FOCUS_ELSEWHERE = 0, FOCUS_HERE = 1, FOCUS_UNKNOWN_YET = 2 };

#define FOCUS_SESSION_MAX 80

/* The session of a VM, as a target for tmux. */
void focus_session(const char *vm, char session[FOCUS_SESSION_MAX]);
/* Begins to find out. False when nobody can be asked. */
bool focus_ask(const char *vm);
int focus_answer(void);
/* As child_wait_ms(). */
int focus_wait_ms(void);
void focus_close(void);

#endif
