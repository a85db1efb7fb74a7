"""disk: a small disk of one's own, in a file, that can be filled to the last byte."""
import contextlib
import ctypes
import os
import subprocess


def private_mounts():
    """Mounts of this process and its children are seen by nobody else, and go with them; False where that is not allowed."""
    clone_newns = 0x20000
    if os.geteuid() or ctypes.CDLL(None, use_errno=True).unshare(clone_newns):
        return False
    return subprocess.run(['mount', '--make-rprivate', '/'], capture_output=True).returncode == 0


def run(*command):
    return subprocess.run(command, capture_output=True).returncode == 0


def mount(folder, megabytes):
    """A disk of this size there; False where no loop device is to be had. In private mounts."""
    os.makedirs(folder)
    image = folder + '.image'
    with open(image, 'wb') as file:
        file.truncate(megabytes << 20)
    return run('mkfs.ext4', '-q', '-m', '0', '-O', '^has_journal', image) and run('mount', '-o', 'loop', image, folder)


@contextlib.contextmanager
def full(folder):
    """with full(folder): …   nothing more fits there than what has its place already."""
    filler = os.path.join(folder, 'filler')
    with open(filler, 'wb', buffering=0) as file:
        with contextlib.suppress(OSError):
            free = os.statvfs(folder)
            os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize)
        file.seek(0, os.SEEK_END)
        for size in (1 << 20, 1 << 12):  # what the first guess left over
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
    try:
        yield
    finally:
        os.unlink(filler)


def unmount(folder):
    run('umount', '--lazy', folder)
