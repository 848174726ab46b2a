/* SPDX-License-Identifier: MIT */
/*
 * /dev/kvm proves nothing: nested, it may exist and emulate every instruction, so that a kernel
 * never gets anywhere. What tells is time: a guest in long mode with paging that counts to ten
 * million, reloads CR3 and asks CPUID is done in some 30 ms where KVM works; where it does not,
 * it takes seconds or for ever. A real-mode guest would pass either way.
 */
#include "engine/qemu/kvm_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "core/json.h"
#include "core/path.h"
#include "core/posix.h"
#include "core/process.h"

#define DEADLINE_MS 250

enum verdict { WORKS, NO_DEVICE, NO_PERMISSION, BROKEN, VERDICTS };

static const char *const phrases[VERDICTS] = {
    "KVM runs guests",
    "there is no /dev/kvm",
    "/dev/kvm is not open to this user (who may have to join the group kvm)",
    "/dev/kvm is there but does not run guests",
};

#ifdef __x86_64__
#include <linux/kvm.h>

#define MEM_SIZE ((size_t)2 << 20)
#define PML4 0x1000U
#define PDPT 0x2000U
#define PD 0x3000U
#define CODE 0x8000U
#define DONE_PORT 0xf4

static const unsigned char payload[] = {
    0x48, 0xc7,      0xc1, 0x80, 0x96, 0x98, 0x00, /* mov $10000000, %rcx */
    0x48, 0xff,      0xc9,                         /* 1: dec %rcx */
    0x75, 0xfb,                                    /* jnz 1b */
    0x0f, 0x20,      0xd8, 0x0f, 0x22, 0xd8,       /* mov %cr3, %rax; mov %rax, %cr3 */
    0x31, 0xc0,      0x0f, 0xa2,                   /* xor %eax, %eax; cpuid */
    0xe6, DONE_PORT,                               /* out %al, $DONE_PORT */
    0xf4,                                          /* hlt */
};

/* One 2 MiB page, mapped to itself. */
static void lay_out_memory(unsigned char *mem) {
    const uint64_t table = 3; /* present, writable */
    const uint64_t big = 0x80 | table;
    uint64_t entry;

    entry = PDPT | table;
    memcpy(mem + PML4, &entry, sizeof(entry));
    entry = PD | table;
    memcpy(mem + PDPT, &entry, sizeof(entry));
    memcpy(mem + PD, &big, sizeof(big));
    memcpy(mem + CODE, payload, sizeof(payload));
}

static int enter_long_mode(int vcpu) {
    struct kvm_sregs s;
    struct kvm_regs r = {.rip = CODE, .rsp = MEM_SIZE - 16, .rflags = 2};
    struct kvm_segment code = {
        .limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1};
    struct kvm_segment data = code;

    if (ioctl(vcpu, KVM_GET_SREGS, &s) != 0) {
        return -1;
    }
    data.type = 3;
    data.selector = 16;
    data.l = 0;
    data.db = 1;
    s.cs = code;
    s.ds = s.es = s.fs = s.gs = s.ss = data;
    s.cr3 = PML4;
    s.cr4 |= 0x20;        /* PAE */
    s.efer |= 0x500;      /* LME, LMA */
    s.cr0 |= 0x80000001U; /* PG, PE */
    return ioctl(vcpu, KVM_SET_SREGS, &s) == 0 && ioctl(vcpu, KVM_SET_REGS, &r) == 0 ? 0 : -1;
}

/* In a process of its own: KVM_RUN can't be left otherwise. */
static enum verdict run_guest(int kvm) {
    int vm = ioctl(kvm, KVM_CREATE_VM, 0);
    int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    unsigned char *mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                              -1, 0);
    struct kvm_userspace_memory_region region = {.memory_size = MEM_SIZE,
                                                 .userspace_addr = (uintptr_t)mem};
    struct kvm_run *run;
    int vcpu;

    if (vm < 0 || size <= 0 || mem == MAP_FAILED) {
        return BROKEN;
    }
    lay_out_memory(mem);
    if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) != 0) {
        return BROKEN;
    }
    vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    run = vcpu < 0 ? MAP_FAILED
                   : mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (run == MAP_FAILED || enter_long_mode(vcpu) != 0 || ioctl(vcpu, KVM_RUN, 0) != 0) {
        return BROKEN;
    }
    return run->exit_reason == KVM_EXIT_IO && run->io.port == DONE_PORT ? WORKS : BROKEN;
}

static enum verdict probe(void) {
    CSB__AUTOCLOSE int kvm = csb__open("/dev/kvm", O_RDWR, 0);
    struct pollfd p = {.events = POLLIN};
    char answer = BROKEN;
    int fds[2];
    pid_t pid;

    if (kvm < 0) {
        return errno == EACCES || errno == EPERM ? NO_PERMISSION : NO_DEVICE;
    }
    if (csb__pipe(fds) != 0) {
        return BROKEN;
    }
    pid = fork();
    if (pid == 0) {
        char c = (char)run_guest(kvm);

        (void)!write(fds[1], &c, 1);
        _exit(0);
    }
    close(fds[1]);
    p.fd = fds[0];
    if (pid < 0 || poll(&p, 1, DEADLINE_MS) != 1 || read(fds[0], &answer, 1) != 1) {
        answer = BROKEN;
    }
    close(fds[0]);
    if (pid > 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    return (enum verdict)answer;
}
#else
static enum verdict probe(void) {
    return access("/dev/kvm", R_OK | W_OK) == 0 ? WORKS : NO_DEVICE;
}
#endif

/* The verdict of this boot, if there is one. Only what the kernel said is kept: a group is joined
 * without a reboot. */
static bool read_cache(const char *path, const char *boot, enum verdict *ret) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    CSB__AUTOJSON *json = NULL;
    int64_t n;

    if (!*boot || csb__read_file(path, 4096, &text) != 0 ||
        csb__json_parse(csb__strbuf_text(&text), text.len, &json, NULL) != 0 ||
        strcmp(csb__json_string(json, "boot", ""), boot) != 0) {
        return false;
    }
    n = csb__json_int(json, "verdict", -1);
    *ret = (enum verdict)n;
    return n == WORKS || n == BROKEN;
}

bool csb__kvm_usable(struct csb__env *env, const char **why) {
    CSB__AUTOFREE char *path = csb__path_join(env->state_dir, "kvm.json");
    enum verdict verdict = BROKEN;
    char boot[64];

    csb__boot_id(boot, sizeof(boot));
    if (path && !read_cache(path, boot, &verdict)) {
        char text[128];
        int n;

        verdict = probe();
        n = snprintf(text, sizeof(text), "{\"boot\": \"%s\", \"verdict\": %d}\n", boot, verdict);
        (void)csb__write_file(path, text, (size_t)n, 0600, NULL);
    }
    *why = phrases[verdict];
    return verdict == WORKS;
}
