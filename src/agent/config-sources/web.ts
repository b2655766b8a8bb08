/** Documents of the web, each of which may name the next one. */
import type { ConfigAddress } from "../../config/machine/sources/source-document.ts";
import { hex } from "../../core/digest.ts";
import type { AppError } from "../../core/error.ts";
import { isNotThere } from "../../host/fetch-text.ts";
import { withoutSecrets } from "../../host/url-text.ts";
import { collector, type Collector, type Turn } from "./collector.ts";
import type { SourceMeans } from "./means.ts";

/** Documents that name one another, one after the other. */
const DEEPEST = 5;
/** Of all sources together. */
const MOST = 20;

export interface Asked {
  /** Of what is no document as it comes. */
  readonly turn?: Turn;
  /** Its server may not have it. */
  readonly isOptional?: boolean;
}
export interface Web {
  /** Nobody is asked. */
  readonly isLocal: boolean;
  /** What an address says, or what it said the last time. */
  readonly ask: (found: Collector, address: ConfigAddress, asked?: Asked) => Promise<void>;
  /** Puts behind each document what its `config_url` says. */
  readonly follow: (found: Collector) => Promise<void>;
}

export function openWeb(means: Pick<SourceMeans, "kept" | "fetch" | "sha256">, isLocal: boolean): Web {
  const answers = new Map<string, Promise<Uint8Array>>();
  const fetched = async ({ url, headers = {} }: ConfigAddress): Promise<Uint8Array> => {
    const key = JSON.stringify([url, headers]);
    const answer = answers.get(key) ?? means.fetch(url, headers);
    answers.set(key, answer);
    return await answer;
  };
  /** What is known by its digest cannot be another one. */
  const isFinal = (url: string, text: string | undefined): boolean =>
    text !== undefined && url.toLowerCase().endsWith(`#sha256=${hex(means.sha256(new TextEncoder().encode(text)))}`);

  const ask: Web["ask"] = async (found, address, { turn, isOptional = false } = {}) => {
    const origin = withoutSecrets(address.url);
    const before = means.kept.find((one) => one.origin === origin)?.text;
    if (isLocal || isFinal(address.url, before)) {
      found.keep((one) => one === origin);
      found.isAwaited ||= !isFinal(address.url, before);
      return;
    }
    if (answers.size >= MOST)
      return void found.missed(`${origin} is not read: there are more than ${MOST} documents of the web`, origin);
    try {
      found.addOutside(await fetched(address), origin, turn);
    } catch (error) {
      if (isOptional && isNotThere(error)) return;
      const isKept = found.missed((error as Error).message, origin);
      found.isAwaited ||= !isKept && (error as Partial<AppError>).code === "FETCH_FAILED";
    }
  };

  const follow: Web["follow"] = async (found) => {
    const all = [];
    for (const document of found.brought) {
      all.push(document);
      const seen = new Set<string>();
      for (let { next, origin } = document; next;) {
        if (seen.has(next.url)) found.problems.push(`${origin}: config_url names a document that led here`);
        else if (seen.size >= DEEPEST) found.problems.push(`${origin}: config_url is followed ${DEEPEST} times, and not further`);
        if (seen.has(next.url) || seen.size >= DEEPEST) break;
        seen.add(next.url);
        const side = collector(means.kept);
        await ask(side, next);
        found.problems.push(...side.problems);
        found.isAwaited ||= side.isAwaited;
        const [one] = side.brought;
        if (one) all.push(one);
        ({ next, origin } = one ?? { next: undefined, origin });
      }
    }
    found.brought = all;
  };
  return { isLocal, ask, follow };
}
