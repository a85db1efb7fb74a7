#!/usr/bin/python3
"""libvectron and libvectron-runtime as a stranger uses them: installed into a prefix of their own, examples built
against pkg-config and find_package, run against real servers."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import npm, vectron  # noqa: E402

EXAMPLES = os.path.join(vectron.ROOT, 'examples')
PREFIX = os.path.join(vectron.TEMPORARY, 'prefix')
RUNTIME_PREFIX = os.path.join(vectron.TEMPORARY, 'runtime')
HEADER = os.path.join(vectron.ROOT, 'adapters/embed/vectron.h')


def run(*command, cwd=None, env=None, seconds=300, code=0):
    """Runs it; its standard output."""
    process = subprocess.run([str(c) for c in command], cwd=cwd, text=True, capture_output=True, timeout=seconds,
                             env={**vectron.clean_environment(), **(env or {})})
    assert process.returncode == code, f'{command}: exit {process.returncode}\n{process.stdout}\n{process.stderr}'
    return process.stdout


def environment(prefix):
    return {'PKG_CONFIG_PATH': os.path.join(prefix, 'lib/pkgconfig'), 'LD_LIBRARY_PATH': os.path.join(prefix, 'lib')}


def copy_example(name, way):
    """The folder of a copy of an example, away from the source tree, and whether it is a new one."""
    folder = os.path.join(vectron.TEMPORARY, way, name)
    fresh = not os.path.exists(folder)
    if fresh:
        shutil.copytree(os.path.join(EXAMPLES, name), folder)
    return folder, fresh


def build_by_make(name, prefix):
    """The folder with the program, built with make and pkg-config."""
    folder, fresh = copy_example(name, 'make')
    if fresh:
        run('make', cwd=folder, env={**environment(prefix), 'CFLAGS': '-Wextra -Wno-unused-parameter -Werror'})
    return folder


def build_by_cmake(name, prefix):
    """The folder with the program, built with CMake and find_package."""
    folder, fresh = copy_example(name, 'cmake')
    if fresh:
        run('cmake', '-B', 'build', f'-DCMAKE_PREFIX_PATH={prefix}', cwd=folder)
        run('cmake', '--build', 'build', cwd=folder)
    return os.path.join(folder, 'build')


def declared():
    """Names of the functions of the public header."""
    with open(HEADER) as file:
        text = re.sub(r'/\*.*?\*/', '', file.read(), flags=re.S)
    return set(re.findall(r'\b(vectron_\w+)\s*\((?!\*)', text)) - set(re.findall(r'\(\*(vectron_\w+)\)', text))


def exported(*command):
    lines = run(*command).split('\n')
    return {words[-1] for words in map(str.split, lines) if len(words) == 3}


def test_installs_into_a_prefix():
    run('cmake', '--install', vectron.BUILD, '--prefix', PREFIX)
    for path in ['include/vectron.h', 'lib/libvectron.so', 'lib/libvectron.a', 'lib/pkgconfig/vectron.pc', 'bin/vectron',
                 'lib/cmake/Vectron/VectronConfig.cmake', 'share/vectron/schemas/internal/router.proto']:
        assert os.path.exists(os.path.join(PREFIX, path)), path
    assert 'vectron' in run(os.path.join(PREFIX, 'bin/vectron'), 'version')


def test_exports_what_the_header_declares_and_nothing_else():
    names = declared()
    assert len(names) > 40, names
    shared = exported('nm', '-D', '--defined-only', os.path.join(PREFIX, 'lib/libvectron.so'))
    versions = {re.sub(r'.*@+', '', s) for s in shared if '@' in s}
    versions |= {s for s in shared if s.startswith('VECTRON_')}
    assert {s.split('@')[0] for s in shared if not s.startswith('VECTRON_')} == names
    assert versions and all(re.fullmatch(r'VECTRON_\d+\.\d+', v) for v in versions), versions
    assert exported('nm', '-g', '--defined-only', os.path.join(PREFIX, 'lib/libvectron.a')) == names


def test_needs_no_czmq():
    needed = run('readelf', '-d', os.path.join(PREFIX, 'lib/libvectron.so'))
    assert 'libvectron.so.0' in needed and 'czmq' not in needed, needed


def test_header_is_alone_and_speaks_every_dialect():
    flags = run('pkg-config', '--cflags', 'vectron', env=environment(PREFIX)).split()
    for compiler, standard, language in [('cc', 'c99', 'c'), ('cc', 'c17', 'c'), ('c++', 'c++11', 'c++'),
                                         ('c++', 'c++20', 'c++')]:
        subprocess.run([compiler, f'-std={standard}', '-Wall', '-Wextra', '-Wpedantic', '-Werror', '-fsyntax-only', *flags,
                        '-x', language, '-'], input='#include <vectron.h>\n', text=True, check=True)


def test_czmq_program_embeds_a_shard_and_searches_it():
    nearest = ['p50 12.5000', 'p49 12.5050', 'p51 12.5050']
    for folder, name in [(build_by_make('czmq', PREFIX), 'search'), (build_by_cmake('czmq', PREFIX), 'search'),
                         (build_by_cmake('czmq', PREFIX), 'search_static')]:
        data = os.path.join(folder, name + '.data')
        for life in range(2):  # the second finds the folder of the first
            printed = run(os.path.join(folder, name), data, env=environment(PREFIX)).split('\n')
            assert printed[:3] == nearest, (name, life, printed)
        linked = run('ldd', os.path.join(folder, name), env=environment(PREFIX))
        assert ('libvectron' in linked) == (name == 'search'), linked


def test_czmq_program_says_why_it_cannot():
    program = os.path.join(build_by_cmake('czmq', PREFIX), 'search')
    process = subprocess.run([program, '/proc/nothing'], text=True, capture_output=True, timeout=60,
                             env={**os.environ, **environment(PREFIX)})
    assert process.returncode == 1 and 'data folder /proc/nothing' in process.stderr, process


class Census:
    """The census example beside a server."""

    def __init__(self, server, link='tcp://127.0.0.1:0'):
        folder = build_by_make('census', PREFIX)
        self.process = subprocess.Popen([os.path.join(folder, 'census'), link_of(server), link], text=True,
                                        stdout=subprocess.PIPE, env={**os.environ, **environment(PREFIX)})
        self.link = self.process.stdout.readline().split()[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0


def link_of(server):
    return f'ipc://{server.folder}/data/link.ipc'


def test_own_actor_joins_a_cluster():
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import protocol_client
    with vectron.Up() as server, Census(server) as census:
        server.client().CreateCollection(name='films', dimension=3, distance='cosine')
        with protocol_client.Link(census.link) as link:
            actor = link.lookup('census')
            for asked in 1, 2:
                [(op, counted)] = link.call(actor, 'census.Count', {})
                assert op == protocol_client.op('census.Counted')
                assert counted == {1: 1, 2: ['films'], 3: asked}, counted
            server.kill()
            try:
                list(link.call(actor, 'census.Count', {}))
                raise AssertionError('the router is gone')
            except protocol_client.LinkError as error:
                assert 'router' in str(error), error


def expect_guest(command, printed):
    with vectron.Up() as server, Census(server) as census:
        for life in range(2):  # the second comes right after the first said goodbye
            said = run(*command, link_of(server), census.link, seconds=60).split('\n')
            assert said[:len(printed)] == printed, said


def test_python_program_calls_and_is_called():
    expect_guest(['/usr/bin/python3', os.path.join(EXAMPLES, 'python/guest.py')],
                 ['router: earth 0.0100', 'router: venus 0.0500',
                  'clerk: asked 1 time, the census heard pens, paper',
                  'tap: RouterSearch to router'])


def test_node_program_calls_and_is_called():
    folder, _ = copy_example('node', 'npm')
    why_not = npm.install(folder)
    if why_not:
        print(f'{why_not}. examples/node is not tested')
        return
    expect_guest(['node', os.path.join(folder, 'guest.js')],
                 ['router: ganymede 0.0289', 'router: europa 0.0629',
                  'scribe: asked 1 time, the census heard ink, paper',
                  'tap: RouterSearch to router'])


def test_names_of_a_killed_program_are_free_again():
    """A program that dies without a word: its name is there until the loss is noticed, its calls end."""
    sys.path.insert(0, os.path.join(EXAMPLES, 'python'))
    import guest
    with vectron.Up() as server, Census(server) as census:
        helper = subprocess.Popen(['/usr/bin/python3', '-c', f"""
import sys, time
sys.path.insert(0, {os.path.join(EXAMPLES, 'python')!r})
import guest
link = guest.Link({census.link!r})
link.register('ext/dies', 1 << 24 | 7, {{}})
print('registered', flush=True)
guest.pump(0.1)
link.wait(lambda: False, 3600)
"""], stdout=subprocess.PIPE, text=True)
        assert helper.stdout.readline() == 'registered\n'
        link = guest.Link(census.link)
        try:
            link.register('ext/dies', 1 << 24 | 7, {})
            raise AssertionError('two programs have one name')
        except guest.Failed as failed:
            assert 'status 3' in str(failed), failed
        helper.kill()
        helper.wait()

        def free():
            try:
                link.register('ext/dies', 1 << 24 | 7, {})
                return True
            except guest.Failed:
                guest.pump(0.1)
                return False
        vectron.wait_for(free, 10)
        link.close()
        guest.links.clear()


def test_runtime_builds_and_installs_alone():
    folder = os.path.join(vectron.TEMPORARY, 'alone')
    launcher = [f'-DCMAKE_C_COMPILER_LAUNCHER={os.environ["CMAKE_C_COMPILER_LAUNCHER"]}'] \
        if os.environ.get('CMAKE_C_COMPILER_LAUNCHER') else []
    run('cmake', '-G', 'Ninja', '-B', folder, '-S', vectron.ROOT, '-DVECTRON_RUNTIME_ONLY=ON', '-DVECTRON_WERROR=ON',
        '-DCMAKE_BUILD_TYPE=RelWithDebInfo', *launcher)
    run('cmake', '--build', folder, seconds=900)
    run('ctest', '-LE', 'race', '-E', 'sim_runtime', '--output-on-failure', cwd=folder, seconds=600)  # which ran in ours
    run('cmake', '--install', folder, '--prefix', RUNTIME_PREFIX)
    built = json.dumps(run('ninja', '-C', folder, '-t', 'commands'))
    for library in 'rocksdb', 'nghttp2', 'openssl', 'hdf5', 'curl':
        assert library not in built, f'the runtime alone is built with {library}'


def test_runtime_headers_compile_alone():
    flags = run('pkg-config', '--cflags', 'vectron-runtime', env=environment(RUNTIME_PREFIX)).split()
    top = os.path.join(RUNTIME_PREFIX, 'include/vectron-runtime')
    headers = [os.path.relpath(os.path.join(folder, name), top) for folder, _, names in os.walk(top) for name in names]
    assert 'runtime/turn.h' in headers and 'runtime/sim/sim.h' in headers, headers
    for header in headers:
        subprocess.run(['cc', '-std=c11', '-Wall', '-Wextra', '-Werror', '-fsyntax-only', *flags, '-x', 'c', '-'],
                       input=f'#include "{header}"\n', text=True, check=True)


def test_hello_runs_on_the_runtime():
    said = ['hello Ann, guest 1', 'hello Bob, guest 2', 'a greeting needs a name', 'hello Cid, guest 1', '']
    for folder in build_by_make('hello', RUNTIME_PREFIX), build_by_cmake('hello', RUNTIME_PREFIX):
        assert run(os.path.join(folder, 'hello')).split('\n') == said
    with open(os.path.join(EXAMPLES, 'hello/hello.c')) as file:
        assert len(file.readlines()) <= 60


sys.exit(vectron.run_tests(globals()))
