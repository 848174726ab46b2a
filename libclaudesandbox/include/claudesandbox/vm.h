/* SPDX-License-Identifier: MIT */
#ifndef CLAUDESANDBOX_VM_H
#define CLAUDESANDBOX_VM_H

#include <claudesandbox/common.h>
#include <claudesandbox/context.h>
#include <claudesandbox/error.h>

CSB_BEGIN_DECLS

/* A machine of ours. The handle is not the machine: freeing it changes nothing. */
typedef struct csb_vm csb_vm;

/* Some machines, see csb_vm_list_new(). */
typedef struct csb_vm_list csb_vm_list;

/* A directory of the host that the machine sees. */
typedef struct csb_mount {
    const char *host_path;  /* an existing directory */
    const char *guest_path; /* absolute; NULL: the same as on the host */
    int writable;           /* 0: read-only, enforced by the host */
} csb_mount;

/* A port of the guest that the host can reach. */
typedef struct csb_port {
    uint16_t host;  /* 1 to 65535, on the host's loopback */
    uint16_t guest; /* 1 to 65535, on the guest's loopback */
} csb_port;

enum {
    CSB_VM_STOPPED = 1,
    CSB_VM_STARTING = 2,
    CSB_VM_RUNNING = 3,
    CSB_VM_BROKEN = 4,
    CSB_VM_SUSPENDED = 5 /* stopped with CSB_STOP_SUSPEND */
};

enum {
    CSB_VM_FORCE_MOUNT = 1 << 0 /* lets project_dir be the home directory */
};

/* Whether a VM may write its settings directory; the host enforces it. */
enum { CSB_SETTINGS_RW = 1, CSB_SETTINGS_RO = 2 };

typedef struct csb_vm_options {
    size_t size;              /* sizeof(csb_vm_options); CSB_VM_OPTIONS_INIT sets it */
    const char *name;         /* NULL: made from project_dir */
    const char *project_dir;  /* mounted writable at the same path; NULL: none, name is needed */
    const char *settings_dir; /* Claude's settings, see settings_mode; NULL: none */
    int cpus;                 /* 0: the template's or a default that fits the machine */
    uint64_t memory_bytes;    /* 0: likewise */
    uint64_t disk_bytes;      /* 0: likewise */
    const csb_mount *mounts;  /* further mounts, n_mounts of them */
    size_t n_mounts;
    unsigned flags;        /* CSB_VM_FORCE_MOUNT */
    const csb_port *ports; /* n_ports of them */
    size_t n_ports;
    int settings_mode; /* CSB_SETTINGS_...; 0: CSB_SETTINGS_RW */
} csb_vm_options;

#define CSB_VM_OPTIONS_INIT                                                                        \
    { sizeof(csb_vm_options), NULL, NULL, NULL, 0, 0, 0, NULL, 0, 0, NULL, 0, 0 }

/*
 * Reads a size as people write it: "4GiB", "512M", "1.5G", "2147483648". Units are powers of 1024.
 *
 * text: the number and its unit; bytes where it has none.
 * ret: the size in bytes.
 *
 * Errors: CSB_EINVAL.  Does not block. Any thread.  Since: 0.1
 */
CSB_API int csb_size_parse(const char *text, uint64_t *ret, csb_error **err);

/*
 * Makes a machine from a template; it is stopped then. Where the engine needs an image first, that
 * is made too, once (minutes; see csb_progress_fn).
 *
 * template_path: a Lima template (YAML); claude-sandbox-tools-vm(5) says which keys each engine
 * understands. Its scripts run at the first start. Sizes in it that are more than this machine can
 * bear are cut, with a CSB_LOG_WARNING. NULL: the engine's own image (qemu), or the template that
 * is installed with the library (lima), see csb_ctx_template().
 * opts: name or project_dir must be given.
 * ret: the machine; free the handle with csb_vm_free().
 *
 * Errors: CSB_EINVAL (bad options; more memory than the host has; a directory that lies in one that
 * another machine can write, or contains one; a template that can't be read, with line and column),
 * CSB_EEXISTS (the project or the name has a machine), CSB_ENOENGINE, CSB_EENGINE, CSB_ENOTSUP
 * (the template asks for what the engine can't do), CSB_EBUSY, CSB_ETIMEOUT, CSB_ECANCELED,
 * CSB_ESYSTEM, CSB_ENOMEM. After an error nothing of the machine is left.
 * Blocks for up to an hour.  Since: 0.1
 */
CSB_API int csb_vm_create(csb_ctx *ctx, const char *template_path, const csb_vm_options *opts,
                          csb_vm **ret, csb_error **err);

/*
 * Makes a machine as a copy of another, which must be stopped or suspended and stays as it is. What
 * runs in one that is suspended goes on in the copy too, when that is started; a copy has an identity
 * of its own, and its sizes can't be other ones then.
 *
 * base_name: a machine of the engine in use, ours or (lima) any in the same LIMA_HOME.
 * opts: as for csb_vm_create(); sizes that are 0 are the base's.
 * ret: the machine; free the handle with csb_vm_free().
 *
 * Errors: as csb_vm_create(), and CSB_ENOTFOUND (no such base), CSB_ESTATE (the base is not
 * stopped).  Blocks for up to an hour.  Since: 0.1
 */
CSB_API int csb_vm_clone(csb_ctx *ctx, const char *base_name, const csb_vm_options *opts,
                         csb_vm **ret, csb_error **err);

/*
 * Opens one of our machines by its name. One whose engine does not answer can be opened too: it is
 * CSB_VM_BROKEN.
 *
 * name: as csb_vm_name() tells it.
 * ret: the machine; free the handle with csb_vm_free().
 *
 * Errors: CSB_ENOTFOUND (no such machine, or none of ours), CSB_EINVAL (not a name), CSB_EPROTOCOL
 * (its record can't be understood), CSB_ECANCELED, CSB_ESYSTEM, CSB_ENOMEM.
 * Blocks for up to a minute.  Since: 0.1
 */
CSB_API int csb_vm_open(csb_ctx *ctx, const char *name, csb_vm **ret, csb_error **err);

/*
 * Opens the machine of a project.
 *
 * dir: the project's directory; symbolic links are followed. A directory that is gone is looked
 * up by the path it was recorded with.
 * ret: the machine; free the handle with csb_vm_free().
 *
 * Errors: CSB_ENOTFOUND (it has none); else as csb_vm_open().  Blocks for up to a minute.
 * Since: 0.1
 */
CSB_API int csb_vm_for_project(csb_ctx *ctx, const char *dir, csb_vm **ret, csb_error **err);

/*
 * Lists all machines that we made, on every engine, sorted by name. A machine whose engine does not
 * answer is listed as CSB_VM_BROKEN.
 *
 * ret: the machines as they are now; free it with csb_vm_list_free().
 *
 * Errors: CSB_ETIMEOUT, CSB_ECANCELED, CSB_ESYSTEM, CSB_ENOMEM.  Blocks for up to a minute.
 * Since: 0.1
 */
CSB_API int csb_vm_list_new(csb_ctx *ctx, csb_vm_list **ret, csb_error **err);

/* How many machines the list has.  Since: 0.1 */
CSB_API size_t csb_vm_list_count(const csb_vm_list *list);

/* The i-th machine, counted from 0, borrowed from the list; NULL past the end.  Since: 0.1 */
CSB_API csb_vm *csb_vm_list_get(const csb_vm_list *list, size_t i);

/* Frees a list and the handles in it.  Since: 0.1 */
CSB_API void csb_vm_list_free(csb_vm_list *list);

/*
 * Starts the machine, or joins whoever is starting it, and returns when commands can be run in it:
 * what it has mounted has then been checked against what was asked. The first start of a machine
 * that was made from a template with scripts returns when they have run, which takes as long as
 * they take; what they say is logged.
 *
 * Errors: CSB_EENGINE (it did not come up; csb_error_detail() has the end of its console. Or a
 * script of its template failed: the end of its output then; the next start runs it again),
 * CSB_EPROTOCOL (it came up with other mounts than asked, and was stopped), CSB_ESTATE (broken),
 * CSB_EBUSY, CSB_ETIMEOUT, CSB_ECANCELED, CSB_ENOTFOUND (deleted meanwhile), CSB_ESYSTEM,
 * CSB_ENOMEM. Blocks for up to 10 minutes, and three hours where scripts have to run.  Since: 0.1
 */
CSB_API int csb_vm_start(csb_vm *vm, csb_error **err);

/*
 * Says which ports of the guest the host can reach from now on, instead of those said before: at
 * once when the machine runs, and at every later start.
 *
 * ports: n_ports of them; NULL with 0 for none.
 *
 * Errors: CSB_EINVAL (a port that is 0, or one of the host twice), CSB_EBUSY (somebody listens on
 * one of the host's ports: nothing is changed then), CSB_EENGINE, CSB_ENOTFOUND, CSB_ETIMEOUT,
 * CSB_ECANCELED, CSB_ESYSTEM, CSB_ENOMEM.  Blocks for up to 5 minutes.  Since: 0.1
 */
CSB_API int csb_vm_set_ports(csb_vm *vm, const csb_port *ports, size_t n_ports, csb_error **err);

/*
 * Changes what a machine is: its cpus, memory_bytes, disk_bytes, settings_dir and settings_mode.
 * What is 0 or NULL stays as it is. It takes effect when the machine is started the next time, and
 * is remembered until then; a second call adds to the first.
 *
 * opts: the other members must be as CSB_VM_OPTIONS_INIT has them.
 * ret_later: 1 when the machine runs or is suspended, and stays as it was until it is stopped and
 * started, else 0; may be NULL.
 *
 * Errors: CSB_EINVAL (sizes or a directory that can't be; a disk smaller than it is), CSB_EBUSY,
 * CSB_EENGINE, CSB_ENOTFOUND, CSB_ETIMEOUT, CSB_ECANCELED, CSB_ESYSTEM, CSB_ENOMEM; nothing is
 * changed then.  Blocks for up to 5 minutes, while somebody else works on the machine.  Since: 0.1
 */
CSB_API int csb_vm_configure(csb_vm *vm, const csb_vm_options *opts, int *ret_later,
                             csb_error **err);

/*
 * Lets programs in the guest connect to a unix socket of the host, over the connection that is
 * open, until the machine stops: at /dev/shm/claude-sandbox-UID/NAME.sock, where UID is the number
 * of the guest's user, who alone can reach it. Again for the same socket: fine, and mended where it
 * was broken.
 *
 * The server behind it hears only that somebody in this machine calls. Give each machine a socket
 * of its own, so that none can pretend to be another.
 *
 * host_path: absolute; nobody need listen there yet.
 * name: 1 to 32 lower case letters, digits and "-"; not "hooks", which is taken.
 *
 * Errors: CSB_EINVAL, CSB_ESTATE (not running), CSB_EENGINE (the connection failed), CSB_EPROTOCOL
 * (the guest has no place for it), CSB_ETIMEOUT, CSB_ECANCELED, CSB_ESYSTEM, CSB_ENOMEM.
 * Blocks for up to a minute.  Since: 0.1
 */
CSB_API int csb_vm_carry_socket(csb_vm *vm, const char *host_path, const char *name,
                                csb_error **err);

enum {
    CSB_STOP_FORCE = 1 << 0,  /* pull the plug instead of shutting down */
    CSB_STOP_SUSPEND = 1 << 1 /* keep its memory, and go on there at the next start */
};

/*
 * Stops the machine. One that is stopped stays so, without an error; of one that is suspended what
 * was kept is given up, unless it is to be suspended.
 *
 * With CSB_STOP_SUSPEND its memory is kept, and at the next start its programs go on, but for those
 * that csb_vm_exec() and its like had begun. A program that uses a shared directory (as its current
 * one, or by an open file) is in the way: CSB_EBUSY, and the machine runs on.
 *
 * flags: 0, CSB_STOP_FORCE or CSB_STOP_SUSPEND.
 *
 * Errors: CSB_EINVAL (both flags), CSB_ENOTSUP (an engine that can't suspend), CSB_EENGINE, CSB_EBUSY, CSB_ETIMEOUT, CSB_ECANCELED, CSB_ESYSTEM, CSB_ENOMEM.
 * Blocks for up to 5 minutes.  Since: 0.1
 */
CSB_API int csb_vm_stop(csb_vm *vm, unsigned flags, csb_error **err);

enum {
    CSB_DELETE_FORCE = 1 << 0 /* also one that runs, or whose engine can't tell */
};

/*
 * Deletes the machine with its disk, for good. The project on the host is not touched. The handle
 * stays valid for its getters, and is freed as always.
 *
 * flags: 0 or CSB_DELETE_FORCE.
 *
 * Errors: CSB_ESTATE (running, without CSB_DELETE_FORCE; protected); without CSB_DELETE_FORCE as
 * csb_vm_refresh() when its engine can't tell whether it runs; else as csb_vm_stop().
 * Blocks for up to 5 minutes.  Since: 0.1
 */
CSB_API int csb_vm_delete(csb_vm *vm, unsigned flags, csb_error **err);

enum {
    CSB_RENAME_REPLACE = 1 << 0, /* one of ours that has the name, stopped, is deleted for it */
    CSB_RENAME_CHECK = 1 << 1    /* only says whether it could be done, and changes nothing */
};

/*
 * Gives a stopped machine another name. With CSB_RENAME_REPLACE it takes the place of the one that
 * has it, also a protected one, which is deleted when the new one is in its place; where it can't be,
 * a warning tells as what it is left. When this process is killed in the middle, the next call on a
 * context finishes it.
 *
 * new_name: as csb_vm_options.name.
 * flags: CSB_RENAME_..., or 0.
 *
 * Errors: CSB_EINVAL (no name, or too long a one for the engine), CSB_EEXISTS (the name is taken:
 * by one of ours, without CSB_RENAME_REPLACE, or by one that is not ours), CSB_ESTATE (one of them
 * is not stopped), CSB_ENOTSUP, CSB_EENGINE, CSB_EBUSY, CSB_ENOTFOUND, CSB_ETIMEOUT, CSB_ECANCELED,
 * CSB_ESYSTEM, CSB_ENOMEM. After an error both have the names they had, or the message says what is
 * where. A cancel is heeded until it begins; one that comes later is for the next call.
 * Blocks for up to 5 minutes.  Since: 0.1
 */
CSB_API int csb_vm_rename(csb_vm *vm, const char *new_name, unsigned flags, csb_error **err);

/*
 * Protects the machine: csb_vm_delete() refuses it, with CSB_DELETE_FORCE too. It can be started,
 * stopped, copied and replaced all the same. With lima, limactl refuses to delete it too.
 *
 * on: 0 takes the protection away.
 *
 * Errors: CSB_EENGINE, CSB_EBUSY, CSB_ENOTFOUND, CSB_ETIMEOUT, CSB_ECANCELED, CSB_ESYSTEM,
 * CSB_ENOMEM.  Blocks for up to a minute, while somebody else works on the machine.  Since: 0.1
 */
CSB_API int csb_vm_protect(csb_vm *vm, int on, csb_error **err);

/* 1 when it is protected, else 0.  Since: 0.1 */
CSB_API int csb_vm_is_protected(const csb_vm *vm);

/*
 * Asks the engine anew for what csb_vm_state() and the other getters tell.
 *
 * Errors: CSB_ENOTFOUND (deleted meanwhile), CSB_EENGINE, CSB_ETIMEOUT, CSB_ECANCELED, CSB_ESYSTEM,
 * CSB_ENOMEM.  Blocks for up to a minute.  Since: 0.1
 */
CSB_API int csb_vm_refresh(csb_vm *vm, csb_error **err);

/* The machine's name. Borrowed, until csb_vm_rename().  Since: 0.1 */
CSB_API const char *csb_vm_name(const csb_vm *vm);
/* The real path of its project, "" if it has none. Borrowed.  Since: 0.1 */
CSB_API const char *csb_vm_project_dir(const csb_vm *vm);
/* The name of its engine, "lima" or "qemu". Borrowed.  Since: 0.1 */
CSB_API const char *csb_vm_engine(const csb_vm *vm);
/* The state, CSB_VM_STOPPED, CSB_VM_STARTING, CSB_VM_RUNNING,
 * CSB_VM_SUSPENDED or CSB_VM_BROKEN, as of the last call
 * that asked.  Since: 0.1 */
CSB_API int csb_vm_state(const csb_vm *vm);
/* The state as a word: "stopped", "starting", "running", "suspended", "broken". Static.
 * Since: 0.1 */
CSB_API const char *csb_vm_state_name(const csb_vm *vm);
/* Why it is broken, or "". Borrowed until the next call on the machine.  Since: 0.1 */
CSB_API const char *csb_vm_state_reason(const csb_vm *vm);
/* How many virtual processors it has; 0 where unknown.  Since: 0.1 */
CSB_API int csb_vm_cpus(const csb_vm *vm);
/* Its memory in bytes; 0 where unknown.  Since: 0.1 */
CSB_API uint64_t csb_vm_memory_bytes(const csb_vm *vm);
/* Size of its disk in bytes as the guest sees it; 0 where unknown.  Since: 0.1 */
CSB_API uint64_t csb_vm_disk_bytes(const csb_vm *vm);
/*
 * What the machine takes up on the host now, in bytes: its disk above all, of which only what was
 * written to takes up room. 0 where unknown. Space that files share (an image) is not counted.
 * Since: 0.1
 */
CSB_API uint64_t csb_vm_disk_used_bytes(const csb_vm *vm);
/* When it was made, in seconds since 1970; 0 where unknown.  Since: 0.1 */
CSB_API int64_t csb_vm_created(const csb_vm *vm);
/* When it was last started, in seconds since 1970, as of the last call that asked; 0 where unknown
 * and when it is stopped.  Since: 0.1 */
CSB_API int64_t csb_vm_started(const csb_vm *vm);
/* The configuration file for `ssh -F CONFIG HOST`, as of the last call that asked; "" before the
 * first start. Borrowed until the next call on the machine.  Since: 0.1 */
CSB_API const char *csb_vm_ssh_config(const csb_vm *vm);
/* The host's alias for `ssh -F CONFIG HOST`, as csb_vm_ssh_config(). Borrowed likewise.
 * Since: 0.1 */
CSB_API const char *csb_vm_ssh_host(const csb_vm *vm);

/* Frees the handle; the machine is not touched.  Since: 0.1 */
CSB_API void csb_vm_free(csb_vm *vm);

CSB_END_DECLS

#endif
