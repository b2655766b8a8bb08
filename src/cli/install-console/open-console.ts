import { join } from "node:path";
import { AGENT_SOCKET } from "../../agent/status.ts";
import { fileExists, readText } from "../../host/files.ts";
import { initSystem } from "../../host/init-detect.ts";
import { quietConsoles } from "../../host/kernel-log.ts";
import { askLocally } from "../../host/unix-http.ts";
import { wait } from "../../host/wait.ts";
import { INSTALLER_CONFIG } from "../../layout/machine-config-place.ts";
import type { NodeContext } from "../node-context.ts";
import { runConsole } from "./console.ts";

/** `petrify install --console`: the installer on the terminal of this process, until the machine goes down. */
export async function openConsole({ root, run, sinks, input, signal, clock }: NodeContext): Promise<void> {
  quietConsoles(root);
  await runConsole({
    ask: (call, stop, body) => {
      const [method, url] = call.split(" ") as ["GET" | "POST", string];
      return askLocally(join(root, AGENT_SOCKET), method, url, stop, body);
    },
    write: sinks.out,
    keys: (onTyped) => {
      const onData = (typed: Buffer | string): void => onTyped(typed.toString());
      if (input.isTTY) input.setRawMode(true);
      input.on("data", onData);
      return {
        isRaw: input.isTTY,
        [Symbol.dispose]: () => {
          input.off("data", onData);
          input.pause();
          if (input.isTTY) input.setRawMode(false);
        },
      };
    },
    isLive: sinks.columns() > 0,
    config: async () => {
      const path = join(root, INSTALLER_CONFIG);
      return (await fileExists(path)) ? await readText(path) : undefined;
    },
    power: async (how) => {
      const init = await initSystem(run, fileExists);
      const reason = "asked for at the console";
      await (how === "restart" ? init.restart(reason) : init.powerOff(reason));
    },
    ...{ clock, wait, signal },
  });
}
