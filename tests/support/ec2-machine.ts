/**
 * A machine of EC2 that looks for its config, in a network of its own that has 169.254.169.254: `node ec2-machine.ts ROOT`. Prints a line of JSON for each
 * time that it looks: of a service with sessions, of one without, of one that leads elsewhere, and of none.
 */
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { findConfig, type FoundConfig } from "../../src/agent/config-sources.ts";
import { nodeSources } from "../../src/agent/config-sources/node-means.ts";
import { ec2Service } from "./ec2-service.ts";

export interface Ec2Look extends Pick<FoundConfig, "problems" | "instance" | "waitsForNetwork" | "documents"> {
  readonly is: string;
}

const [root = ""] = process.argv.slice(2);
const elsewhere: RequestListener = (_request, response) => void response.writeHead(302, { location: "http://127.0.0.1/" }).end();
let kept: FoundConfig["documents"] = [];
for (const service of [ec2Service("needed"), ec2Service("unknown"), elsewhere, undefined]) {
  const server = createServer(service);
  if (service) await once(server.listen(80, "169.254.169.254"), "listening");
  const means = await nodeSources({
    root,
    kept,
    hasData: async () => await Promise.resolve(true),
    signal: new AbortController().signal,
  });
  const { documents, problems, instance, waitsForNetwork, sources } = await findConfig(means, "network");
  const is = sources.find(({ name }) => name === "ec2")?.is ?? "";
  kept = documents;
  console.log(JSON.stringify({ is, documents, problems, instance, waitsForNetwork } satisfies Ec2Look));
  server.closeAllConnections();
  server.close();
}
