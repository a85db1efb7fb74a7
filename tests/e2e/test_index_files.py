#!/usr/bin/python3
"""`vectron index` on files without a server: build, search, tune, info, verify, stats, plot, beside numpy."""
import json
import os
import subprocess
import sys
import xml.dom.minidom

import numpy

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402

RANDOM = numpy.random.default_rng(5)
CENTRES = RANDOM.standard_normal((30, 40)).astype('f4')
ALL = (CENTRES[RANDOM.integers(0, 30, 6060)] + 0.4 * RANDOM.standard_normal((6060, 40))).astype('f4')
BASE, QUERIES, K = ALL[:6000], ALL[6000:], 10


def path(name):
    return os.path.join(vectron.TEMPORARY, name)


def run(*arguments, code=0):
    done = subprocess.run([vectron.BINARY, 'index', *arguments], env=vectron.clean_environment(), cwd=vectron.TEMPORARY,
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == code, (arguments, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done


def answer(*arguments):
    return json.loads(run(*arguments, '--json').stdout)


def nearest(queries):
    return numpy.array([numpy.argsort(((BASE - q) ** 2).sum(1), kind='stable')[:K] for q in queries], dtype='i4')


def test_builds_and_finds_what_numpy_finds():
    numpy.save(path('base.npy'), BASE)
    numpy.save(path('queries.npy'), QUERIES)
    numpy.save(path('truth.npy'), nearest(QUERIES))
    built = answer('build', 'base.npy', '--out', 'a.index', '--distance', 'euclidean', '--quiet')
    assert built['points'] == 6000 and built['bad'] == 0 and built['storage'] == 'sq8', built
    assert built['fileBytes'] == os.path.getsize(path('a.index'))
    found = answer('search', 'a.index', '--queries', 'queries.npy', '--truth', 'truth.npy', '--ef', '100')
    assert found['recall'] > 0.97 and len(found['queries']) == 60, found['recall']
    hits = found['queries'][0]['hits']
    assert len(hits) == K and hits[0]['row'] == nearest(QUERIES[:1])[0][0] and hits[0]['id'] == str(hits[0]['row'])
    exact = ((BASE[hits[0]['row']] - QUERIES[0]) ** 2).sum()
    assert abs(hits[0]['distance'] - exact) < 0.01 * exact
    assert answer('search', 'a.index', '--queries', 'queries.npy', '--truth', 'truth.npy', '--exact')['recall'] > 0.99
    one, many = (answer('search', 'a.index', '--queries', 'queries.npy', '--exact', *more)['queries'] for more in (['--one-by-one'], []))
    assert [[h['row'] for h in q['hits']] for q in one] == [[h['row'] for h in q['hits']] for q in many]
    near = answer('search', 'a.index', '--queries', 'queries.npy', '--limit', '1', '--exact', '--within', str(hits[4]['distance']))
    assert len(near['queries'][0]['hits']) == 5, near
    by_data = answer('search', 'a.index', '--queries', 'queries.npy', '--data', 'base.npy', '--recall', '--ef', '100')
    assert by_data['recall'] == found['recall'], by_data['recall']


def test_the_same_seed_and_data_give_the_same_file():
    for name, seed in ('b1', '7'), ('b2', '7'), ('b3', '8'):
        run('build', 'base.npy', '--out', name, '--limit', '2000', '--seed', seed, '--quiet')
    one, two, three = (open(path(n), 'rb').read() for n in ('b1', 'b2', 'b3'))
    assert one == two and one != three


def test_every_storage_is_built_and_searched():
    sizes = {}
    for storage in 'f32', 'f16', 'sq8', 'sq4', 'rabitq':
        built = answer('build', 'base.npy', '--out', storage, '--distance', 'euclidean', '--storage', storage, '--quiet')
        assert built['storage'] == answer('info', storage, '--head')['storage'] == storage, built
        sizes[storage] = built['memoryBytes']
        assert answer('verify', storage)['sound']
        together = answer('search', storage, '--queries', 'queries.npy', '--truth', 'truth.npy', '--exact')
        alone = answer('search', storage, '--queries', 'queries.npy', '--truth', 'truth.npy', '--exact', '--one-by-one')
        assert abs(together['recall'] - alone['recall']) < 0.01 and together['recall'] > 0.6, (storage, together['recall'], alone['recall'])
    assert sizes['f32'] > sizes['sq8'] > sizes['sq4'], sizes


def test_one_row_of_the_data_finds_itself():
    text = run('search', 'a.index', '--data', 'base.npy', '--row', '17', '-k', '2').stdout.split('\n')
    assert text[0].split() == ['QUERY', '#', 'DISTANCE', 'ROW', 'ID'] and text[1].split()[3:] == ['17', '17'], text


def test_filters_read_payloads_from_the_data():
    with open(path('shop.jsonl'), 'w') as file:
        for i in range(500):
            payload = {'price': str(i), 'colour': 'red' if i % 3 else 'blue'}
            file.write(json.dumps({'id': f'p{i}', 'vector': [float(i), 1.0], 'payload': payload}) + '\n')
    run('build', 'shop.jsonl', '--out', 'shop.index', '--distance', 'l2', '--quiet')
    found = answer('search', 'shop.index', '--vector', '[250, 1]', '--data', 'shop.jsonl', '-k', '4', '--filter',
                   'price >= 400 and colour = "blue"')
    assert [h['id'] for h in found['queries'][0]['hits']] == ['p402', 'p405', 'p408', 'p411'], found
    wrong = run('search', 'shop.index', '--vector', '[1, 1]', '--data', 'shop.jsonl', '--filter', 'price <', code=2)
    assert 'expected a value' in wrong.stderr, wrong.stderr
    assert '--data' in run('search', 'shop.index', '--vector', '[1, 1]', '--filter', 'price < 1', code=2).stderr


def test_tune_finds_an_ef_that_holds_on_its_queries():
    tuned = answer('tune', 'a.index', '--queries', 'queries.npy', '--truth', 'truth.npy', '--target', '0.98')
    best = tuned['best']
    assert tuned['reached'] and best['recall'] >= 0.98, tuned
    efs, recalls = zip(*[(p['ef'], p['recall']) for p in tuned['curve']])
    assert list(efs) == sorted(efs) and recalls[-1] > recalls[0], tuned
    again = answer('search', 'a.index', '--queries', 'queries.npy', '--truth', 'truth.npy', '--ef', str(best['ef']))
    assert abs(again['recall'] - best['recall']) < 1e-4, (again['recall'], best)
    assert answer('tune', 'a.index', '--limit', '50')['reached'], 'by points of the index'
    assert '0.95' in run('tune', 'a.index', '--limit', '50').stdout
    unreached = run('tune', 'shop.index', '--queries', 'shop.jsonl', '--truth', 'wrong.npy', code=1)
    assert 'wrong.npy' in unreached.stderr
    numpy.save(path('wrong.npy'), numpy.full((500, K), 499, dtype='i4'))
    unreached = run('tune', 'shop.index', '--queries', 'shop.jsonl', '--truth', 'wrong.npy', code=1)
    assert 'not reached' in unreached.stderr, unreached


def test_info_and_stats_tell_what_is_there():
    info = answer('info', 'a.index')
    assert (info['points'], info['dimension'], info['distance'], info['m']) == (6000, 40, 'euclidean', 16), info
    assert sum(info['levels']) == sum(info['degrees']) == info['linked'] == 6000
    assert 'degrees' not in answer('info', 'a.index', '--head')
    assert 'edges at level 0' in run('info', 'a.index').stdout
    stats = answer('stats', 'a.index', '--ef', '50', '--limit', '100')
    assert stats['points'] == 6000 and stats['searches']['queries'] == 100 and stats['searches']['distances'] > 100, stats
    assert 'one thread' in run('stats', 'a.index', '--limit', '20').stdout


def test_verify_tells_sound_from_damaged():
    assert answer('verify', 'a.index')['sound']
    with open(path('a.index'), 'rb') as file:
        whole = file.read()
    damaged = {'cut': whole[:len(whole) // 2], 'flipped': whole[:70000] + bytes([whole[70000] ^ 4]) + whole[70001:],
               'empty': b'', 'text': b'no index at all, only some words in a file'}
    for name, content in damaged.items():
        with open(path(name), 'wb') as file:
            file.write(content)
        assert name in run('verify', name, code=1).stderr
        assert json.loads(run('verify', name, '--json', code=1).stdout) == {'sound': False}
        run('search', name, '--vector', '[1]', code=1)
    run('verify', 'nowhere', code=1)


def test_plot_draws_a_curve_of_each_file():
    run('build', 'base.npy', '--out', 'm8.index', '--distance', 'euclidean', '--m', '8', '--quiet')
    printed = run('plot', 'a.index', 'm8.index', '--queries', 'queries.npy', '--truth', 'truth.npy', '--out', 'two.svg').stdout
    assert 'two.svg: 2 curves of 60 queries' in printed, printed
    chart = xml.dom.minidom.parse(path('two.svg'))
    texts = [t.firstChild.data for t in chart.getElementsByTagName('text')]
    assert 'm8.index' in texts and texts.count('a.index') == 2 and 'recall@10' in texts, texts
    assert len(chart.getElementsByTagName('circle')) >= 4


def test_bad_input_is_told():
    with open(path('bad.jsonl'), 'w') as file:
        file.write('{"id": "a", "vector": [1, 2]}\n{"id": "b", "vector": [1]}\n{"id": "c", "vector": [3, 4]}\n')
    assert 'line 2' in run('build', 'bad.jsonl', '--out', 'bad.index', '--quiet', code=1).stderr
    assert not os.path.exists(path('bad.index'))
    assert answer('build', 'bad.jsonl', '--out', 'bad.index', '--on-error', 'skip')['bad'] == 1
    assert 'no index' in run('build', 'base.npy', '--out', 'queries.npy', code=1).stderr
    for wrong in [('build', 'base.npy'), ('build', 'base.npy', '--out', 'x', '--storage', 'tape'), ('search', ),
                  ('search', 'a.index', '--row', '1'), ('tune', 'a.index', '--target', '2'), ('plot', ), ('serch', 'a.index'),
                  ('search', 'a.index', '--vector', '[1]', '--row', '1'), ('info', ), ('build', 'base.npy', '--out', 'x', '--m', '1')]:
        assert 'see: vectron index' in run(*wrong, code=2).stderr, wrong
    assert '3' in run('search', 'a.index', '--vector', '[1, 2, 3]', code=1).stderr
    assert 'usage: vectron index tune FILE' in run('tune', '--help').stdout


if __name__ == '__main__':
    sys.exit(vectron.run_tests(dict(globals())))
