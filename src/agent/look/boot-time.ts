import { join } from "node:path";
import { readText } from "../../host/files.ts";
import type { LookPorts } from "./call.ts";

/** When the kernel started, in seconds since 1970, by the clock as it is now. */
export async function bootTime({ root, now }: Pick<LookPorts, "root" | "now">): Promise<number> {
  const [uptime] = (await readText(join(root, "proc/uptime"))).split(" ");
  return now() - Number(uptime);
}
