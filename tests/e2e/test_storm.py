#!/usr/bin/python3
"""A whole cluster of real processes under constant load, while each of them is killed and paused, the network is cut and disks are
full: nothing acknowledged is lost, nothing deleted returns, no search is short, it recovers by itself, and it says what is wrong.

3 placement drivers, 3 workers, one that only searches and a gateway run from one placement file (lib/placed.py), each in a network
namespace of its own; lib/ledger.py writes, deletes and reads all the time. VECTRON_LONG=1 has every process, way and disk in turn,
else there is one of each kind.
"""
import contextlib
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import bridge, vectron  # noqa: E402
from lib.disk import private_mounts  # noqa: E402
from lib.ledger import Load  # noqa: E402
from lib.network import private_network  # noqa: E402
from lib.placed import ALL, GATEWAY, PDS, SEARCHER, WORKERS, Placed  # noqa: E402
from lib.vectron import LONG, Skip, http, wait_for  # noqa: E402

BOUND = 90      # seconds to be as before; most of it is for machines that have much to do
SAYS = 60       # … to say what is wrong
STATIC = {f's{i}': i for i in range(300)}
cluster = load = None


def leader():
    """The name of the worker that leads most shards of the collection."""
    shards = cluster.admin('shards', 'docs').get('shards', [])
    leaders = [s['leader'] for s in shards if int(s.get('leader', 0))]
    return cluster.worker_name(max(leaders, key=leaders.count)) if leaders else None


def whole():
    """Everybody serves, and a write that began after the question is acknowledged."""
    now = time.monotonic()
    return cluster.in_order() and flow(now)


def flow(since):
    try:
        return wait_for(lambda: load.acknowledged_since(since), BOUND)
    except TimeoutError:
        raise AssertionError(f'no write is acknowledged any more; the last words: {load.words}') from None


def no_violation():
    assert not load.ledger.violations, load.ledger.violations[:5]


def suffer(what, thing, says=None, flows=True, hold=0.0):
    """The thing, a context, is there until it was said and, when data is to flow, a write was acknowledged meanwhile; then all is well again."""
    with thing:
        began = time.monotonic()
        if says:
            wait_for(says, SAYS)
        said = time.monotonic() - began
        if flows:
            flow(began)
        flowed = time.monotonic() - began
        time.sleep(max(0, hold - flowed))
    ended = time.monotonic()
    wait_for(whole, BOUND)
    print(f'       {what}: {f"said after {said:.1f} s, " if says else ""}{f"a write after {flowed:.1f} s, " if flows else ""}'
          f'all in order {time.monotonic() - ended:.1f} s after its end', flush=True)
    no_violation()


def lost(by, name):
    """`by` has an alarm about its link to `name`."""
    return lambda: any(alarm == 'link_lost' and cluster.link(name) in words for alarm, words in cluster.alarms(by))


def not_answering():
    return http('GET', f'{cluster.http_url()}/readyz', check=False, seconds=1)[0] != 200


def test_a_cluster_comes_up_from_one_file():
    client = cluster.client()
    client.CreateCollection(name='docs', dimension=2, distance='euclidean', shards=4)
    client.upsert('docs', [(name, [float(value), 1]) for name, value in STATIC.items()])
    for name, value in STATIC.items():
        load.ledger.take(name, value)
    wait_for(lambda: [len(s['replicas']) for s in cluster.admin('shards', 'docs').get('shards', [])] == [4] * 4, BOUND)
    load.__enter__()
    wait_for(whole, BOUND)


@contextlib.contextmanager
def killed(name):
    before = cluster.row(name)['restarts']
    cluster.kill(name)
    wait_for(lambda: cluster.row(name)['restarts'] > before, SAYS)
    yield


def test_each_is_killed_in_turn():
    for name in ALL if LONG else (leader(), cluster.leading_pd(), SEARCHER, GATEWAY):
        suffer(f'{name} killed', killed(name), says=lambda: 'SIGKILL' in cluster.row(name)['lastExit'])


def test_each_stands_still_in_turn():
    for name in ALL if LONG else (leader(),):
        says = not_answering if name == GATEWAY else lost(GATEWAY, name)
        suffer(f'{name} paused', cluster.paused(name), says=says, flows=name != GATEWAY)


def on_bridge():
    if not cluster.bridge:
        raise Skip('no namespaces are permitted here')


def test_cables_are_pulled():
    on_bridge()
    for name in (*PDS, *WORKERS, SEARCHER) if LONG else (cluster.leading_pd(),):
        suffer(f'the cable of {name}', cluster.pulled(name), says=lost(GATEWAY, name))


def test_workers_do_not_hear_each_other():
    """Two sides of workers; the gateway and the placement drivers reach both, so that a leader may be on the smaller one."""
    on_bridge()
    for name in WORKERS if LONG else (leader(),):
        others = [w for w in WORKERS if w != name]
        suffer(f'{name} | {" ".join(others)}', cluster.cut([name], others), says=lost(others[0], name))


def test_one_way_is_cut():
    on_bridge()
    for name in WORKERS if LONG else (leader(),):
        others = [w for w in WORKERS if w != name]
        suffer(f'{name} > {" ".join(others)}', cluster.cut([name], others, both=False), says=lost(others[0], name))
        if LONG:
            suffer(f'{" ".join(others)} > {name}', cluster.cut(others, [name], both=False), says=lost(name, others[0]))


def test_sides_of_the_whole_cluster():
    """The gateway is with the majority, then with the minority: there nothing is acknowledged, and nothing wrong is said."""
    on_bridge()
    if not LONG:
        raise Skip('VECTRON_LONG=1 has it')
    small, large = ['pd1', 'worker1'], ['pd2', 'pd3', 'worker2', 'worker3', SEARCHER]
    suffer('gateway with the majority', cluster.cut(small, [*large, GATEWAY]), says=lost(GATEWAY, 'worker1'), hold=20)
    suffer('gateway with the minority', cluster.cut([*small, GATEWAY], large), says=lost(GATEWAY, 'worker2'), flows=False, hold=20)


def has_alarm(name, alarm):
    return any(a == alarm for a, _ in cluster.alarms(name))


def on_disks():
    if not cluster.disks:
        raise Skip('no small disks are permitted here')


def test_a_workers_disk_is_full():
    on_disks()
    for name in WORKERS if LONG else (leader(),):
        suffer(f'the disk of {name} is full', cluster.full(name), says=lambda: has_alarm(name, 'disk_full'))


def test_a_placement_drivers_disk_is_full():
    """Collections come and go all the same: who led leaves it to another one."""
    on_disks()
    client = cluster.client()

    def says(name):
        client.CreateCollection(name='brief', dimension=2, distance='dot', timeout=20)
        client.DeleteCollection(name='brief', timeout=20)
        return has_alarm(name, 'disk_full') and cluster.leading_pd() != name

    for name in PDS if LONG else (cluster.leading_pd(),):
        suffer(f'the disk of {name} is full', cluster.full(name), says=lambda: says(name))
    wait_for(lambda: not any(has_alarm(name, 'disk_full') for name in (*PDS, *WORKERS)), BOUND)


def test_it_ends_with_everything():
    load.stop()
    load.judge_all(cluster.client())
    print(f'       {load.report()}')
    no_violation()
    assert cluster.stop() == 0, cluster.log()[-3000:]


if __name__ == '__main__':
    networked = private_network() and bridge.permitted()
    with Placed(networked, disks=private_mounts()) as cluster:
        load = Load(cluster.client, 'docs')
        code = vectron.run_tests(dict(globals()))
    sys.exit(code)
