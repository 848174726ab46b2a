/* SPDX-License-Identifier: MIT */
#include "engine/qemu/args.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "model/vm_name.h"

/* Spare slots, so that shares are plugged in the same way before the first boot and after a fork:
 * one a mount, and one to spare. */
#define ROOT_PORTS (CSB__MOUNTS_MAX + 1)

const char *const csb__fw_cfg_names[] = {
    "hostname",   "user",     "authorized_keys", "ssh_host_ed25519_key",
    "machine-id", "timezone", "mounts",          "mac",
    NULL,
};

/* In QEMU's option strings a comma ends a value; two stand for one. */
static void add_escaped(struct csb__strbuf *out, const char *value) {
    for (; *value; value++) {
        csb__strbuf_add(out, value, 1);
        if (*value == ',') {
            csb__strbuf_add(out, ",", 1);
        }
    }
}

static void add_words(struct csb__strv *argv, const char *option, const char *value) {
    csb__strv_add(argv, option);
    csb__strv_add(argv, value);
}

/* option PREFIXdir/file, with the path escaped. */
static void add_path(struct csb__strv *argv, const char *option, const char *prefix,
                     const char *dir, const char *file) {
    CSB__AUTOSTRBUF value = CSB__STRBUF_INIT;

    csb__strbuf_puts(&value, prefix);
    add_escaped(&value, dir);
    csb__strbuf_puts(&value, "/");
    add_escaped(&value, file);
    add_words(argv, option, csb__strbuf_text(&value));
    argv->failed |= value.failed;
}

static void add_machine(struct csb__strv *argv, const struct csb__qemu_args *a) {
    add_words(argv, "-name", a->name);
    add_words(argv, "-machine", "q35,usb=off,vmport=off,smbus=off,sata=off,memory-backend=mem0");
    /* Emulation keeps what it has translated, in up to 1 GiB if one lets it. Claude's start takes three
     * times as long with 32 MiB, and no longer with 64. */
    add_words(argv, "-accel", a->kvm ? "kvm" : "tcg,thread=multi,tb-size=128");
    add_words(argv, "-cpu", a->kvm ? "host" : "max");
    csb__strv_add(argv, "-smp");
    csb__strv_addf(argv, "%d", a->cpus);
    csb__strv_add(argv, "-m");
    csb__strv_addf(argv, "%" PRIu64 "M", a->memory >> 20);
    csb__strv_add(argv, "-object");
    /* Shared, for virtiofs; and a file, for QEMU counts no other as memory that it need not move
     * when a machine's state is kept (x-ignore-shared). */
    csb__strv_addf(
        argv, "memory-backend-file,id=mem0,share=on,size=%" PRIu64 "M,mem-path=/proc/self/fd/%d",
        a->memory >> 20, a->ram_fd);
    add_words(argv, "-device", "vmgenid,guid=auto");
    add_words(argv, "-device", "virtio-rng-pci");
    /* What the guest does not need goes back to the host. */
    add_words(argv, "-device", "virtio-balloon-pci,id=balloon,free-page-reporting=on");
}

static void add_boot(struct csb__strv *argv, const struct csb__qemu_args *a) {
    add_words(argv, "-kernel", a->kernel);
    add_words(argv, "-initrd", a->initrd);
    add_words(argv, "-append", a->kernel_args);
    add_path(argv, "-drive",
             "if=none,id=d0,format=qcow2,cache=writeback,discard=unmap,file=", a->dir,
             "disk.qcow2");
    add_words(argv, "-device", "virtio-blk-pci,drive=d0");
    for (int i = 0; csb__fw_cfg_names[i]; i++) {
        char prefix[80];
        char file[64];

        snprintf(prefix, sizeof(prefix),
                 "name=opt/org.claudesandbox/%s,file=", csb__fw_cfg_names[i]);
        snprintf(file, sizeof(file), "fw_cfg/%s", csb__fw_cfg_names[i]);
        add_path(argv, "-fw_cfg", prefix, a->dir, file);
    }
}

static void add_channels(struct csb__strv *argv, const struct csb__qemu_args *a) {
    /* The port on the host is QEMU's choice, which is free of races; it is asked for later. */
    add_words(argv, "-netdev", "user,id=n0,ipv6=off,hostfwd=tcp:127.0.0.1:0-:22");
    csb__strv_add(argv, "-device");
    csb__strv_addf(argv, "virtio-net-pci,netdev=n0,romfile=,mac=%s", a->mac);
    add_path(argv, "-chardev", "socket,id=qmp,server=on,wait=off,path=", a->run_dir, "qmp");
    add_words(argv, "-mon", "chardev=qmp,mode=control");
    add_words(argv, "-device", "virtio-serial-pci");
    add_path(argv, "-chardev", "socket,id=control,server=on,wait=off,path=", a->run_dir, "control");
    add_words(argv, "-device", "virtserialport,chardev=control,name=org.claudesandbox.control");
    /* The console goes to a ring in memory: a guest could fill the host's disk through a file. */
    add_words(argv, "-chardev", "ringbuf,id=console,size=65536");
    add_words(argv, "-device", "isa-serial,chardev=console");
}

static void add_9p(struct csb__strv *argv, const struct csb__mount *m, size_t index) {
    CSB__AUTOSTRBUF value = CSB__STRBUF_INIT;

    /* multidevs: a project may span file systems of the host. */
    csb__strbuf_printf(&value,
                       "local,id=share%zu,security_model=none,multidevs=remap,path=", index);
    add_escaped(&value, m->host_path);
    csb__strbuf_puts(&value, m->writable ? "" : ",readonly=on");
    add_words(argv, "-fsdev", csb__strbuf_text(&value));
    argv->failed |= value.failed;
}

static void add_shares(struct csb__strv *argv, const struct csb__qemu_args *a,
                       const struct csb__spec *spec) {
    for (int i = 0; i < ROOT_PORTS; i++) {
        csb__strv_add(argv, "-device");
        csb__strv_addf(argv, "pcie-root-port,id=port%d,chassis=%d", i, i + 1);
    }
    for (size_t i = 0; i < spec->n_mounts; i++) {
        if (a->virtiofs && a->virtiofs[i]) {
            char prefix[64];
            char socket[32];

            snprintf(prefix, sizeof(prefix), "socket,id=share%zu,path=", i);
            snprintf(socket, sizeof(socket), "share%zu", i);
            add_path(argv, "-chardev", prefix, a->run_dir, socket);
        } else {
            add_9p(argv, &spec->mounts[i], i);
        }
    }
}

void csb__qemu_argv(struct csb__strv *argv, const struct csb__qemu_args *a,
                    const struct csb__spec *spec) {
    csb__strv_add(argv, a->program);
    add_words(argv, "-nodefaults", "-no-user-config");
    add_words(argv, "-display", "none");
    add_words(argv, "-sandbox",
              "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    add_machine(argv, a);
    add_boot(argv, a);
    add_channels(argv, a);
    add_shares(argv, a, spec);
    csb__strv_add(argv, "-pidfile");
    csb__strv_addf(argv, "%s/pid", a->dir);
    /* Paused, until the shares are plugged in. */
    csb__strv_add(argv, "-S");
    if (a->incoming) {
        add_words(argv, "-incoming", "defer");
    }
}

/* 52:54:00 is QEMU's; the rest tells machines apart. */
void csb__qemu_mac(const char *name, char out[18]) {
    char h[9];

    csb__hash8(name, h);
    snprintf(out, 18, "52:54:00:%.2s:%.2s:%.2s", h, h + 2, h + 4);
}

json_t *csb__qemu_share_device(size_t index, bool virtiofs) {
    char share[32];
    char port[32];

    snprintf(share, sizeof(share), "share%zu", index);
    snprintf(port, sizeof(port), "port%zu", index);
    if (virtiofs) {
        return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i}", "driver", "vhost-user-fs-pci", "id",
                         share, "chardev", share, "tag", share, "bus", port, "queue-size", 1024);
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "driver", "virtio-9p-pci", "id", share, "fsdev",
                     share, "mount_tag", share, "bus", port);
}

void csb__qemu_mount_line(struct csb__strbuf *out, const struct csb__mount *m, size_t index,
                          bool virtiofs) {
    /* mmap: coherent both ways, unlike loose and fscache, and programs may map files (git does). */
    csb__strbuf_printf(out, "share%zu %s %s%s,nosuid,nodev ", index, virtiofs ? "virtiofs" : "9p",
                       m->writable ? "rw" : "ro",
                       virtiofs ? "" : ",trans=virtio,version=9p2000.L,msize=512000,cache=mmap");
    csb__qemu_encode(out, m->guest_path);
}

void csb__qemu_encode(struct csb__strbuf *out, const char *text) {
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;

        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
            strchr("/._-", c)) {
            csb__strbuf_add(out, p, 1);
        } else {
            csb__strbuf_printf(out, "%%%02X", c);
        }
    }
}

void csb__qemu_decode(struct csb__strbuf *out, const char *word) {
    while (*word) {
        unsigned c = (unsigned char)*word;
        int n = *word == '%' && sscanf(word + 1, "%2x", &c) == 1 ? 3 : 1;
        char byte = (char)c;

        csb__strbuf_add(out, &byte, 1);
        word += n;
    }
}
