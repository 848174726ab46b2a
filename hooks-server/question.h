/* SPDX-License-Identifier: MIT */
/*
 * Requests for permission that a click on their notification may answer. Claude waits meanwhile, with
 * its own dialog on the screen; whatever is no click leaves the answer to that.
 *
 * Each has a number that is never used again. The buttons carry it, and a click counts only when the
 * notification it came from and the number on the button belong together: so no button, be it of a
 * notification that was replaced, was closed, or is another one's, answers anything but what it was
 * shown with. What has buttons is never replaced by something else, either.
 */
#ifndef QUESTION_H
#define QUESTION_H

#include "daemon.h"
#include "notice.h"

/* Open at a time, all together and of one VM. */
#define QUESTIONS_MAX 8
#define QUESTIONS_OF_VM 4
#define QUESTION_KEY_MAX 32

/* Keeps Claude waiting, and gives the notice its number; not when there are too many. */
void question_begin(struct daemon *d, csb_reply *reply, struct notice *notice);
/* What Claude does meanwhile: a session that goes on has got its answer. */
void question_follow(const csb_event *event);
/* Whether the session has an open one. */
bool question_is_pending(const char *session_key);
bool question_is_open(uint64_t number);
/* Nothing is said. It may be gone already. */
void question_let_go(uint64_t number);
/* Lets go of what Claude does not wait for any more. As tick() of a daemon_program. */
int question_tick(struct daemon *d);
void question_close(void);
void question_report(struct daemon_report *r);

/* -- for the ways to the desktop -- */

/* The key of a button: "allow" or "deny", and the number. */
void question_key(const char *word, uint64_t number, char key[QUESTION_KEY_MAX]);
/* The notification that shows it. False when nobody waits for it any more. */
bool question_shown(uint64_t number, uint32_t id);
void question_clicked(uint32_t id, const char *key);
/* The notification is gone, without a click. */
void question_dismissed(uint32_t id);
/* All that were shown are gone. */
void question_dismiss_all(void);
/* What is on the screen has moved: a click now may be meant for what was there before. */
void question_scene_changed(void);

#endif
