/* SPDX-License-Identifier: MIT */
#ifndef CSB_CORE_PATH_H
#define CSB_CORE_PATH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/error.h"

/* "a/b" from "a" and "b"; NULL when memory ran out. */
char *csb__path_join(const char *dir, const char *name);
/* The same where that can be read, else NULL. */
char *csb__path_existing(const char *dir, const char *name);
/* Absolute, with "." and ".." and doubled slashes resolved by the text alone. */
char *csb__path_absolute(const char *path);
/* True when `path` is `dir` or lies in it; both absolute and normal. */
bool csb__path_is_within(const char *path, const char *dir);
/* UTF-8 without control characters, which can be written down in JSON, YAML and lines of text. */
bool csb__path_is_text(const char *path);
/* The user's home directory: $HOME, else the account's. NULL where there is none. */
char *csb__home_dir(void);
/* The account's, whatever $HOME says. */
char *csb__account_home(void);

/* Makes a directory and its parents, mode 0700; one that exists is fine. */
int csb__mkdirs(const char *path, csb_error **err);
/* Removes a tree without ever leaving it: links are removed, not followed. Gone already is fine. */
int csb__remove_tree(const char *path, csb_error **err);
/* What a file or a tree takes up on the disk, in bytes: less than its size where it has holes. Links
 * are not followed; what can't be read counts nothing. */
uint64_t csb__tree_bytes(const char *path);
/* Whether a tree has more entries than that, or so many that counting them takes longer than `ms`; those
 * that can't be read count nothing. */
bool csb__tree_exceeds(const char *path, uint64_t entries, int ms);

#endif
