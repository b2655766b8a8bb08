/** What a server asks to be told before it answers. Pure. Source: RFC 9110, section 11.6.1 */

export interface Challenge {
  /** Lower case. */
  readonly scheme: string;
  /** By lower-case name. */
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const QUOTED = /"((?:[^"\\]|\\[\s\S])*)"/y;
/** Of `Negotiate` and others, which is no parameter. */
const TOKEN68 = /[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))/y;
const SPACE = /[ \t]*/y;
const LONGEST = 16 * 1024;

/** The challenges of a `WWW-Authenticate` field; of what cannot be read, those before it. */
export function parseChallenges(field: string): Challenge[] {
  const found: { scheme: string; parameters: Map<string, string> }[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(field);
    if (match) at = pattern.lastIndex;
    return match;
  };
  const skip = (): void => void take(SPACE);
  if (field.length > LONGEST) return found;
  for (;;) {
    skip();
    while (field[at] === ",") {
      at++;
      skip();
    }
    const word = take(TOKEN)?.[0];
    if (word === undefined) return found;
    const afterWord = at;
    skip();
    const current = found.at(-1);
    if (field[at] === "=" && current) {
      at++;
      skip();
      const value = take(QUOTED)?.[1]?.replaceAll(/\\([\s\S])/g, "$1") ?? take(TOKEN)?.[0];
      if (value === undefined) return found;
      const name = word.toLowerCase();
      if (!current.parameters.has(name)) current.parameters.set(name, value);
      skip();
      if (at < field.length && field[at] !== ",") return found;
      continue;
    }
    found.push({ scheme: word.toLowerCase(), parameters: new Map() });
    if (at === afterWord) continue; // nothing but a comma or the end may follow
    const before = at;
    const isParameter = take(TOKEN) !== null && (skip(), field[at] === "=") && !/^=*[ \t]*(?:,|$)/.test(field.slice(at));
    at = before;
    if (!isParameter) take(TOKEN68);
  }
}
