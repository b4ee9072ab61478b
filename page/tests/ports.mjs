// Free ports below those of outgoing connections, so that no other process takes one between this call and its use. Each process of
// tests owns a block of them, as in tests/e2e/support/processes.py: it listens on the first.

import { createServer } from "node:net";

const [FIRST, END, SIZE] = [10_000, 16_000, 100];

let block = null;
let last = 0;

/** A server on this port; null if the port is taken. */
function listening(port) {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(null));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

async function claim() {
  for (let first = FIRST; first < END; first += SIZE) {
    const guard = await listening(first);
    if (guard) {
      guard.unref();
      return first;
    }
  }
  throw new Error(`every hundredth port from ${FIRST} to ${END} is taken`);
}

export async function freePort() {
  block ??= claim();
  const first = await block;
  for (let tries = 1; tries < SIZE; tries++) {
    last = (last % (SIZE - 1)) + 1;
    const server = await listening(first + last);
    if (server) {
      await new Promise((resolve) => server.close(resolve));
      return first + last;
    }
  }
  throw new Error(`every port from ${first} on is taken`);
}
