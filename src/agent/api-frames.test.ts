import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import { boundedApi, MOST_MEMORY, type BoundedApi } from "../../tests/support/bounded-api.ts";
import { orNothing, until } from "../../tests/support/until.ts";
import {
  call,
  callFields,
  fields,
  FLAG,
  flood,
  FRAME,
  frame,
  hello,
  LARGEST_WINDOW,
  reset,
  SETTING,
  settings,
  windowUpdate,
  type Flooded,
} from "../../tests/support/http2-frames.ts";

const STATUS = "/petrify.v1.NodeService/Status";
const HISTORY = "/petrify.v1.NodeService/History";
const FOLLOW = "/petrify.v1.NodeService/FollowOperation";
const begin = (path = STATUS): Buffer => frame(FRAME.headers, FLAG.endHeaders, 1, callFields(path));

async function closed(socket: TLSSocket): Promise<void> {
  if (socket.closed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.once("close", () => resolve());
  assert.notEqual(await orNothing(promise), "nothing", "the connection is still there");
}

/** What is there of the API afterwards is what there was before. */
async function isUnharmed(api: BoundedApi): Promise<void> {
  await api.answers();
  const memory = await api.memory();
  assert.ok(memory < MOST_MEMORY, `${memory} MB`);
}

suite("a caller that does not keep to HTTP/2", () => {
  // Source: RFC 9113, sections 4.2, 5.1, 6 and 10.5; RFC 7541, sections 2.3.3 and 6.3
  const cases: Readonly<Record<string, Buffer>> = {
    "that begins otherwise": Buffer.from("GET / HTTP/1.1\r\nhost: x\r\n\r\n"),
    "with a frame of 16 MiB": Buffer.concat([hello(), Buffer.from("ffffff000000000001", "hex"), Buffer.alloc(100_000)]),
    "with a frame that is larger than was agreed": Buffer.concat([
      hello(),
      begin(),
      frame(FRAME.data, 0, 1, Buffer.alloc(20_000)),
    ]),
    "with fields of no call": Buffer.concat([hello(), frame(FRAME.headers, FLAG.endHeaders, 0, callFields(STATUS))]),
    "with a call that only a server could begin": Buffer.concat([hello(), call(2, STATUS)]),
    "with bytes of a call that nobody has begun": Buffer.concat([hello(), frame(FRAME.data, 0, 1, Buffer.from("{}"))]),
    "with settings of five bytes": Buffer.concat([hello(), frame(FRAME.settings, 0, 0, Buffer.alloc(5))]),
    "with settings of a call": Buffer.concat([hello(), frame(FRAME.settings, 0, 1)]),
    "with a window beyond all bounds": Buffer.concat([hello([SETTING.initialWindowSize, 2 ** 32 - 1])]),
    "with a window that does not grow": Buffer.concat([hello(), windowUpdate(0, 0)]),
    "with a window that grows beyond all bounds": Buffer.concat([hello(), windowUpdate(0, LARGEST_WINDOW)]),
    "with a ping of seven bytes": Buffer.concat([hello(), frame(FRAME.ping, 0, 0, Buffer.alloc(7))]),
    "with the end of a call that nobody has begun": Buffer.concat([hello(), reset(1, 8)]),
    "with a promise": Buffer.concat([hello(), begin(), frame(FRAME.pushPromise, FLAG.endHeaders, 1, Buffer.alloc(4))]),
    "with more of fields that nobody has begun": Buffer.concat([hello(), frame(FRAME.continuation, FLAG.endHeaders, 1)]),
    "with another frame between fields": Buffer.concat([
      hello(),
      frame(FRAME.headers, 0, 1, callFields(STATUS)),
      windowUpdate(0, 1),
    ]),
    "with a field of a table that has none": Buffer.concat([hello(), frame(FRAME.headers, FLAG.endHeaders, 1, Buffer.of(0x80))]),
    "with a table of a size that was not agreed": Buffer.concat([
      hello(),
      frame(FRAME.headers, FLAG.endHeaders, 1, Buffer.from("3fffffff7f", "hex")),
    ]),
    "with padding that is longer than its frame": Buffer.concat([hello(), frame(FRAME.data, 8, 1, Buffer.of(200))]),
    "that says good-bye, and more": Buffer.concat([hello(), frame(FRAME.goaway, 0, 1, Buffer.alloc(8))]),
  };
  test("is cut off, and nobody else notices", async (t) => {
    await using api = await boundedApi();
    for (const [name, bytes] of Object.entries(cases)) {
      await t.test(name, async () => {
        const socket = await api.connect();
        socket.resume().write(bytes);
        await closed(socket);
      });
    }
    await isUnharmed(api);
  });

  test("that ends in the middle of a call, wherever that is, harms nobody", async () => {
    await using api = await boundedApi();
    const whole = Buffer.concat([
      hello(),
      call(1, STATUS),
      call(3, FOLLOW),
      call(5, "/metrics"),
      frame(FRAME.ping, 0, 0, Buffer.alloc(7)),
    ]);
    for (let length = 0; length <= whole.length; length += 7) {
      const socket = await api.connect();
      await new Promise((resolve) => socket.write(whole.subarray(0, length), resolve));
      socket.destroy();
    }
    await isUnharmed(api);
  });
});

suite("a call that nobody can understand", () => {
  const asked = (list: Readonly<Record<string, string>>): Buffer =>
    frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, 1, fields({ ":method": "GET", ":scheme": "https", ...list }));
  const cases: Readonly<Record<string, Buffer>> = {
    "of a name that is none": call(1, STATUS, "{}", { ":authority": "[" }),
    "of a port that is none": call(1, STATUS, "{}", { ":authority": "x:99999999" }),
    "of no name": call(1, STATUS, "{}", { ":authority": "" }),
    "of a host that is none": asked({ ":path": STATUS, host: "[" }),
    "of a path that is none": asked({ ":path": "//", ":authority": "x" }),
    "of everything": asked({ ":path": "*", ":authority": "x", ":method": "OPTIONS" }),
    "to lead on": frame(FRAME.headers, FLAG.endHeaders, 1, fields({ ":method": "CONNECT", ":authority": "x:22" })),
    "with a message that is cut off": asked({
      ":path": `${STATUS}?connect=v1&encoding=proto&base64=1&message=%00*`,
      ":authority": "x",
    }),
    "that may take for ever": call(1, STATUS, "\0\0\0\0\0", { "content-type": "application/grpc", "grpc-timeout": "99999999H" }),
    "with a message of 4 GiB": call(1, STATUS, "\u0000\u00ff\u00ff\u00ff\u00ff", { "content-type": "application/grpc" }),
  };
  test("is refused, and nobody else notices", async (t) => {
    await using api = await boundedApi();
    for (const [name, bytes] of Object.entries(cases)) {
      await t.test(name, async () => {
        const socket = await api.connect();
        const answer: Buffer[] = [];
        socket.on("data", (part: Buffer) => answer.push(part));
        socket.write(Buffer.concat([hello(), bytes]));
        // Fields of the first call, or its end.
        const hasAnswer = (): boolean => framesIn(Buffer.concat(answer)).some(({ stream }) => stream === 1);
        await until(hasAnswer);
        assert.ok(hasAnswer(), "it is answered");
      });
    }
    for (const host of ["[", "", "a b"]) {
      const socket = await api.connect("http/1.1");
      const answer: Buffer[] = [];
      socket.on("data", (part: Buffer) => answer.push(part));
      socket.write(`GET ${STATUS} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
      await closed(socket);
      assert.match(Buffer.concat(answer).toString(), /^HTTP\/1\.1 400 /);
    }
    await isUnharmed(api);
  });
});

function framesIn(bytes: Buffer): readonly { readonly type: number; readonly stream: number }[] {
  const found: { type: number; stream: number }[] = [];
  for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3))
    found.push({ type: bytes[at + 3]!, stream: bytes.readUInt32BE(at + 5) });
  return found;
}

interface Flood {
  /** After the first words. */
  readonly first?: Buffer;
  readonly piece: (index: number) => Uint8Array;
  readonly most: number;
  /** How it may end besides: else the connection has to be over. */
  readonly may?: readonly Flooded[];
}
const stream = (index: number): number => 2 * index + 1;
/** Many small frames go out as one piece: it is not the caller that is measured. */
const many = (bytes: Uint8Array, count = 100): Buffer => Buffer.concat(Array.from({ length: count }, () => bytes));
const runs = (count: number, of: (index: number) => Uint8Array) => (index: number) =>
  Buffer.concat(Array.from({ length: count }, (_, at) => of(index * count + at)));

suite("a caller that sends as much as it can", () => {
  const floods: Readonly<Record<string, Flood>> = {
    // Source: CVE-2023-44487
    "calls that it ends at once": {
      piece: runs(20, (index) => Buffer.concat([call(stream(index), FOLLOW), reset(stream(index), 8)])),
      most: 5000,
    },
    // Source: CVE-2025-8671
    "calls that it has us end": {
      piece: runs(20, (index) => Buffer.concat([call(stream(index), FOLLOW), windowUpdate(stream(index), LARGEST_WINDOW)])),
      most: 5000,
    },
    "more calls than it may": {
      piece: runs(20, (index) => frame(FRAME.headers, FLAG.endHeaders, stream(index), callFields(STATUS))),
      most: 5000,
    },
    // Source: VU#421644
    "fields without an end": {
      first: frame(FRAME.headers, FLAG.none, 1, callFields(STATUS)),
      piece: () => frame(FRAME.continuation, FLAG.none, 1, fields({ x: "y".repeat(16_000) })),
      most: 5000,
    },
    "fields without an end, of nothing": {
      first: frame(FRAME.headers, FLAG.none, 1, callFields(STATUS)),
      piece: () => many(frame(FRAME.continuation, FLAG.none, 1)),
      most: 5000,
    },
    // Source: CVE-2019-9512, CVE-2019-9515
    "pings, and takes no answer": { piece: () => many(frame(FRAME.ping, FLAG.none, 0, Buffer.alloc(8))), most: 20_000 },
    "settings, and takes no answer": { piece: () => many(settings([SETTING.initialWindowSize, 1])), most: 20_000 },
    // Source: CVE-2019-9511, CVE-2019-9518; each is as small as a frame can be, and costs the caller as much as us
    "pieces of nothing": {
      first: begin(FOLLOW),
      piece: () => many(frame(FRAME.data, FLAG.none, 1)),
      most: 2000,
      may: ["sent", "waits"],
    },
    "windows that grow by a byte": { piece: () => many(windowUpdate(0, 1)), most: 2000, may: ["sent"] },
    "frames that nobody knows": { piece: () => frame(200, FLAG.none, 0, Buffer.alloc(16_000)), most: 2000, may: ["sent"] },
    // Source: CVE-2019-9513
    "orders of calls that nobody has begun": {
      piece: runs(100, (index) => frame(FRAME.priority, FLAG.none, stream(index), Buffer.from("0000000010", "hex"))),
      most: 2000,
      may: ["sent"],
    },
  };
  for (const [name, { first = Buffer.alloc(0), piece, most, may = [] }] of Object.entries(floods)) {
    test(name, async () => {
      await using api = await boundedApi();
      const socket = await api.connect();
      socket.write(Buffer.concat([hello(), first]));
      const ended = await flood(socket, piece, most);
      if (!may.includes(ended)) {
        // That it is over is read behind what was not taken.
        socket.resume();
        await closed(socket);
      }
      await isUnharmed(api);
    });
  }
});

suite("callers that leave calls as they are", () => {
  const CONNECTIONS = 100;
  const CALLS = 32;
  const past = {
    id: "1",
    kind: "upgrade",
    target: "slot b",
    cause: "",
    from: { slot: "a" },
    image: {},
    startedAt: 1,
    endedAt: 2,
  };
  const history = { operations: [{ ...past, outcome: "failed", reason: "x".repeat(200_000) }] };
  const each = async (api: BoundedApi, words: Buffer): Promise<readonly TLSSocket[]> =>
    await Promise.all(
      Array.from({ length: CONNECTIONS }, async () => {
        const socket = await api.connect();
        socket.resume().write(words);
        return socket;
      }),
    );
  const calls = (of: (stream: number) => Buffer): Buffer =>
    Buffer.concat(Array.from({ length: CALLS }, (_, index) => of(stream(index))));

  test("whose answers they do not take", async () => {
    await using api = await boundedApi({ "GET /history": async () => await Promise.resolve(history) });
    await each(api, Buffer.concat([hello([SETTING.initialWindowSize, 0]), calls((index) => call(index, HISTORY))]));
    await wait(3000);
    await isUnharmed(api);
  });

  test("whose requests they do not end", async () => {
    await using api = await boundedApi();
    const part = frame(FRAME.data, FLAG.none, 0, Buffer.alloc(16_000, " "));
    const partOf = (index: number): Buffer => {
      const own = Buffer.from(part);
      own.writeUInt32BE(index, 5);
      return own;
    };
    const sockets = await each(
      api,
      Buffer.concat([hello(), calls((index) => frame(FRAME.headers, FLAG.endHeaders, index, callFields(STATUS)))]),
    );
    for (let round = 0; round < 4; round++) {
      for (const socket of sockets) if (!socket.destroyed) socket.write(calls(partOf));
      await wait(500);
    }
    await isUnharmed(api);
  });
});
