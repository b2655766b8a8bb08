/** So many machines that answer calls, as far as a client can tell: one listener, at an address of its own for each. Runs in a process of its own: what it costs is not the client's. Prints its port; ends with its input. */
import { readFile } from "node:fs/promises";
import { fakeStatus, noAgent } from "../src/agent/api/testing.ts";
import { openApi } from "../src/agent/api/open-api.ts";
import { secondsNow } from "../src/host/wall-clock.ts";

const [keyFile, certificateFile, authoritiesFile] = process.argv.slice(2);
const read = async (path: string | undefined): Promise<string> => await readFile(path ?? "", "utf8");
await using server = await openApi({
  ...{ at: { host: "0.0.0.0", port: 0 }, epoch: 0, now: secondsNow },
  ...{ key: await read(keyFile), certificate: await read(certificateFile), authorities: await read(authoritiesFile) },
  answers: {
    version: "1.2.3",
    status: async () => await Promise.resolve(fakeStatus),
    operation: async function* () {},
    look: async function* () {},
  },
  ask: noAgent,
  // Of all of them; curl keeps its connections.
  limits: { connections: 2000, calls: 2000, callsOfOne: 2000 },
  log: (line) => void process.stderr.write(`${line}\n`),
});
process.stdout.write(`${server.port}\n`);
await process.stdin.resume().toArray();
