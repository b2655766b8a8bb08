/** Handshakes alone, with each of many machines, as many at a time as petrify makes them: less than that is no call. Arguments: certificate, key, authorities, contexts. */
import { readFile } from "node:fs/promises";
import { connect, createSecureContext } from "node:tls";
import { contextOf, nodeOf, parseContexts } from "../src/client/contexts.ts";
import { forEachAtOnce } from "../src/registry/at-once.ts";

const AT_ONCE = 64;

const [cert, key, ca, contexts] = (await Promise.all(
  process.argv.slice(2).map(async (path) => await readFile(path, "utf8")),
)) as [string, string, string, string];
const secureContext = createSecureContext({ cert, key, ca, minVersion: "TLSv1.3" });
const [, context] = contextOf(parseContexts(contexts, "contexts"));
await forEachAtOnce(Object.keys(context.nodes), AT_ONCE, undefined, async (name) => {
  const { host, port } = nodeOf(context, name);
  const socket = connect({ host, port, secureContext, rejectUnauthorized: false, ALPNProtocols: ["h2"] });
  // The server's settings come once it has finished, too. Source: RFC 9113, section 3.4
  await new Promise((resolve, reject) => socket.once("data", resolve).once("error", reject));
  socket.destroy();
});
