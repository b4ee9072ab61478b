"""One HTTP/2 exchange on a plain-text connection with prior knowledge, recorded in the same form as an HTTP/1.1 exchange."""

import socket

import h2.config
import h2.connection
import h2.events

from . import http1
from .exchange import Exchange, Ledger
from .http1 import Headers

STREAM = 1


def exchange(
    wire: socket.socket,
    ledger: Ledger,
    verb: str,
    path: str,
    headers: Headers,
    body: list[bytes],
    trailers: Headers = (),
    authority: str = "mcp.example:8080",
) -> http1.Message:
    """Sends the request, reads the whole response and adds both to the ledger."""
    connection = begin(verb, path, headers, authority)
    for piece in body:
        connection.send_data(STREAM, piece)
    if trailers:
        connection.send_headers(STREAM, list(trailers), end_stream=True)
    else:
        connection.end_stream(STREAM)
    message = receive(wire, connection)
    request = http1.Head(f"{verb} {path} HTTP/2", list(headers))
    ledger.add(Exchange(request, b"".join(body), message.head, message.body, message.complete))
    return message


def begin(verb: str, path: str, headers: Headers, authority: str) -> h2.connection.H2Connection:
    """A connection with the headers of its only request. The headers are sent as they are, with blanks around their values."""
    config = h2.config.H2Configuration(
        client_side=True, header_encoding="latin-1", validate_outbound_headers=False, normalize_outbound_headers=False
    )
    connection = h2.connection.H2Connection(config)
    connection.initiate_connection()
    pseudo = [(":method", verb), (":scheme", "http"), (":authority", authority), (":path", path)]
    connection.send_headers(STREAM, pseudo + list(headers))
    return connection


def receive(wire: socket.socket, connection: h2.connection.H2Connection) -> http1.Message:
    message = http1.Message(http1.Head("", []))
    wire.sendall(connection.data_to_send())
    while not message.complete:
        data = wire.recv(65536)
        if not data:
            raise http1.Truncated("closed before the end of the stream")
        for event in connection.receive_data(data):
            take(event, connection, message)
        wire.sendall(connection.data_to_send())
    return message


def take(event: h2.events.Event, connection: h2.connection.H2Connection, message: http1.Message) -> None:
    match event:
        case h2.events.ResponseReceived(headers=headers):
            fields = dict(headers)
            message.head.start = f"HTTP/2 {fields[':status']}"
            message.head.headers = [line for line in headers if not line[0].startswith(":")]
        case h2.events.DataReceived(data=data, flow_controlled_length=length):
            message.chunks.append(data)
            connection.acknowledge_received_data(length, STREAM)
        case h2.events.TrailersReceived(headers=headers):
            message.trailers = list(headers)
        case h2.events.StreamEnded():
            message.complete = True
        case h2.events.StreamReset(error_code=code):
            raise http1.Truncated(f"stream reset with {code}")
