"""Which system calls a submission may make: the whole policy, as a table.

What is not named here does not exist for it (ENOSYS). Nothing here knows how a filter is made or
installed: `seccomp` turns the table into one.
"""

from __future__ import annotations

import errno
from typing import NamedTuple

ALLOW = 0x7FFF0000
KILL = 0x80000000  # the whole process, by SIGSYS
_ERRNO = 0x00050000
NO_ACCESS = _ERRNO | errno.EACCES
NOT_PERMITTED = _ERRNO | errno.EPERM
AGAIN = _ERRNO | errno.EAGAIN
NO_TERMINAL = _ERRNO | errno.ENOTTY
NO_SUCH_CALL = _ERRNO | errno.ENOSYS
DEFAULT = NO_SUCH_CALL

PROT_EXEC = 4


class Rule(NamedTuple):
    """What happens to these calls, and why."""

    action: int
    reason: str
    calls: str


class Condition(NamedTuple):
    """A call that depends on one of its arguments: whether the argument has a bit, or is the caller's own id."""

    call: str
    argument: int
    bit: int | None  # None: is it the id of the calling process?
    then: int
    otherwise: int


# Allowed calls first: numerical work makes no others.
RULES = (
    Rule(
        ALLOW,
        "compute and answer: the pipes it holds",
        "read write readv writev close lseek fstat poll ppoll select pselect6",
    ),
    Rule(
        ALLOW,
        "memory that is not executable; mmap and mprotect are looked at more closely below",
        "munmap brk mremap madvise",
    ),
    Rule(
        ALLOW,
        "the interpreter's signals, locks, clocks and random numbers; nothing that names another process",
        "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait sigaltstack futex "
        "sched_yield clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time getrandom "
        "restart_syscall membarrier rseq set_robust_list set_tid_address",
    ),
    Rule(
        ALLOW,
        "what a process may know of itself",
        "getpid getppid gettid getuid geteuid getgid getegid getresuid getresgid getgroups getpgrp getpgid getsid "
        "getcpu getrusage sched_getaffinity getcwd",
    ),
    Rule(ALLOW, "ending", "exit exit_group"),
    Rule(
        NO_ACCESS,
        "files and sockets: PermissionError, as on any machine where one has no rights",
        "open openat openat2 creat stat lstat newfstatat statx statfs fstatfs access faccessat faccessat2 "
        "readlink readlinkat getdents getdents64 chdir fchdir mkdir mkdirat rmdir unlink unlinkat rename "
        "renameat renameat2 link linkat symlink symlinkat chmod fchmod fchmodat chown fchown lchown fchownat "
        "truncate ftruncate utimensat utime utimes mknod mknodat inotify_init inotify_init1 inotify_add_watch "
        "socket socketpair connect bind listen accept accept4 sendto recvfrom sendmsg recvmsg shutdown "
        "getsockname getpeername setsockopt getsockopt",
    ),
    Rule(
        NOT_PERMITTED,
        "processes, descriptors and limits: PermissionError",
        "fork vfork execve kill tkill prctl fcntl dup dup2 dup3 pipe pipe2 eventfd eventfd2 memfd_create "
        "prlimit64 getrlimit setrlimit setuid setgid setresuid setresgid setpgid setsid",
    ),
    Rule(AGAIN, "threads: what Python expects when there can be no more of them", "clone"),
    Rule(NO_SUCH_CALL, "threads again: the C library then falls back to clone", "clone3"),
    Rule(NO_TERMINAL, "a pipe is no terminal", "ioctl"),
    Rule(
        KILL,
        "other processes' memory and descriptors: nobody asks for these by accident",
        "ptrace process_vm_readv process_vm_writev kcmp pidfd_open pidfd_send_signal pidfd_getfd process_madvise",
    ),
    Rule(
        KILL,
        "the kernel's largest surfaces",
        "bpf userfaultfd io_uring_setup io_uring_enter io_uring_register perf_event_open keyctl add_key request_key",
    ),
    Rule(
        KILL,
        "other walls than these",
        "unshare setns mount umount2 pivot_root move_mount open_tree fsopen fsmount fspick mount_setattr chroot "
        "seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self",
    ),
    Rule(
        KILL,
        "other programs and kernels",
        "execveat init_module finit_module delete_module kexec_load kexec_file_load reboot swapon swapoff",
    ),
)

# Memory is never executable, and the one process to be signalled is oneself (abort() does).
CONDITIONS = (
    Condition("mmap", 2, PROT_EXEC, NOT_PERMITTED, ALLOW),
    Condition("mprotect", 2, PROT_EXEC, NOT_PERMITTED, ALLOW),
    Condition("tgkill", 0, None, ALLOW, KILL),
)

MACHINES = ("x86_64", "aarch64")

# The numbers of the calls on each of these machines, from the kernel's headers; None where there is no such call.
NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66), "close": (3, 57), "lseek": (8, 62),
    "fstat": (5, 80), "poll": (7, None), "ppoll": (271, 73), "select": (23, None), "pselect6": (270, 72),
    "munmap": (11, 215), "brk": (12, 214), "mremap": (25, 216), "madvise": (28, 233), "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "rt_sigpending": (127, 136), "rt_sigsuspend": (130, 133),
    "rt_sigtimedwait": (128, 137), "sigaltstack": (131, 132), "futex": (202, 98), "sched_yield": (24, 124),
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115), "nanosleep": (35, 101),
    "gettimeofday": (96, 169), "time": (201, None), "getrandom": (318, 278), "restart_syscall": (219, 128),
    "membarrier": (324, 283), "rseq": (334, 293), "set_robust_list": (273, 99), "set_tid_address": (218, 96),
    "getpid": (39, 172), "getppid": (110, 173), "gettid": (186, 178), "getuid": (102, 174), "geteuid": (107, 175),
    "getgid": (104, 176), "getegid": (108, 177), "getresuid": (118, 148), "getresgid": (120, 150),
    "getgroups": (115, 158), "getpgrp": (111, None), "getpgid": (121, 155), "getsid": (124, 156),
    "getcpu": (309, 168), "getrusage": (98, 165), "sched_getaffinity": (204, 123), "exit": (60, 93),
    "exit_group": (231, 94), "open": (2, None), "openat": (257, 56), "openat2": (437, 437), "creat": (85, None),
    "stat": (4, None), "lstat": (6, None), "newfstatat": (262, 79), "statx": (332, 291), "statfs": (137, 43),
    "fstatfs": (138, 44), "access": (21, None), "faccessat": (269, 48), "faccessat2": (439, 439),
    "readlink": (89, None), "readlinkat": (267, 78), "getdents": (78, None), "getdents64": (217, 61),
    "getcwd": (79, 17), "chdir": (80, 49), "fchdir": (81, 50), "mkdir": (83, None), "mkdirat": (258, 34),
    "rmdir": (84, None), "unlink": (87, None), "unlinkat": (263, 35), "rename": (82, None), "renameat": (264, 38),
    "renameat2": (316, 276), "link": (86, None), "linkat": (265, 37), "symlink": (88, None), "symlinkat": (266, 36),
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "chown": (92, None), "fchown": (93, 55),
    "lchown": (94, None), "fchownat": (260, 54), "truncate": (76, 45), "ftruncate": (77, 46), "utimensat": (280, 88),
    "utime": (132, None), "utimes": (235, None), "mknod": (133, None), "mknodat": (259, 33),
    "inotify_init": (253, None), "inotify_init1": (294, 26), "inotify_add_watch": (254, 27), "socket": (41, 198),
    "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201), "accept": (43, 202),
    "accept4": (288, 242), "sendto": (44, 206), "recvfrom": (45, 207), "sendmsg": (46, 211), "recvmsg": (47, 212),
    "shutdown": (48, 210), "getsockname": (51, 204), "getpeername": (52, 205), "setsockopt": (54, 208),
    "getsockopt": (55, 209), "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "kill": (62, 129),
    "tkill": (200, 130), "prctl": (157, 167), "fcntl": (72, 25), "dup": (32, 23), "dup2": (33, None),
    "dup3": (292, 24), "pipe": (22, None), "pipe2": (293, 59), "eventfd": (284, None), "eventfd2": (290, 19),
    "memfd_create": (319, 279), "prlimit64": (302, 261), "getrlimit": (97, 163), "setrlimit": (160, 164),
    "setuid": (105, 146), "setgid": (106, 144), "setresuid": (117, 147), "setresgid": (119, 149),
    "setpgid": (109, 154), "setsid": (112, 157), "clone": (56, 220), "clone3": (435, 435), "ioctl": (16, 29),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424), "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440), "bpf": (321, 280), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "perf_event_open": (298, 241),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218), "unshare": (272, 97), "setns": (308, 268),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "move_mount": (429, 429),
    "open_tree": (428, 428), "fsopen": (430, 430), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "chroot": (161, 51), "seccomp": (317, 277), "landlock_create_ruleset": (444, 444),
    "landlock_add_rule": (445, 445), "landlock_restrict_self": (446, 446), "execveat": (322, 281),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "mmap": (9, 222), "mprotect": (10, 226), "tgkill": (234, 131),
}  # fmt: skip
