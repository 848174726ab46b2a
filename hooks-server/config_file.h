/* SPDX-License-Identifier: MIT */
/* The file of the settings, and those that hold. */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include <sys/types.h>
#include <time.h>

#include "config.h"
#include "daemon.h"

struct config_file {
    char *path;
    struct config now;
    char why[400]; /* what is wrong with the file, "" when nothing is */
    bool is_there;
    struct timespec changed; /* and so on: as which the file was read the last time */
    off_t size;
    ino_t inode;
};

/* A file that can't be followed is no reason not to serve: the defaults hold, and it is told. */
int config_file_open(struct config_file *f, struct daemon *d);
void config_file_close(struct config_file *f);
/* Reads it again when it has changed. To be called at each use, so there is nothing to send or restart
 * after an edit; one stat(). */
void config_file_look(struct config_file *f, struct daemon *d);
void config_file_report(const struct config_file *f, struct daemon_report *r);

#endif
