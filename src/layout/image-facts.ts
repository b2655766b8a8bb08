/** @portable What an image knows about itself: `/usr/lib/petrify/image.json`. docs/formats/image-facts.md */
import { AppError } from "../core/error.ts";

export const IMAGE_FACTS_PATH = "/usr/lib/petrify/image.json";
const FORMAT = 1;

export interface ImageFacts {
  readonly name: string;
  readonly version: string;
  /** When the image was built, in seconds since 1970: the clock of a machine that runs it is never before that. */
  readonly created: number;
  /** Every folder that keeps what is written to it, the ones of all images included; absolute, normal, existing in the image. */
  readonly persistent: readonly string[];
  /** What the image is started by; absent in images of before there was a choice of paths. */
  readonly init?: ImageInit;
  /** Absent in an open image. */
  readonly profile?: "sealed";
}
interface ImageInit {
  readonly kind: "systemd" | "openrc";
  /** Process 1, an absolute path. */
  readonly path: string;
}

/** The file's text. */
export const encodeImageFacts = ({ name, version, created, persistent, init, profile }: ImageFacts): string =>
  `${JSON.stringify({ format: FORMAT, name, version, created, persistent, init, profile })}\n`;

/**
 * Reads the file. Keys that are not known are passed over: a newer image may say more.
 *
 * @throws AppError `IMAGE_FACTS_INVALID`
 */
export function parseImageFacts(text: string): ImageFacts {
  const facts = parseObject(text);
  const { format, name, version, created, persistent } = facts;
  if (format !== FORMAT) throw invalid(`has format ${JSON.stringify(format)}, not ${FORMAT}`);
  if (typeof name !== "string" || typeof version !== "string") throw invalid("has no name or no version");
  if (typeof created !== "number" || !Number.isSafeInteger(created) || created < 0) throw invalid("has no time of its build");
  if (!Array.isArray(persistent) || !persistent.every((path) => typeof path === "string")) {
    throw invalid("has no list of persistent folders");
  }
  const init = parseInit(facts["init"]);
  const profile = facts["profile"] === "sealed" ? ({ profile: "sealed" } as const) : {};
  return { name, version, created, persistent, ...(init ? { init } : {}), ...profile };
}

/** A kind that this version does not know is passed over, as any key would be: whoever has to start it looks for itself. */
function parseInit(value: unknown): ImageInit | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { kind, path } = value as Readonly<Record<string, unknown>>;
  if ((kind !== "systemd" && kind !== "openrc") || typeof path !== "string" || !path.startsWith("/")) return undefined;
  return { kind, path };
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch (cause) {
    throw new AppError("IMAGE_FACTS_INVALID", `${IMAGE_FACTS_PATH} is not JSON`, { cause });
  }
  throw invalid("is not an object");
}

const invalid = (what: string): AppError => new AppError("IMAGE_FACTS_INVALID", `${IMAGE_FACTS_PATH} ${what}`);
