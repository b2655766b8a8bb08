/** A disk in memory for tests, with images that it can be upgraded to: slot a runs, and b is as good. */
import type { ImageSummary } from "../../layout/operation.ts";
import type { Agent } from "../agent.ts";
import { freshDisk, type FakeDisk } from "../fake-machine.ts";
import type { OperationNews } from "./driver.ts";
import type { UpgradeRequest } from "./service.ts";

export const NEW: ImageSummary = { name: "edge", version: "2.0", digest: "cc", size: 64_000_000 };
export const NEWER: ImageSummary = { name: "edge", version: "3.0", digest: "dd", size: 64_000_000 };
/** Of {@link NEW}. */
export const RELEASE = "registry.example/edge:2.0";
export const IMAGES = {
  ...{ "/new.img": NEW, "/newer.img": NEWER, "http://x/new.img": NEW, "http://x/newer.img": NEWER },
  [RELEASE]: NEW,
};

export const disk = (more: Partial<FakeDisk> = {}): FakeDisk =>
  freshDisk({ images: IMAGES, places: { a: "aa", b: "bb" }, ...more });

export const request = (source: UpgradeRequest["source"], more: Partial<UpgradeRequest> = {}): UpgradeRequest => ({
  ...{ source, recovery: false, restart: true, force: false },
  ...more,
});
export const file = (path: string, more: Partial<UpgradeRequest> = {}): UpgradeRequest => request({ is: "file", path }, more);

/** Until the upgrade has ended, or the machine. */
export async function upgrade(agent: Agent, signal: AbortSignal, asked = file("/new.img")): Promise<OperationNews[]> {
  const news: OperationNews[] = [];
  for await (const one of agent.operations.upgrade(asked, signal)) news.push(one);
  return news;
}

/** To the slot that does not run. */
export async function rollback(agent: Agent, signal: AbortSignal): Promise<void> {
  for await (const _ of agent.operations.rollback(true, signal));
}
