"""Random bodies, of all forms that MCP peers send, and some invalid ones. Only their bytes are compared."""

import gzip
import json
import random
import zlib

from truth.operation import any_of
from truth.words import NOTIFICATIONS_OUT, Words

BOM = b"\xef\xbb\xbf"
DEEP = 3000
HUGE = 300_000


def message(chance: random.Random) -> bytes:
    """One JSON-RPC message with random members, order and white space."""
    words = Words(chance)
    kind = chance.randrange(5)
    if kind == 0:
        operation = any_of(chance, words.id())
        return words.request(operation.method, operation.id, operation.params)
    if kind == 1:
        return words.result(words.id(), {"content": [{"type": "text", "text": text(chance)}], "isError": False})
    if kind == 2:
        return words.error(chance.randrange(-33000, 100), id=words.id())
    if kind == 3:
        return words.notification(chance.choice(NOTIFICATIONS_OUT), {"data": text(chance)})
    return words.request("initialize", words.id(), {"protocolVersion": "2025-11-25", "clientInfo": {"name": text(chance)}})


def text(chance: random.Random) -> str:
    size = HUGE if chance.random() < 0.01 else chance.randrange(300)
    return chance.choice(("x", "é", "😀", '"\\\n', "\u2028", "\x00", "{[", "data: ")) * chance.randrange(1 + size)


def document(chance: random.Random) -> bytes:
    """A JSON body: a message, a batch, several documents, or something that is not JSON-RPC or not JSON."""
    shapes = (
        (30, lambda: message(chance)),
        (4, lambda: b"[" + b",".join(message(chance) for _ in range(chance.randrange(1, 9))) + b" ]"),
        (3, lambda: b"\n".join(message(chance) for _ in range(chance.randrange(2, 5)))),
        (3, lambda: BOM + message(chance)),
        (3, lambda: b" \r\n\t" + message(chance) + b"\n\n"),
        (2, lambda: message(chance)[: -chance.randrange(1, 20)]),
        (2, lambda: message(chance).replace(b":", b"::", 1)),
        (2, lambda: message(chance).replace(b'"', b'"\xff\xc3(', 1)),
        (2, lambda: b'{"jsonrpc":"2.0","id":1,"id":"2","method":"ping","method":"tools/list"}'),
        (2, lambda: b'{"jsonrpc":"2.0","id":"\\ud800\\u00e9\\ud83d\\ude00","me\\u0074hod":"\\u0070ing"}'),
        (2, lambda: chance.choice((b"", b"[]", b"{}", b"null", b"1e999", b'"text"', b"\x00", b"NaN"))),
        (1, lambda: b'{"jsonrpc":"2.0","id":1,"result":' + b"[" * DEEP + b"]" * DEEP + b"}"),
        (1, lambda: json.dumps({"jsonrpc": "2.0", "result": {"blob": "A" * HUGE}, "id": 1}).encode()),
        (2, lambda: chance.randbytes(chance.randrange(500))),
    )
    weights = [weight for weight, _ in shapes]
    return chance.choices(shapes, weights)[0][1]()


def events(chance: random.Random) -> list[bytes]:
    """The events of a stream, each with its own kind of line ends."""
    words = Words(chance)
    shapes = (
        (20, lambda: words.event(message(chance), f"{chance.getrandbits(32):x}" if chance.random() < 0.5 else None)),
        (2, lambda: words.event(b"", "prime", None, retry=3000)),
        (2, lambda: words.event(b"/message?sessionId=x", name="endpoint")),
        (2, lambda: words.event(document(chance).replace(b"\r", b""), name=chance.choice(("message", "other")))),
        (2, lambda: chance.choice((b": ping\r\n\r\n", b":\n\n", b"\n", b"\r\r\r", b"retry: x\n\n", b"data\n\n", b"id: a\x00b\n\n"))),
        (1, lambda: b"data: {\ndata:  \"a\"\r\ndata\rdata: }\n\n"),
        (1, lambda: b"event: message\n" * 50 + b"\n"),
        (1, lambda: b"id: " + b"9" * 100_000 + b"\n\n"),
    )
    weights = [weight for weight, _ in shapes]
    stream = [chance.choices(shapes, weights)[0][1]() for _ in range(chance.randrange(8))]
    if chance.random() < 0.1:
        stream.insert(0, BOM)
    if chance.random() < 0.1:
        stream.append(b"data: " + message(chance).replace(b"\n", b" ") + b"\n")
    return stream


def cut(chance: random.Random, body: bytes) -> list[bytes]:
    """The body in pieces: one piece, single bytes at one place, or cut anywhere (also within escapes and characters)."""
    if not body or chance.random() < 0.4:
        return [body] if body else []
    if chance.random() < 0.2:
        at = chance.randrange(len(body))
        singles = [body[index : index + 1] for index in range(at, min(at + 12, len(body)))]
        return [piece for piece in (body[:at], *singles, body[at + len(singles) :]) if piece]
    places = sorted({0, len(body), *(chance.randrange(len(body)) for _ in range(chance.randrange(1, 5)))})
    return [body[start:end] for start, end in zip(places, places[1:])]


def packed(chance: random.Random, pieces: list[bytes]) -> tuple[str, list[bytes]]:
    """The pieces in a content coding, each flushed; or uncompressed bytes under the name of a coding."""
    coding = chance.choice(("gzip", "deflate", "br", "gzip, deflate", "broken"))
    if coding in ("br", "gzip, deflate"):
        return coding, [chance.randbytes(len(piece) % 1000 + 1) for piece in pieces]
    if coding == "broken":
        return "gzip", [gzip.compress(b"".join(pieces))[:-5] + b"\xff"]
    packer = zlib.compressobj(wbits=31 if coding == "gzip" else 15)
    coded = [packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH) for piece in pieces]
    return coding, [*coded, packer.flush()]
