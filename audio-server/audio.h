/* SPDX-License-Identifier: MIT */
/* The audio server: each VM that the user lends the microphone has a socket; who calls there gets
 * what is recorded, as long as he stays on the line. */
#ifndef AUDIO_H
#define AUDIO_H

#include <stdbool.h>
#include <sys/types.h>

#include "daemon.h"

#define VM_NAME_MAX 64
#define VMS_MAX 256

/* What a guest may ask for, and no more: the numbers are all of it that reaches the recorder. */
struct request {
    int rate;     /* 8000 to 48000 */
    int channels; /* 1 or 2 */
    bool silence; /* begin with the first sound, end with two seconds of silence */
};

/* request.c, pure: "rec RATE CHANNELS BITS ENCODING [silence]". */
bool request_parse(const char *line, struct request *ret);

/* recording.c: one at a time, for the microphone is one. */
struct recording {
    pid_t pid; /* 0: none */
    int out_fd;
    int err_fd;
    int client_fd;
    char vm[VM_NAME_MAX];
    int64_t since;    /* Unix seconds */
    int64_t deadline; /* in the loop's milliseconds */
    int64_t progress; /* when the client last took something */
    bool answered;
    bool out_ended;
    bool buried;  /* its number may be another's by now */
    size_t start; /* of what is not sent yet in buf */
    size_t end;
    char buf[65536];
    char last_words[256]; /* of the recorder */
    size_t n_last_words;
    bool line_ended;
};

struct audio {
    struct vm {
        char name[VM_NAME_MAX];
        char *path;
        int fd;
    } vms[VMS_MAX];
    int n_vms;
    struct recording recording;
    int64_t tokens_since; /* for how many recordings begin in a while */
    int tokens;
};

/* Takes over client_fd in either case. */
void recording_begin(struct daemon *d, int client_fd, const char *vm,
                     const struct request *request);
void recording_end(struct daemon *d, const char *why);
int recording_tick(struct daemon *d);

/* recorder.c: the program that opens the microphone. -1 with errno. */
pid_t recorder_spawn(const struct request *r, int out_fd, int err_fd);

/* served.c: the sockets of the VMs, and those who call there and have not asked yet. */
int served_add(struct daemon *d, const char *name, FILE *reply);
void served_close(struct daemon *d);
int served_tick(struct daemon *d);

/* Sends a line that says why not, and hangs up. */
void refuse(int client_fd, const char *why);

#endif
