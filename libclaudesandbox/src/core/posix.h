/* SPDX-License-Identifier: MIT */
/* Thin calls over the system, the same on Linux and macOS; every fd is CLOEXEC from birth. */
#ifndef CSB_CORE_POSIX_H
#define CSB_CORE_POSIX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/error.h"
#include "core/strbuf.h"

/* Milliseconds of a clock that only goes forward. */
int64_t csb__now_ms(void);
void csb__sleep_ms(int ms);

/* Out of the place of a standard stream that our host program has closed: what is written or read
 * there by others must not be ours. -1, for which errno tells, stays -1. */
int csb__fd_move_up(int fd);
int csb__pipe(int fds[2]);
/* Closes it, unless it is -1, and makes it that. */
void csb__fd_close(int *fd);
/* A connected unix stream socket, or -1 with errno (ENAMETOOLONG for a path that doesn't fit). */
int csb__unix_connect(const char *path);
/* The same, and does not block, nor does what is returned: EAGAIN when too many wait there already. */
int csb__unix_connect_at_once(const char *path);
/* An unconnected IPv4 stream socket, or -1 with errno. */
int csb__tcp_socket(void);
bool csb__unix_path_fits(const char *path);

int csb__open(const char *path, int flags, mode_t mode);
/* Reads a whole file of at most max bytes, without following a link at its end. errno or 0. */
int csb__read_file(const char *path, size_t max, struct csb__strbuf *out);
/* The last `max` bytes of a file; nothing where it can't be read. */
void csb__read_tail(const char *path, size_t max, struct csb__strbuf *out);
/* Replaces a file in one step and to the disk: a reader or a crash sees the old or the new. */
int csb__write_file(const char *path, const void *bytes, size_t len, mode_t mode, csb_error **err);
/* write(2) that raises no SIGPIPE: that would end the program whose guest we are. */
ssize_t csb__write(int fd, const void *bytes, size_t len);
int csb__write_all(int fd, const void *bytes, size_t len);
/* Random lowercase hex digits; n must be at most 64. */
int csb__random_hex(char *out, size_t n);

/* Processors and bytes of memory of this machine; 1 and 0 where it does not say. */
int csb__host_cpus(void);
uint64_t csb__host_memory(void);

#endif
