#!/usr/bin/python3
"""Every RPC with npm's @grpc/grpc-js against a real `vectron up`. Skips, with a word, when npm has no registry."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import npm, vectron  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
modules = os.path.join(vectron.ROOT, 'build', 'node')
os.makedirs(modules, exist_ok=True)
shutil.copy(os.path.join(HERE, 'node', 'package.json'), modules)
why_not = npm.install(modules)
if why_not:
    print(f'{why_not}. @grpc/grpc-js is not tested')
    sys.exit(77)
with vectron.Up() as server:
    run = subprocess.run(['node', os.path.join(HERE, 'node', 'client.js'), server.target,
                          os.path.join(vectron.ROOT, 'schemas', 'public'), modules], timeout=120)
sys.exit(run.returncode)
