/*
 * csb-guest: the one program of ours that runs inside a guest.
 *
 * Five applets: `init` (in the initrd), `boot` (identity, account, network, shares), `agent` (the
 * control port), `door` (lets ssh in) and `keeper` (of a program that ssh runs). What the host tells a guest lies in CSB_RUN_DIR, put there by init from
 * QEMU's fw_cfg.
 */
#ifndef CSB_GUEST_H
#define CSB_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#define CSB_RUN_DIR "/run/claude-sandbox"
#define CSB_FW_CFG_DIR "/sys/firmware/qemu_fw_cfg/by_name/opt/org.claudesandbox"
#define CSB_CONTROL_PORT "org.claudesandbox.control"

/* One line of the control protocol, newline included; also the longest reply. */
#define CSB_LINE_MAX 4096

/* ---- file.c: whole files, small ones ------------------------------------------------------- */

/* The contents of PATH and a NUL, at most MAX bytes (longer is E2BIG); NULL with errno. */
char *file_read(const char *path, size_t max, size_t *len);
/* The same, without white space at the end: for values of one line. */
char *file_read_value(const char *path, size_t max);
/*
 * Replaces PATH as a whole: a reader or a power cut sees the old contents or the new. MODE is for a
 * file that is new; an old one's owner and mode stay.
 */
int file_replace(const char *path, const char *data, size_t len, mode_t mode);
/* As file_replace(), but leaves a file alone that says this already. */
int file_update(const char *path, const char *data, size_t len, mode_t mode);
/* The same for what the host tells again at each start: in one step, but not waited for to be on
 * the disk, which takes as long as a process start. */
int file_put(const char *path, const char *data, size_t len, mode_t mode);
/* Overwrites the file before it goes: for one in /run, whose memory would still say it. */
int file_wipe(const char *path);
int file_write_all(int fd, const char *data, size_t len);

/* ---- disk.c -------------------------------------------------------------------------------- */

/* Grows the root file system to its disk; 0 also when there is nothing to do. */
int disk_grow(void);

/* ---- report.c: what went wrong, for whoever asks `ready` ----------------------------------- */

/* Notes a problem that does not stop the guest: on stderr and for report_read(). */
void report_problem(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* All problems since the start in one line, or NULL. The caller frees. */
char *report_read(void);

/* ---- account_text.c: /etc/passwd and its sisters as text; pure ----------------------------- */

typedef struct account {
    char name[33];
    uid_t uid;
    gid_t gid;
    char group[40]; /* the name for gid when no group of the image has it */
} account;

/* Parses "name:uid:gid"; false when it is no such thing or means root. */
bool account_parse(const char *text, account *ret);
/* Each gives the new text (the caller frees) or NULL when there is no memory. */
char *account_passwd(const char *text, const account *who);
char *account_shadow(const char *text, const account *who);
char *account_group(const char *text, account *who);

/* ---- account.c ----------------------------------------------------------------------------- */

/* Makes the account exist, whatever was there before: entries, sudo, home directory. */
int account_ensure(account *who);
/* The account that the host asked for. */
bool account_configured(account *ret);

/* ---- identity.c ---------------------------------------------------------------------------- */

bool identity_hostname_valid(const char *name);
int identity_set_hostname(const char *name);
int identity_set_machine_id(const char *wanted);
int identity_set_timezone(const char *zone);
/* The bytes of a version 4 UUID, as systemd and the kernel make them for their ids. */
int identity_random_uuid(unsigned char raw[16]);

/* ---- network.c ----------------------------------------------------------------------------- */

/* QEMU's user network: always the same addresses, so nobody has to ask for them. */
int network_up(void);
/* Gives the interface the address that the host said, if it did. */
int network_set_mac(void);
/* Whether something listens on this TCP port; starts no connection. */
bool network_listening(unsigned port);

/* ---- path.c -------------------------------------------------------------------------------- */

/* Undoes percent encoding into BUF; false for bad escapes, NUL, no room. */
bool path_decode(const char *text, char *buf, size_t size);
/* Absolute, without empty, `.` or `..` components, and no place that the system itself needs. */
bool path_mountable(const char *path);
/*
 * Opens the directory PATH as O_PATH, making what is missing; never goes through a symbolic link.
 * New directories below the home of OWNER (may be NULL) are theirs. A descriptor, or -1 with errno.
 */
int path_make_dir(const char *path, const account *owner);

/* ---- share.c ------------------------------------------------------------------------------- */

/* Both write one line of explanation to WHY on failure. TEXT is "TAG TYPE OPTIONS PATH". */
int share_mount(const char *text, unsigned wait_ms, char *why, size_t size);
int share_umount(const char *encoded_path, char *why, size_t size);

/* ---- mountinfo.c --------------------------------------------------------------------------- */

/* The source and type of what is mounted last at PATH; false when nothing is. */
bool mountinfo_find(const char *path, char *source, size_t source_size, char *type,
                    size_t type_size);

/* ---- adopt.c: a copied guest becomes its own -------------------------------------------------- */

/* Notes one of the values that init takes from fw_cfg at a boot. Both write one line of explanation
 * to WHY on failure, as do the next two. */
int adopt_put(const char *name, const char *encoded, char *why, size_t size);
/* Becomes who the noted values say; SEED_HEX are random bytes of the host's. */
int adopt_identity(const char *seed_hex, char *why, size_t size);
/* Forgets who it was: nobody is let in until adopt_identity(). */
int adopt_forget(char *why, size_t size);

/* ---- boot.c ---------------------------------------------------------------------------------- */

/* Host name, machine id, time zone and account, as noted in CSB_RUN_DIR. */
void boot_identity(void);

/* ---- control.c: the verbs ------------------------------------------------------------------ */

/* Answers one line (without newline): writes the reply without newline to REPLY. */
void control_answer(char *line, char *reply, size_t size);
/* What the last answered line asked to be done once its reply is on the way. */
bool control_poweroff_asked(void);

/* ---- applets ------------------------------------------------------------------------------- */

int applet_init(void);
int applet_boot(void);
int applet_agent(void);
int applet_door(void);
/* What stands behind its name: host|terminal DIR PROGRAM [ARGUMENT]... */
int applet_keeper(int argc, char **argv);

/* ---- sleep.c ------------------------------------------------------------------------------- */

void sleep_ms(unsigned ms);

#endif
