/** @portable Statements about artifacts. Source: in-toto Attestation Framework, spec/v1. */
import * as z from "zod";

const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";
export const IN_TOTO_MEDIA = "application/vnd.in-toto+json";

const Statement = z.object({
  // The older one has the same form; cosign 2 writes it.
  _type: z.enum([STATEMENT_TYPE, "https://in-toto.io/Statement/v0.1"]),
  subject: z.array(z.object({ name: z.string().optional(), digest: z.record(z.string(), z.string()) })).min(1),
  predicateType: z.string().min(1),
  predicate: z.record(z.string(), z.unknown()).optional(),
});
/** What is said (`predicate`, of the kind `predicateType`) about what (`subject`, by digest alone). */
export type Statement = z.output<typeof Statement>;

export const statement = (
  digest: string,
  predicateType: string,
  predicate: Readonly<Record<string, unknown>>,
  name?: string,
): Statement => {
  const [algorithm, digits] = digest.split(":") as [string, string];
  const subject = { ...(name === undefined ? {} : { name }), digest: { [algorithm]: digits } };
  return { _type: STATEMENT_TYPE, subject: [subject], predicateType, predicate: { ...predicate } };
};

/** Nothing for what is no statement. */
export function parseStatement(bytes: Uint8Array): Statement | undefined {
  try {
    return Statement.parse(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
  } catch {
    return undefined;
  }
}

/** @param digest `sha256:…` */
export const isAbout = ({ subject }: Statement, digest: string): boolean =>
  subject.some((one) => Object.entries(one.digest).some(([algorithm, digits]) => `${algorithm}:${digits}` === digest));
