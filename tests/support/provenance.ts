import type { ProvenanceFacts } from "../../src/release/provenance.ts";

const [A, B, C, D] = ["a", "b", "c", "d"].map((digit) => digit.repeat(64)) as [string, string, string, string];

/** A build with everything in it. */
export const someBuild: ProvenanceFacts = {
  subject: { name: "edge-1.5.0.img", digest: `sha256:${A}` },
  recipe: { name: "petrify.yaml", digest: `sha256:${B}` },
  lock: { name: "petrify.lock", digest: `sha256:${C}` },
  inputs: [{ name: "base", digest: `sha256:${D}`, uri: "docker://registry.example/debian" }],
  packages: [{ name: "libstdc++6", version: "14.2.0-19", arch: "amd64", sha256: D }],
  os: { ID: "debian", VERSION_ID: "13" },
  builder: { id: "https://ci.example/petrify", version: "0.1.0", tools: "1b18567d779817d8" },
  run: { id: "https://ci.example/runs/7", started: 1_900_000_000, finished: 1_900_000_060 },
};
