#!/usr/bin/python3
"""libvectron-index as a stranger uses it: installed into a prefix of its own, the example built by pkg-config and by
find_package, shared and static."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402

PREFIX = os.path.join(vectron.TEMPORARY, 'prefix')
ENVIRONMENT = {'PKG_CONFIG_PATH': os.path.join(PREFIX, 'lib/pkgconfig'), 'LD_LIBRARY_PATH': os.path.join(PREFIX, 'lib')}
HEADERS = ['index/index.h', 'index/batch.h', 'index/bulk.h', 'index/inspect.h', 'index/filter.h', 'runtime/status.h']


def run(*command, cwd=None, code=0, given=None):
    process = subprocess.run([str(c) for c in command], cwd=cwd, text=True, capture_output=True, timeout=200, input=given,
                             env={**vectron.clean_environment(), **ENVIRONMENT})
    assert process.returncode == code, f'{command}: exit {process.returncode}\n{process.stdout}\n{process.stderr}'
    return process.stdout


def copy_example(way):
    folder = os.path.join(vectron.TEMPORARY, way)
    shutil.copytree(os.path.join(vectron.ROOT, 'examples/index'), folder)
    return folder


def exported(*command):
    return {words[-1].split('@')[0] for words in map(str.split, run(*command).split('\n'))
            if len(words) == 3 and not words[-1].startswith('VECTRON_')}


def declared():
    names = set()
    for header in HEADERS:
        with open(os.path.join(PREFIX, 'include/vectron-index', header)) as file:
            text = re.sub(r'/\*.*?\*/|#define.*?[^\\]\n', '', file.read(), flags=re.S)
        names |= set(re.findall(r'\b((?:index|filter|status)_\w+)\s*\(', text))
    return names


def test_installs_headers_and_libraries():
    run('cmake', '--install', os.path.join(vectron.BUILD, 'index/library'), '--prefix', PREFIX)
    for path in ['lib/libvectron-index.so', 'lib/libvectron-index.a', 'lib/pkgconfig/vectron-index.pc',
                 'lib/cmake/VectronIndex/VectronIndexConfig.cmake', *('include/vectron-index/' + h for h in HEADERS)]:
        assert os.path.exists(os.path.join(PREFIX, path)), path


def test_exports_what_the_headers_declare_and_nothing_else():
    names = declared()
    assert {'index_open', 'index_search_step', 'index_file_info', 'filter_type_name', 'status_text'} <= names, names
    assert exported('nm', '-D', '--defined-only', f'{PREFIX}/lib/libvectron-index.so') == names
    assert exported('nm', '-g', '--defined-only', f'{PREFIX}/lib/libvectron-index.a') == names


def test_needs_neither_zeromq_nor_rocksdb():
    needed = re.findall(r'NEEDED.*\[(.*?)\.so', run('readelf', '-d', f'{PREFIX}/lib/libvectron-index.so'))
    assert set(needed) <= {'libxxhash', 'libroaring', 'libm', 'libc', 'ld-linux-x86-64'}, needed


def test_headers_are_alone_and_speak_c_and_cplusplus():
    flags = run('pkg-config', '--cflags', 'vectron-index').split()
    for compiler, standard, language in [('cc', 'c11', 'c'), ('cc', 'c17', 'c'), ('c++', 'c++11', 'c++'), ('c++', 'c++20', 'c++')]:
        for header in HEADERS:
            run(compiler, f'-std={standard}', '-Wall', '-Wextra', '-Werror', '-fsyntax-only', *flags, '-x', language, '-',
                given=f'#include <{header}>\n')


def check(program):
    """Runs the example; the same whichever way it was built."""
    folder = os.path.dirname(program)
    printed = run(program, os.path.join(folder, 'points.index')).split('\n')
    assert printed[0] == 'graph, walk of 10000 points:' and printed[4] == 'exact, scan of 10000 points:', printed
    assert printed[1:4] == printed[13:16] and printed[12] == 'again, walk of 10000 points:', printed
    assert printed[8] == 'small, scan of 100 points:' and all(line.endswith('00') or ' point-' in line for line in printed[9:12])
    assert all(re.match(r'  point-\d*00 ', line) for line in printed[9:12] if 'point-0 ' not in line), printed
    run(program, '/proc/nothing/here', code=1)
    return printed


def test_example_by_make_and_by_cmake_shared_and_static():
    made = copy_example('make')
    run('make', cwd=made)
    folder = copy_example('cmake')
    run('cmake', '-B', 'build', f'-DCMAKE_PREFIX_PATH={PREFIX}', cwd=folder)
    run('cmake', '--build', 'build', cwd=folder)
    ways = [os.path.join(made, 'nearest'), os.path.join(folder, 'build/nearest'), os.path.join(folder, 'build/nearest_static')]
    assert check(ways[0]) == check(ways[1]) == check(ways[2])
    assert 'libvectron-index' not in run('ldd', ways[2]) and 'libvectron-index' in run('ldd', ways[1])
    told = subprocess.run([vectron.BINARY, 'index', 'verify', os.path.join(made, 'points.index')], capture_output=True, text=True)
    assert told.returncode == 0 and '10000 points' in told.stdout, told


if __name__ == '__main__':
    sys.exit(vectron.run_tests(dict(globals())))
