/* SPDX-License-Identifier: MIT */
/* What is recorded goes to the guest as it comes; when either side ends, the microphone is closed. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "audio.h"

#define LONGEST_MS INT64_C(600000)
#define STALL_MS INT64_C(30000)
/* A guest that begins and ends without rest would have us start programs without end. */
#define BURST 20
#define TOKEN_MS 1000

static struct recording *of(struct daemon *d) {
    return &((struct audio *)daemon_userdata(d))->recording;
}

static void watch(struct daemon *d);

/* Best effort: the line fits into any socket, or its reader is gone. */
static void say(int fd, const char *kind, const char *text) {
    char line[512];
    int len = snprintf(line, sizeof(line), "%s%s%s\n", kind, *text ? " " : "", text);
    ssize_t n = write(fd, line, (size_t)len);

    (void)n;
}

void refuse(int client_fd, const char *why) {
    say(client_fd, "error", why);
    close(client_fd);
}

static void close_fd(struct daemon *d, int *fd) {
    if (*fd >= 0) {
        daemon_unwatch(d, *fd);
        close(*fd);
        *fd = -1;
    }
}

/* At once and for all: what a recorder would have to tidy up, the system does. */
void recording_end(struct daemon *d, const char *why) {
    struct recording *r = of(d);

    if (r->pid == 0) {
        return;
    }
    if (!r->buried) {
        kill(-r->pid, SIGKILL);
    }
    r->pid = 0; /* the corpse is the tick's */
    daemon_log(d, "%s: recording ended after %lld s: %s", r->vm,
               (long long)((int64_t)time(NULL) - r->since), why);
    close_fd(d, &r->out_fd);
    close_fd(d, &r->err_fd);
    close_fd(d, &r->client_fd);
}

/* The recorder is through: without a sound, its words are what the guest gets. */
static void end_with_recorder(struct daemon *d) {
    struct recording *r = of(d);

    if (!r->answered) {
        say(r->client_fd, "error", *r->last_words ? r->last_words : "the recorder ended");
    }
    recording_end(d, r->answered || !*r->last_words ? "the recorder ended" : r->last_words);
}

static void send_some(struct daemon *d) {
    struct recording *r = of(d);
    ssize_t n = write(r->client_fd, r->buf + r->start, r->end - r->start);

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        recording_end(d, "the guest is gone");
        return;
    }
    if (n > 0) {
        r->start += (size_t)n;
        r->progress = daemon_now_ms();
    }
    if (r->start == r->end) {
        r->start = r->end = 0;
        if (r->out_ended) {
            end_with_recorder(d);
        }
    }
}

/* A guest has nothing to say once it has asked. */
static void on_client(struct daemon *d, int fd, short revents, void *userdata) {
    char byte;
    ssize_t n;

    (void)userdata;
    if (revents & (POLLIN | POLLHUP | POLLERR)) {
        n = read(fd, &byte, 1);
        if (n >= 0 || (errno != EAGAIN && errno != EINTR)) {
            recording_end(d, n > 0 ? "the guest sent more than its request" : "the guest ended it");
            return;
        }
    }
    if (revents & POLLOUT) {
        send_some(d);
    }
    watch(d);
}

static void on_sound(struct daemon *d, int fd, short revents, void *userdata) {
    struct recording *r = of(d);
    ssize_t n = read(fd, r->buf + r->end, sizeof(r->buf) - r->end);

    (void)revents;
    (void)userdata;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        r->out_ended = true;
        close_fd(d, &r->out_fd);
    } else {
        if (!r->answered) {
            say(r->client_fd, "ok", "");
            r->answered = true;
        }
        r->end += (size_t)n;
    }
    if (r->out_ended && !r->answered && r->err_fd >= 0) {
        return; /* its last words may still be on their way */
    }
    send_some(d);
    watch(d);
}

/* The last line counts. */
static void hear(struct recording *r, char c) {
    if (c == '\n' || c == '\r') {
        r->line_ended = true;
        return;
    }
    if (r->line_ended) {
        r->line_ended = false;
        r->n_last_words = 0;
    }
    if (r->n_last_words < sizeof(r->last_words) - 1) {
        r->last_words[r->n_last_words++] = c;
    }
}

static void on_words(struct daemon *d, int fd, short revents, void *userdata) {
    struct recording *r = of(d);
    char text[512];
    ssize_t n = read(fd, text, sizeof(text));

    (void)revents;
    (void)userdata;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        close_fd(d, &r->err_fd);
        if (r->out_ended && !r->answered) {
            end_with_recorder(d);
        }
        return;
    }
    for (ssize_t i = 0; i < n; i++) {
        hear(r, text[i]);
    }
    r->last_words[r->n_last_words] = '\0';
}

/* A guest that takes nothing gets the recorder to wait, and our memory not to grow. */
static void watch(struct daemon *d) {
    struct recording *r = of(d);
    bool room = r->end < sizeof(r->buf);
    int rc = 0;

    if (r->pid == 0) {
        return;
    }
    if (r->out_fd >= 0 && room) {
        rc |= daemon_watch(d, r->out_fd, POLLIN, on_sound, NULL);
    } else if (r->out_fd >= 0) {
        daemon_unwatch(d, r->out_fd);
    }
    if (r->err_fd >= 0) {
        rc |= daemon_watch(d, r->err_fd, POLLIN, on_words, NULL);
    }
    rc |= daemon_watch(d, r->client_fd, r->end > r->start ? POLLIN | POLLOUT : POLLIN, on_client,
                       NULL);
    if (rc != 0) {
        recording_end(d, "out of memory");
    }
}

static bool take_token(struct audio *a) {
    int64_t now = daemon_now_ms();
    int64_t more = (now - a->tokens_since) / TOKEN_MS;

    a->tokens = a->tokens + more > BURST ? BURST : a->tokens + (int)more;
    a->tokens_since += more * TOKEN_MS;
    return a->tokens > 0 && a->tokens-- > 0;
}

static const char *spawn(struct recording *r, const struct request *request) {
    int out[2] = {-1, -1};
    int errout[2] = {-1, -1};

    if (daemon_pipe(out) == 0 && daemon_pipe(errout) == 0) {
        r->pid = recorder_spawn(request, out[1], errout[1]);
    }
    if (r->pid <= 0) {
        r->pid = 0;
        for (int i = 0; i < 2; i++) {
            close(out[i]);
            close(errout[i]);
        }
        return errno == ENOENT ? "the host has no SoX" : strerror(errno);
    }
    close(out[1]);
    close(errout[1]);
    r->out_fd = out[0];
    r->err_fd = errout[0];
    return NULL;
}

void recording_begin(struct daemon *d, int client_fd, const char *vm,
                     const struct request *request) {
    struct recording *r = of(d);
    const char *why;

    if (r->pid != 0) {
        refuse(client_fd, "busy: the microphone is in use");
        return;
    }
    if (!take_token(daemon_userdata(d))) {
        refuse(client_fd, "busy: too many recordings in a short time");
        return;
    }
    memset(r, 0, sizeof(*r));
    why = spawn(r, request);
    if (why) {
        daemon_log(d, "%s: can't record: %s", vm, why);
        refuse(client_fd, why);
        return;
    }
    snprintf(r->vm, sizeof(r->vm), "%s", vm);
    r->client_fd = client_fd;
    r->since = (int64_t)time(NULL);
    r->progress = daemon_now_ms();
    r->deadline = r->progress + LONGEST_MS;
    daemon_log(d, "%s: recording begins (%d Hz, %d channel%s)", vm, request->rate,
               request->channels, request->channels == 1 ? "" : "s");
    watch(d);
}

/* Also buries recorders: all children are. */
int recording_tick(struct daemon *d) {
    struct recording *r = of(d);
    int64_t now = daemon_now_ms();
    bool stalls = r->end > r->start;
    int64_t next = r->deadline;
    pid_t pid;

    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
        r->buried = r->buried || pid == r->pid;
    }
    if (r->pid == 0) {
        return -1;
    }
    if (stalls && r->progress + STALL_MS < next) {
        next = r->progress + STALL_MS;
    }
    if (next <= now) {
        recording_end(d, next == r->deadline ? "that is the longest there is"
                                             : "the guest takes nothing");
        return -1;
    }
    return (int)(next - now);
}
