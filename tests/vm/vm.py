#!/usr/bin/python3
"""Boots a Debian kernel in qemu on this machine's own files (read only, with a RAM disk over them), to try what a container cannot:

    tests/vm/vm.py groups    control groups of version 2: `vectron supervise` with cgroup_memory and cgroup_cpu
    tests/vm/vm.py unit      a real systemd: vectron.service (readiness, reload, watchdog, stop)
    tests/vm/vm.py delegate  vectron-supervise.service with limits: groups below a unit that systemd delegates

By hand, as root: it takes minutes (the processor is emulated; --kvm where that works). Needs qemu-system-x86, and the packages linux-image-amd64 and
busybox-static unpacked into a folder (--packages): `apt-get download`, `dpkg -x`. Exit code 0: the guest said that all was well."""
import argparse
import gzip
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
MODULES = ('virtio_pci', '9pnet_virtio', '9p', 'overlay')
FOLDERS = ('bin', 'proc', 'sys', 'dev', 'm', 'host', 'ram', 'new')


class Archive:
    """An initramfs, as cpio writes it (newc)."""

    def __init__(self):
        self.bytes, self.count = b'', 0

    def add(self, name, data=b'', mode=0o100755):
        self.count += 1
        fields = (self.count, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = ('070701' + ''.join(f'{field:08X}' for field in fields) + name + '\0').encode()
        self.bytes += head + b'\0' * (-len(head) % 4) + data + b'\0' * (-len(data) % 4)


def read(path):
    with open(path, 'rb') as file:
        return file.read()


def modules(packages):
    """Paths of the modules, each behind those that it needs."""
    version = os.listdir(f'{packages}/lib/modules')[0]
    folder = f'{packages}/lib/modules/{version}'
    subprocess.run([f'{packages}/bin/busybox', 'depmod', '-b', packages, version], check=True)
    needs = {}
    with open(f'{folder}/modules.dep') as file:
        for line in file:
            path, _, others = line.partition(':')
            needs[path] = others.split()
    by_name = {os.path.basename(path).split('.ko')[0]: path for path in needs}
    order = []

    def add(path):
        for other in needs[path]:
            add(other)
        if path not in order:
            order.append(path)
    for name in MODULES:
        add(by_name[name])
    return [f'{folder}/{path}' for path in order]


def initramfs(packages, path):
    archive = Archive()
    for folder in FOLDERS:
        archive.add(folder, mode=0o040755)
    archive.add('bin/busybox', read(f'{packages}/bin/busybox'))
    for i, module in enumerate(modules(packages)):
        archive.add(f'm/{i:02}.ko', read(module), 0o100644)
    archive.add('init', read(f'{HERE}/init'))
    archive.add('TRAILER!!!')
    with open(path, 'wb') as file:
        file.write(gzip.compress(archive.bytes))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('what', choices=('groups', 'unit', 'delegate'))
    parser.add_argument('--packages', required=True)
    parser.add_argument('--kvm', action='store_true')
    options = parser.parse_args()
    kernel = next(f'{options.packages}/boot/{name}' for name in os.listdir(f'{options.packages}/boot') if name.startswith('vmlinuz'))
    with tempfile.TemporaryDirectory() as folder:
        initramfs(options.packages, f'{folder}/init.gz')
        machine = ['-enable-kvm', '-cpu', 'host'] if options.kvm else ['-accel', 'tcg', '-cpu', 'max']
        words = f'console=ttyS0 quiet panic=1 rdinit=/init vm.what={options.what} vm.repository={REPOSITORY} systemd.show_status=0'
        process = subprocess.Popen(['qemu-system-x86_64', *machine, '-m', '2048', '-nographic', '-no-reboot', '-net', 'none', '-kernel', kernel,
                                    '-initrd', f'{folder}/init.gz', '-append', words, '-device', 'virtio-9p-pci,fsdev=host,mount_tag=host',
                                    '-fsdev', 'local,id=host,path=/,security_model=none,readonly=on,multidevs=remap'],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors='replace')
        well = False
        for line in process.stdout:
            print(line, end='', flush=True)
            well = well or line.startswith('vm: all was well')
        return 0 if process.wait() == 0 and well else 1


if __name__ == '__main__':
    sys.exit(main())
