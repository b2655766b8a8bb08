/** Test double of what a fleet has: authorities, people with certificates, a machine. */
import { createPublicKey, randomBytes } from "node:crypto";
import { certificateText as pem } from "../../host/certificates.ts";
import { newSigningKey, plainSigningKey } from "../../host/signing-key.ts";
import { sha256 } from "../../host/sha256.ts";
import { secondsNow } from "../../host/wall-clock.ts";
import {
  authorityCertificate,
  clientCertificate,
  nodeCertificate,
  ownNodeCertificate,
  type Authority,
  type Making,
} from "../../pki/certificate.ts";
import type { Identity } from "../../pki/identity.ts";
import { AppError } from "../../core/error.ts";
import type { AgentStatus } from "../status.ts";
import type { AskProgram } from "./ask-program.ts";

/** An agent that answers nothing. */
export const noAgent: AskProgram = () => {
  throw new AppError("AGENT_UNREACHABLE", "the agent of the machine does not answer");
};

/** PEM, both. */
export interface Pair {
  readonly certificate: string;
  readonly key: string;
}
/** Hours; negative for one that is over. */
interface Lasting {
  readonly since?: number;
  readonly hours?: number;
}

const at = (hours: number): Making => ({ sha256, random: randomBytes, now: secondsNow() + hours * 3600 });

export async function fakeAuthority() {
  const key = await newSigningKey();
  const authority: Authority = { key, certificate: authorityCertificate(key, at(0)) };
  const person = async (identity: Partial<Identity> = {}, { since = 0, hours = 12 }: Lasting = {}): Promise<Pair> => {
    const own = await newSigningKey();
    const who = { name: "alice", role: "admin", epoch: 1, ...identity } as const;
    const certificate = clientCertificate(authority, { publicKey: own.publicKey, identity: who, hours }, at(since));
    return { certificate: pem(certificate), key: plainSigningKey(own.pkcs8) };
  };
  const machine = async (...addresses: readonly string[]): Promise<Pair> => {
    const own = await newSigningKey();
    const names = { hostname: "edge-7", addresses };
    return {
      certificate: pem(nodeCertificate(authority, { publicKey: own.publicKey, names }, at(0))),
      key: plainSigningKey(own.pkcs8),
    };
  };
  /** For a key of a machine: PEM, either half. */
  const vouchFor = (machineKey: string, since = 0): string => {
    const publicKey = new Uint8Array(createPublicKey(machineKey).export({ type: "spki", format: "der" }));
    return pem(nodeCertificate(authority, { publicKey, names: { hostname: "edge-7", addresses: ["127.0.0.1"] } }, at(since)));
  };
  return { authority, certificate: pem(authority.certificate), key: plainSigningKey(key.pkcs8), person, machine, vouchFor };
}

/** What a machine shows that has no certificate of an authority. */
export async function fakeMachine(): Promise<Pair & { readonly fingerprint: string }> {
  const own = await newSigningKey();
  const fingerprint = `SHA256:${Buffer.from(sha256.digest(own.publicKey)).toString("base64").replaceAll("=", "")}`;
  const certificate = ownNodeCertificate(own, { hostname: "edge-7", addresses: [] }, at(0));
  return { certificate: pem(certificate), key: plainSigningKey(own.pkcs8), fingerprint };
}

/** Of a machine that does well. */
export const fakeStatus: AgentStatus = {
  at: 1_000_000,
  machine: { id: "9b4e", hostname: "edge-7" },
  image: { name: "edge", version: "1.4.0", rootHash: "00" },
  ...{ running: "a", role: "active", state: "proven" },
  slots: { a: { role: "active", state: "proven", tries: 6 }, b: { role: "passive", state: "empty" } },
  health: { is: "healthy", checks: [] },
  ...{ degraded: [], alarms: [], failedBoots: [] },
  boot: { id: "b00t", since: 999_900, uptime: 100 },
  agent: { pid: 1, startedAfter: 1 },
};
