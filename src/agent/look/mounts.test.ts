import assert from "node:assert/strict";
import { test } from "node:test";
import { fromJson } from "@bufbuild/protobuf";
import { MountSchema } from "../../protocol/petrify/v1/system_pb.ts";
import { roomJson } from "./mounts.ts";

const ROOM = { readOnly: true, size: 4096, free: 0, inodes: 12, freeInodes: 0 };
const ENDLESS = 2 ** 64; // ~0 as Node gives it

for (const [name, room, files] of [
  ["a file system", ROOM, 12n],
  ["an EROFS", { ...ROOM, inodes: ENDLESS, freeInodes: ENDLESS }, undefined],
] as const)
  test(`what ${name} has room for can be said in the contract's words`, () => {
    const message = fromJson(MountSchema, roomJson(room));
    assert.deepEqual([message.size, message.available, message.files], [4096n, 0n, files]);
  });
