import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  AGENT_STATE_SIZE,
  decodeAgentState,
  EMPTY_STATE,
  encodeAgentState,
  type AgentState,
  type BootEntry,
} from "./agent-state.ts";
import type { FinishedOperation } from "./operation.ts";
import { encodeCheckedText } from "./checked-text.ts";

const boot: BootEntry = {
  ...{ id: "8f0c7d52-3f0e-4f4c-9d3c-0a51f1a8a001", slot: "b", version: "1.2.0", at: 1_800_000_000, healthy: true },
  end: { how: "unhealthy", reason: "web: Größe ≠ 3 \n“x”", log: { source: "journal", text: "a\nb" } },
};
const state: AgentState = {
  ...{ since: 1, boots: [boot], tries: { a: 6, b: 2, next: "b" }, failedUnits: ["x.service"], lastWords: "00ff00ff" },
  scrubs: { a: { at: 5 }, recovery: { at: 6, damage: "block 7" } },
  verifying: { slot: "a", digest: "ab", blocks: 12 },
  operations: [],
  recovery: { count: 2, slot: "b" },
};

test("what is encoded is read back, at a fixed size", () => {
  const bytes = encodeAgentState(state, 7);
  assert.equal(bytes.length, AGENT_STATE_SIZE);
  assert.deepEqual(decodeAgentState(bytes), { is: "whole", sequence: 7, value: state });
});

test("with more than there is room for, the oldest boots are forgotten and the newest kept", () => {
  const log = { source: "journal", text: "\u0000é".repeat(3000) } as const;
  const boots = Array.from({ length: 40 }, (_, at): BootEntry => ({ ...boot, at, end: { how: "unseen", reason: "r", log } }));
  const found = decodeAgentState(encodeAgentState({ ...state, boots }, 1));
  assert.ok(found.is === "whole");
  assert.equal(found.value.boots.at(-1)!.at, 39);
  assert.ok(found.value.boots.length >= 2 && found.value.boots.length < 40);
  assert.deepEqual(found.value.scrubs, state.scrubs);
});

test("operations whose words take more room than there is are forgotten too, the oldest first, and the state is stored all the same", () => {
  const entry: FinishedOperation = {
    ...{ id: "00000000", kind: "upgrade", cause: "asked for by root", startedAt: 1, endedAt: 2, outcome: "failed" },
    ...{ target: "slot b", image: {}, from: { slot: "a", version: "1" }, reason: "é".repeat(400), hint: "é".repeat(400) },
  };
  const operations = Array.from({ length: 40 }, (_, at): FinishedOperation => ({ ...entry, startedAt: at }));
  const found = decodeAgentState(encodeAgentState({ ...state, boots: [boot], operations }, 1));
  assert.ok(found.is === "whole");
  assert.equal(found.value.operations.at(-1)!.startedAt, 39);
  assert.ok(found.value.operations.length > 5 && found.value.operations.length < 40);
});

test("a state of a newer format is told from a damaged one", () => {
  const bytes = new Uint8Array(AGENT_STATE_SIZE);
  bytes.set(encodeCheckedText("petrify-state 2", "2 9\nsomething else\n"));
  assert.deepEqual(decodeAgentState(bytes), { is: "newer", sequence: 9 });
});

test("every bit that is changed, in turn, is noticed, and so is every cut", () => {
  const bytes = encodeAgentState(state, 7);
  const used = bytes.lastIndexOf(10) + 1;
  for (let at = 0; at < used; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const changed = bytes.slice();
      changed[at]! ^= 1 << bit;
      assert.equal(decodeAgentState(changed).is, "unreadable", `byte ${at}, bit ${bit}`);
    }
    assert.ok(decodeAgentState(bytes.subarray(0, at)).is === "unreadable", `cut at ${at}`);
  }
});

test("whatever bytes there are, decoding ends with an answer", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 4096 }), (bytes) => void decodeAgentState(bytes)));
  fc.assert(
    fc.property(fc.string(), (text) => {
      const found = decodeAgentState(encodeCheckedText("petrify-state 1", `1 3\n${text.replaceAll(/[^ -~]/g, "")}`));
      assert.notEqual(found.is, "newer");
    }),
  );
  assert.deepEqual(decodeAgentState(encodeCheckedText("petrify-state 1", "1 3\n{}")), {
    is: "whole",
    sequence: 3,
    value: EMPTY_STATE,
  });
});
