#!/usr/bin/python3
"""The kernels of AArch64, cross-built and run by qemu; skipped (77) where compiler or emulator are missing."""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(HERE))))
COMPILER, EMULATOR = 'aarch64-linux-gnu-gcc', 'qemu-aarch64'
SOURCES = ['tests/unit/index/arm/kernels.c', 'index/kernel.c', 'index/half.c', 'index/kernel_neon.c', 'index/kernel_x86.c', 'index/codes_x86.c']


def main():
    missing = [tool for tool in (COMPILER, EMULATOR) if not shutil.which(tool)]
    if missing:
        print(f'skipped: {", ".join(missing)} not installed (deploy/packages.txt)')
        return 77
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, 'kernels')
        subprocess.run([COMPILER, '-std=c11', '-D_GNU_SOURCE', '-O2', '-static', '-Wall', '-Wextra', '-Wconversion', '-Werror', '-I', ROOT,
                        '-o', program, *(os.path.join(ROOT, source) for source in SOURCES), '-lm'], check=True)
        # A processor without dot products, and one with them.
        for cpu, kernels in ('cortex-a72', ['scalar', 'neon']), ('max', ['scalar', 'neon', 'neon-dotprod']):
            run = subprocess.run([EMULATOR, '-cpu', cpu, program], capture_output=True, text=True, timeout=120)
            print(cpu, run.stdout, run.stderr)
            if run.returncode != 0 or run.stdout.split() != kernels:
                return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
