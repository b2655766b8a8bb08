/** A machine in memory for tests that has been used, and is to be reset. */
import type { Agent } from "./agent.ts";
import type { BootOptions } from "./fake-boot.ts";
import { freshDisk, FULL_DATA, type FakeData, type FakeDisk } from "./fake-machine.ts";
import { OWN } from "./fake-recovery.ts";
import type { ResetNews, ResetRequest } from "./reset-loop.ts";

/** A reset of everything. */
export const ALL: ResetRequest = { keep: [], erase: false, after: "reboot" };
/** What a reset leaves that keeps nothing. */
export const BLANK: FakeData = { persistent: "blank", config: "blank", keys: "blank", machineId: "blank" };

export const used = (more: Partial<FakeDisk> = {}): FakeDisk =>
  freshDisk({ places: { a: "aa", b: "bb" }, images: { recovery: OWN }, data: FULL_DATA, ...more });

/** Asks for a reset of everything, as far as the request says nothing else. @param news where what is told goes */
export const ask =
  (request: Partial<ResetRequest> = {}, news: ResetNews[] = []): NonNullable<BootOptions["ask"]> =>
  async (agent: Agent, signal: AbortSignal) => {
    for await (const one of agent.reset.reset({ ...ALL, ...request }, signal)) news.push(one);
  };

/** Of its alarms. */
export const codes = (agent: Agent): readonly string[] => agent.status().alarms.map(({ code }) => code);
