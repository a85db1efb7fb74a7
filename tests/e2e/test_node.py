#!/usr/bin/python3
"""Every RPC with npm's @grpc/grpc-js against a real `vectron up`. Skips, with a word, when npm has no registry."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
modules = os.path.join(vectron.ROOT, 'build', 'node')
os.makedirs(modules, exist_ok=True)
shutil.copy(os.path.join(HERE, 'node', 'package.json'), modules)
install = subprocess.run(['npm', 'install', '--no-audit', '--no-fund', '--silent'], cwd=modules, capture_output=True, text=True)
if install.returncode:
    print(f'npm install failed, @grpc/grpc-js is not tested: {install.stderr.strip()[-300:]}')
    sys.exit(77)
with vectron.Up() as server:
    run = subprocess.run(['node', os.path.join(HERE, 'node', 'client.js'), server.target,
                          os.path.join(vectron.ROOT, 'schemas', 'public'), modules], timeout=120)
sys.exit(run.returncode)
