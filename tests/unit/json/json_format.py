"""Compares adapters/edge/json with google.protobuf.json_format over random messages, both ways.

usage: json_format.py JSON_TRANSLATE EVERY_PROTO PROTOC WORK_DIR [COUNT [SEED]]
"""
import json
import math
import random
import struct
import subprocess
import sys

translate, proto, protoc, work = sys.argv[1:5]
count = int(sys.argv[5]) if len(sys.argv) > 5 else 1500
seed = int(sys.argv[6]) if len(sys.argv) > 6 else 1

folder = proto.rsplit("/", 1)[0]
subprocess.run([protoc, f"--python_out={work}", "-I", folder, proto], check=True)
sys.path.insert(0, work)
import every_pb2  # noqa: E402  (made just now)
from google.protobuf import json_format  # noqa: E402

rng = random.Random(seed)
child = subprocess.Popen([translate], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def ask(kind, data):
    child.stdin.write(kind + struct.pack("<I", len(data)) + data)
    child.stdin.flush()
    ok = child.stdout.read(1)
    (size,) = struct.unpack("<I", child.stdout.read(4))
    return ok == b"o", child.stdout.read(size)


def text():
    alphabet = "abcXYZ 019\"\\/\b\f\n\r\t\x01\x1f\x7féßЖ漢字😀\u2028\U0010ffff"
    return "".join(rng.choice(alphabet) for _ in range(rng.choice((0, 1, 3, 9, 40))))


def single():
    kind = rng.randrange(6)
    if kind == 0:
        return rng.choice((0.0, 1.0, -1.5, 0.1, 3.4028234663852886e38, 1e-45, math.inf, -math.inf, math.nan))
    if kind == 1:
        value = struct.unpack("<f", rng.randbytes(4))[0]
        return value if math.isfinite(value) else 0.5
    return struct.unpack("<f", struct.pack("<f", rng.gauss(0, 10 ** rng.randint(-8, 8))))[0]


def double():
    if rng.random() < 0.2:
        return rng.choice((0.0, math.inf, -math.inf, math.nan, 5e-324, 1.7976931348623157e308, 0.1))
    value = struct.unpack("<d", rng.randbytes(8))[0]
    return value if math.isfinite(value) else 0.25


def integer(bits, sign):
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if sign else (0, 2**bits - 1)
    return rng.choice((low, high, 0, rng.randint(low, high), max(low, min(high, rng.randint(-9, 9)))))


def colour():
    return rng.choice((0, 1, 7, -3, 99, -5))


def leaf(out):
    out.SetInParent()
    out.name = text()
    out.vector.extend(single() for _ in range(rng.choice((0, 1, 5, 33))))
    for _ in range(rng.choice((0, 0, 2))):
        out.payload[text()] = text()
    out.colour = colour()


SCALARS = {
    "int32": lambda: integer(32, True), "sint32": lambda: integer(32, True), "sfixed32": lambda: integer(32, True),
    "uint32": lambda: integer(32, False), "fixed32": lambda: integer(32, False),
    "int64": lambda: integer(64, True), "sint64": lambda: integer(64, True), "sfixed64": lambda: integer(64, True),
    "uint64": lambda: integer(64, False), "fixed64": lambda: integer(64, False),
    "float": single, "double": double, "bool": lambda: rng.random() < 0.5, "colour": colour, "string": text,
    "bytes": lambda: rng.randbytes(rng.choice((0, 1, 2, 3, 4, 50))),
}


def message():
    m = every_pb2.Every()
    for kind, make in SCALARS.items():
        name = "some_bytes" if kind == "bytes" else f"a_{kind}"
        if rng.random() < 0.7:
            setattr(m, name, make())
        if hasattr(m, f"many_{kind}") and rng.random() < 0.5:
            getattr(m, f"many_{kind}").extend(make() for _ in range(rng.randint(0, 4)))
    if rng.random() < 0.5:
        leaf(m.a_leaf)
    which = rng.randrange(6)
    if which == 0: m.as_text = text()
    if which == 1: m.as_number = integer(64, True)
    if which == 2: leaf(m.as_leaf)
    if which == 3: m.as_bool = rng.random() < 0.5
    if which == 4: m.as_double = double()
    for _ in range(rng.randint(0, 3)):
        leaf(m.many_leaf.add())
        m.text_by_text[text()] = text()
        leaf(m.leaf_by_text[text()])
        m.double_by_int32[integer(32, True)] = double()
        m.bool_by_int64[integer(64, True)] = rng.random() < 0.5
        m.bytes_by_uint64[integer(64, False)] = rng.randbytes(3)
        m.colour_by_bool[rng.random() < 0.5] = colour()
        m.float_by_uint32[integer(32, False)] = single()
    m.odd_2name = text()
    m.x_y_z_1 = text()
    return m


def same(a, b):
    """Equal as Python sees them, NaN equal to NaN, -0.0 to 0.0 (protobuf-c drops the sign of a lone zero)."""
    return json_format.MessageToDict(a) == json_format.MessageToDict(b) or str(a) == str(b)


def plain(value):
    """What json_format does not write: null for an absent message."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if v is not None}
    return [plain(v) for v in value] if isinstance(value, list) else value


def near(ours, theirs, where=""):
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys(), f"{where}: {ours.keys() ^ theirs.keys()}"
        for key in ours:
            near(ours[key], theirs[key], f"{where}.{key}")
    elif isinstance(ours, list):
        assert len(ours) == len(theirs), where
        for i, (a, b) in enumerate(zip(ours, theirs)):
            near(a, b, f"{where}[{i}]")
    elif isinstance(ours, (int, float)) and not isinstance(ours, bool):
        single_field = "loat" in where or "vector" in where
        if single_field:
            assert struct.pack("<f", ours) == struct.pack("<f", theirs) or ours == theirs, f"{where}: {ours} {theirs}"
        else:
            assert float(ours) == float(theirs), f"{where}: {ours} {theirs}"
    else:
        assert ours == theirs and type(ours) == type(theirs), f"{where}: {ours!r} {theirs!r}"


for i in range(count):
    m = message()
    ok, out = ask(b"w", m.SerializeToString())
    assert ok, out
    near(plain(json.loads(out)), json_format.MessageToDict(m, including_default_value_fields=True))
    back = json_format.Parse(out.replace(b"3.4028235e+38", b"3.4028234663852886e38"), every_pb2.Every())
    assert same(back, m), f"message {i} of seed {seed}: written JSON reads otherwise\n{out!r}"

    style = rng.randrange(3)
    theirs = json_format.MessageToJson(
        m, indent=rng.choice((None, 2)), ensure_ascii=rng.random() < 0.5,
        preserving_proto_field_name=style == 1, including_default_value_fields=style == 2)
    ok, out = ask(b"r", theirs.encode())
    assert ok, f"message {i} of seed {seed}: {out.decode()}\n{theirs}"
    back = every_pb2.Every.FromString(out)
    assert same(back, m), f"message {i} of seed {seed}: read otherwise\n{theirs}\n{back}"

    ok, ours = ask(b"w", m.SerializeToString())
    ok, out = ask(b"r", ours)
    assert ok and same(every_pb2.Every.FromString(out), m), f"message {i} of seed {seed}: no round trip {out!r}"

child.stdin.close()
assert child.wait() == 0
print(f"{count} random messages agree with google.protobuf.json_format (seed {seed})")
