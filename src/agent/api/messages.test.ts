import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create, toJson } from "@bufbuild/protobuf";
import { FollowOperationResponseSchema, StatusResponseSchema } from "../../protocol/petrify/v1/node_pb.ts";
import type { FinishedOperation } from "../../layout/operation.ts";
import type { AgentStatus } from "../status.ts";
import { newsMessage, statusMessage } from "./messages.ts";

const DIGEST = "ab".repeat(32);
const status: AgentStatus = {
  at: 1_000_000,
  machine: { id: "9b4e", hostname: "edge-7" },
  fingerprint: "SHA256:AbC+/1",
  image: { name: "edge", version: "1.4.0", digest: DIGEST, rootHash: "00" },
  ...{ running: "a", role: "active", state: "proven", next: "recovery" },
  slots: {
    a: { role: "active", state: "proven", tries: 6, digest: DIGEST, scrub: { at: 999_000 } },
    b: { role: "passive", state: "unknown", scrub: { at: 998_000, damage: "block 7 is not what it was" } },
  },
  health: {
    is: "unhealthy",
    checks: [
      { name: "boot", ok: true },
      { name: "web", ok: false, reason: "connection refused" },
    ],
  },
  degraded: [],
  alarms: [{ code: "X", message: "somebody should look" }],
  failedBoots: [],
  boot: { id: "b00t", since: 999_900, uptime: 100 },
  operation: { id: "1", kind: "upgrade", at: "writing", text: "writing slot b", percent: 0 },
  config: { generation: 12, trial: true, notes: ["no such group"] },
  agent: { pid: 1, startedAfter: 1 },
};
const json = (of: AgentStatus): unknown => toJson(StatusResponseSchema, create(StatusResponseSchema, statusMessage(of)));

suite("a status", () => {
  test("is told as a whole", () => {
    assert.deepEqual(json(status), {
      at: "1970-01-12T13:46:40Z",
      machine: { id: "9b4e", hostname: "edge-7", fingerprint: "SHA256:AbC+/1" },
      image: { name: "edge", version: "1.4.0", digest: DIGEST },
      ...{ running: "BOOT_TARGET_A", role: "BOOT_ROLE_ACTIVE", state: "SLOT_STATE_PROVEN", next: "BOOT_TARGET_RECOVERY" },
      slots: [
        {
          ...{ slot: "BOOT_TARGET_A", role: "BOOT_ROLE_ACTIVE", state: "SLOT_STATE_PROVEN", tries: 6 },
          ...{ digest: DIGEST, verified: "1970-01-12T13:30:00Z" },
        },
        {
          ...{ slot: "BOOT_TARGET_B", role: "BOOT_ROLE_PASSIVE" },
          ...{ verified: "1970-01-12T13:13:20Z", damage: "block 7 is not what it was" },
        },
      ],
      health: {
        state: "HEALTH_STATE_UNHEALTHY",
        checks: [
          { name: "boot", ok: true },
          { name: "web", reason: "connection refused" },
        ],
      },
      alarms: [{ code: "X", message: "somebody should look" }],
      boot: { id: "b00t", since: "1970-01-12T13:45:00Z", uptime: "100s" },
      operation: { id: "1", text: "writing slot b", percent: 0 },
      config: { generation: "12", trial: true, notes: ["no such group"] },
    });
  });

  for (const [running, role, told] of [
    ["recovery", "recovery", { running: "BOOT_TARGET_RECOVERY", role: "BOOT_ROLE_RECOVERY" }],
    ["ram", "memory", { running: "BOOT_TARGET_MEMORY", role: "BOOT_ROLE_MEMORY" }],
  ] as const) {
    test(`of ${running} has no state`, () => {
      const { running: target, role: is, state } = json({ ...status, running, role, state: role }) as Record<string, string>;
      assert.deepEqual([{ running: target, role: is }, state], [told, undefined]);
    });
  }
});

test("news of an operation are one of three", () => {
  const told = (news: Parameters<typeof newsMessage>[0]): unknown =>
    toJson(FollowOperationResponseSchema, create(FollowOperationResponseSchema, newsMessage(news)));
  const from = { slot: "a", version: "1" } as const;
  const ended: FinishedOperation = {
    ...{ id: "1", kind: "rollback", cause: "", startedAt: 1, from, target: "slot b", image: {} },
    ...{ endedAt: 2, outcome: "failed", reason: "no room" },
  };
  assert.deepEqual(told({ now: status.operation! }), { now: { id: "1", text: "writing slot b", percent: 0 } });
  assert.deepEqual(told({ restarting: "soon" }), { restarting: "soon" });
  assert.deepEqual(told({ ended }), {
    ended: { id: "1", outcome: "failed", reason: "no room" },
  });
});
