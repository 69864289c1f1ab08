"""A small program of its own between netmon and a script: it confines the script, waits, and leaves nobody behind.

It is started with the interpreter alone (`-I -S`) and imports nothing of netmon, for forking a worker with threads is
unsafe. Its first line of input says what to do; the end of its input means: stop it. What it has to say goes as lines
of JSON to the descriptor in its argument; its output is the script's.
"""

import contextlib
import ctypes
import errno
import json
import os
import resource
import select
import signal
import sys
import time
from typing import Any, NoReturn

CLONE_NEWNS, CLONE_NEWPID = 0x00020000, 0x20000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 2, 4, 8, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP = 1, 4, 24
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 36, 38, 47
CAPABILITY_VERSION_3 = 0x20080522
MAX_SWEEPS = 400
LIBC = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, *values: int) -> int:
    return int(LIBC.prctl(option, *(ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4])))


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    if LIBC.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode()):
        raise OSError(ctypes.get_errno(), "mount")


def unshare() -> None:
    """A process namespace for the children, and mounts that nobody else sees."""
    if LIBC.unshare(CLONE_NEWPID | CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    mount("none", "/", "none", MS_REC | MS_PRIVATE)


def mount_proc() -> None:
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)


def may_unshare() -> bool:
    """Whether this system lets us: tried in a process of its own, since one cannot come back."""
    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(OSError):
            unshare()
            inner = os.fork()
            if inner == 0:
                code = 1
                with contextlib.suppress(OSError):
                    mount_proc()
                    code = 0
                os._exit(code)
            code = os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1])
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class Guard:
    def __init__(self, said: int) -> None:
        self.said = said  # the descriptor of what is said
        self.config: dict[str, Any] = {}

    def say(self, **words: Any) -> None:
        with contextlib.suppress(OSError):
            os.write(self.said, json.dumps(words).encode() + b"\n")

    # --- the script
    def become(self) -> NoReturn:
        """The script itself, in a fresh child: never returns."""
        config = self.config
        try:
            os.setsid()
            null = os.open(os.devnull, os.O_RDONLY)
            os.dup2(null, 0)
            os.close(null)
            os.chdir(config["cwd"])
            os.umask(0o077)
            for name, value in config["limits"].items():
                self.limit(getattr(resource, name), value)
            self.drop(config["uid"], config["gid"])
            for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            os.execve(f"/proc/self/fd/{config['fd']}", config["argv"], config["env"])  # noqa: S606
        except OSError as error:
            self.say(error=error.strerror or str(error), errno=errno.errorcode.get(error.errno or 0, ""))
        except (ValueError, KeyError) as error:
            self.say(error=str(error), errno="")
        os._exit(127)

    @staticmethod
    def limit(which: int, value: int) -> None:
        _, hard = resource.getrlimit(which)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        # One second more of CPU time, for who wants to say a word at SIGXCPU.
        more = value + 1 if which == resource.RLIMIT_CPU and hard == resource.RLIM_INFINITY else value
        resource.setrlimit(which, (value, more))

    @staticmethod
    def drop(uid: int | None, gid: int) -> None:
        """No rights but those of the account, and no way to any."""
        # Also where the account stays: a runner without root may have been given single capabilities.
        prctl(PR_CAP_AMBIENT, 4)  # clear all
        clear_inheritable()
        if uid is not None:
            for capability in range(64):
                prctl(PR_CAPBSET_DROP, capability)
            os.setgroups([])
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            if os.getresuid() != (uid,) * 3 or os.getresgid() != (gid,) * 3 or os.getgroups():
                raise OSError(errno.EPERM, "the account could not be changed")
        if prctl(PR_SET_NO_NEW_PRIVS, 1):
            raise OSError(ctypes.get_errno(), "no_new_privs was refused")

    # --- with a namespace: the first process in it, whose end takes all others along
    def be_init(self) -> NoReturn:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        try:
            mount_proc()
            config = self.config
            if config["uid"] is not None:
                size = f"size={config['home_bytes']},nr_inodes=4096,mode=0700,uid={config['uid']},gid={config['gid']}"
                mount("tmpfs", config["cwd"], "tmpfs", MS_NOSUID | MS_NODEV, size)
        except OSError as error:
            self.say(error=f"{error.strerror} refused", errno=errno.errorcode.get(error.errno or 0, ""))
            os._exit(127)
        script = os.fork()
        if script == 0:
            self.become()
        signal.signal(signal.SIGTERM, lambda *_: self.tell_all())
        while True:
            pid, status = os.wait()
            if pid == script:
                break
        left = [pid for pid in all_pids() if pid != 1 and state_of(pid) not in ("Z", "")]
        self.say(status=status, left=len(left))
        os._exit(0)

    @staticmethod
    def tell_all() -> None:
        with contextlib.suppress(OSError):
            os.kill(-1, signal.SIGTERM)

    # --- the guard
    def run(self, config: dict[str, Any]) -> None:
        self.config = config
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        prctl(PR_SET_DUMPABLE, 0)  # the secrets in it are for the script only
        has_namespace = config["namespace"] and may_unshare()
        self.say(namespace=has_namespace)
        woken, wakes = os.pipe()
        os.set_blocking(wakes, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        if has_namespace:
            unshare()
        child = os.fork()
        if child == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(woken)
            os.close(wakes)
            if has_namespace:
                self.be_init()
            self.become()
        why = self.watch(child, woken, config)
        if has_namespace:
            with contextlib.suppress(OSError):
                os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            self.say(why=why, **({"killed": status} if os.WIFSIGNALED(status) else {}))
            return
        ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        # Before it is reaped nobody else can have its number.
        signal_group(child, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        left, lost = end_descendants()
        self.say(why=why, status=status, left=left if ended is not None else 0, lost=lost)

    def watch(self, child: int, woken: int, config: dict[str, Any]) -> str:
        """Wait for the child's end, which is hurried when its time is over or somebody says stop. Why, or empty."""
        poller = select.poll()
        poller.register(0, select.POLLIN | select.POLLHUP)
        poller.register(woken, select.POLLIN)
        ends, why = time.monotonic() + config["timeout"], ""
        while True:
            if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                return why
            left = ends - time.monotonic()
            if left <= 0:
                if why:
                    return why
                why = "timeout"
            else:
                events = dict(poller.poll(left * 1000 + 1))
                if woken in events:
                    os.read(woken, 512)
                if 0 not in events or os.read(0, 512):
                    continue
                poller.unregister(0)
                if why:
                    continue
                why = "cancelled"
            # TERM, a moment, and then KILL.
            ends = time.monotonic() + config["grace"]
            if config["namespace"] and self.is_init(child):
                with contextlib.suppress(OSError):
                    os.kill(child, signal.SIGTERM)
            else:
                signal_group(child, signal.SIGTERM)

    @staticmethod
    def is_init(child: int) -> bool:
        """Whether the child leads no group of its own, and so is the namespace's first process."""
        try:
            return os.getpgid(child) == os.getpgid(0)
        except OSError:
            return False


def clear_inheritable() -> None:
    """With this set and the ambient one empty, a program without capabilities of its own gets none from us."""
    header, sets = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    if LIBC.capget(header, sets):
        raise OSError(ctypes.get_errno(), "capget was refused")
    sets[2] = sets[5] = 0  # effective, permitted, inheritable: twice 32 bits
    if LIBC.capset(header, sets):
        raise OSError(ctypes.get_errno(), "capset was refused")


def signal_group(group: int, number: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(group, number)


def all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def stat_of(pid: int) -> tuple[str, int]:
    """State and parent of a process; empty when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            words = file.read().rpartition(")")[2].split()
        return words[0], int(words[1])
    except (OSError, IndexError, ValueError):
        return "", 0


def state_of(pid: int) -> str:
    return stat_of(pid)[0]


def descendants() -> list[int]:
    """Of this process: orphans among them come back to it. Zombies do not count."""
    table = {pid: stat_of(pid) for pid in all_pids()}
    found, wanted = [], [os.getpid()]
    while wanted:
        parent = wanted.pop()
        children = [pid for pid, (state, above) in table.items() if above == parent and state]
        wanted += children
        found += [pid for pid in children if table[pid][0] not in ("Z", "X")]
    return found


def reap() -> bool:
    """Whether anybody is left. Orphans come back to us, so who has no child has no descendant either.

    Only the kernel can say so: a process seen in /proc may fork and end while the list is read.
    """
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def end_descendants() -> tuple[int, int]:
    """How many were there, and how many could not be ended. They are stopped first: who forks could outrun us."""
    seen: set[int] = set()
    for sweep in range(MAX_SWEEPS):
        if not reap():
            return len(seen), 0
        alive = descendants()
        is_known = seen.issuperset(alive)
        seen.update(alive)
        for pid in alive:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL if is_known or sweep % 4 == 3 else signal.SIGSTOP)
        if is_known:
            time.sleep(0.002)
    return len(seen), len(descendants())


def read_config() -> dict[str, Any]:
    raw = b""
    while not raw.endswith(b"\n"):
        chunk = os.read(0, 1 << 16)
        if not chunk:
            sys.exit(2)  # whoever started us is gone
        raw += chunk
    config: dict[str, Any] = json.loads(raw)
    return config


def main() -> None:
    if sys.argv[1:] == ["probe"]:
        sys.exit(0 if may_unshare() else 1)
    said = int(sys.argv[1])
    os.set_inheritable(said, False)
    Guard(said).run(read_config())


if __name__ == "__main__":
    main()
