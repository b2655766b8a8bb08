/**
 * Says what a machine runs, and follows what changes its image: node docs/examples/api-client.ts HOST PORT SHA256:…
 *
 * In this folder: ca.pem, alice.pem and alice.key, of `petrify gen certificate alice`. docs/concepts/api.md
 */
import { readFile } from "node:fs/promises";
import { callError, openNode, unary } from "../../src/client/open-node.ts";

const [host = "edge-7.example", port = "50000", fingerprint] = process.argv.slice(2);
const [authorities, certificate, key] = await Promise.all(
  ["ca.pem", "alice.pem", "alice.key"].map(async (file) => await readFile(file, "utf8")),
);
const { signal } = new AbortController();

// Without a fingerprint, a machine needs a certificate of the authority.
const target = { name: host, host, port: Number(port), ...(fingerprint === undefined ? {} : { fingerprint }) };
const credentials = { authorities: authorities!, certificate: certificate!, key: key! };
await using connection = await openNode(target, credentials, (why) => console.warn(`warning: ${why}`), signal);
try {
  const { machine, image } = await connection.node.version({}, unary(signal));
  console.log(`${machine?.hostname} runs ${image?.name} ${image?.version}`);
  for await (const { news } of connection.node.followOperation({}, { signal })) {
    if (news.case === "now") console.log(`${news.value.text}: ${news.value.percent ?? "?"} %`);
    if (news.case === "ended") console.log(`it has ended: ${news.value.outcome}`);
  }
} catch (error) {
  // With a code, a sentence, and what to do.
  throw callError(host, error);
}
