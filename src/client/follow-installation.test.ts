import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { InstallationSchema, InstallationState } from "../protocol/petrify/v1/enrolment_pb.ts";
import { BootTarget } from "../protocol/petrify/v1/node_pb.ts";
import { untilInstalled } from "./follow-installation.ts";
import type { MaintenanceConnection } from "./open-maintenance.ts";
import type { NodeConnection } from "./open-node.ts";

const { signal } = new AbortController();
const { RUNNING, DONE, FAILED } = InstallationState;
const TEXTS: Readonly<Record<number, string>> = { [RUNNING]: "writing", [DONE]: "it is installed", [FAILED]: "no room" };
/** What a machine is when it is called: being installed; called by its owner, from there; or away. */
type Moment = { readonly is: InstallationState; readonly restarts?: boolean } | { readonly runs: BootTarget } | "away";

async function follow(moments: readonly Moment[], limits = { pauseMs: 0, lostMs: 60_000 }) {
  const told: string[] = [];
  let left = moments;
  const disposed = { [Symbol.asyncDispose]: async () => await Promise.resolve() };
  const now = (): Moment => left[0] ?? "away";
  const next = (): void => void (left = left.slice(1));
  const runs = await untilInstalled({
    ...{ node: "edge-7", signal, limits },
    told: ({ text }) => told.push(text),
    openUnowned: async () => {
      const moment = now();
      if (typeof moment !== "object" || !("is" in moment)) throw new Error("it hangs up");
      next();
      const { is: state, restarts = true } = moment;
      const installation = create(InstallationSchema, { state, restarts, disk: "/dev/vda", text: TEXTS[state]! });
      const enrolment = { describe: async () => await Promise.resolve({ installation }) };
      return await Promise.resolve({ ...disposed, enrolment } as unknown as MaintenanceConnection);
    },
    open: async () => {
      const moment = now();
      next();
      if (typeof moment !== "object" || !("runs" in moment)) throw new Error("nobody answers");
      const node = { status: async () => await Promise.resolve({ running: moment.runs }) };
      return await Promise.resolve({ ...disposed, node } as unknown as NodeConnection);
    },
  });
  return { runs, told };
}

suite("a machine that is being installed", () => {
  test("is followed until it answers from its disk, however often it does not", async () => {
    const memory = { runs: BootTarget.MEMORY } as const;
    const moments: Moment[] = [{ is: RUNNING }, "away", { is: DONE }, memory, "away", "away", { runs: BootTarget.A }];
    assert.deepEqual(await follow(moments), { runs: true, told: ["writing", "it is installed"] });
  });

  test("is not waited for where it does not restart by itself", async () => {
    assert.deepEqual(await follow([{ is: DONE, restarts: false }]), { runs: false, told: ["it is installed"] });
  });

  test("tells why it is not", async () => {
    await assert.rejects(follow([{ is: RUNNING }, { is: FAILED }]), {
      code: "INSTALL_FAILED",
      message: "edge-7 cannot be installed to /dev/vda: no room",
    });
  });

  test("is given up some time, with what it takes", async () => {
    await assert.rejects(follow([{ is: DONE }], { pauseMs: 0, lostMs: 0 }), {
      code: "NODE_LOST",
      hint: /The disk is \/dev\/vda/,
    });
  });
});
