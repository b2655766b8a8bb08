/** What a server on the web answers: the one place that follows redirects. */

const MOST_REDIRECTS = 5;

/** The server has said that there is nothing for us: why, as a status code. */
export class AnswerRefused extends Error {
  readonly status: number;
  constructor(status: number) {
    super(`the server answers ${status}`);
    this.status = status;
  }
}

interface WebRequest {
  /** They may be secrets, and are told to the first server only. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/**
 * Redirects are followed, a few, and never from https to http.
 *
 * @param url http or https; a user in it is told to its own server
 * @returns the answer, with its body still to be read
 * @throws AnswerRefused; Error what `fetch` throws, and for what leads elsewhere
 */
export async function webAnswer(url: string, { headers = {}, signal }: WebRequest): Promise<Response> {
  const { origin } = new URL(url);
  let at = new URL(url);
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
    const own = at.origin === origin ? headers : {};
    const response = await fetch(withoutUser(at), { headers: { ...own, ...userOf(at) }, signal, redirect: "manual" });
    const location = response.headers.get("location");
    if (response.ok) return response;
    await response.body?.cancel();
    if (response.status < 300 || response.status > 399 || location === null) throw new AnswerRefused(response.status);
    at = redirected(at, location);
  }
  throw new Error(`it leads on more than ${MOST_REDIRECTS} times`);
}

function redirected(from: URL, location: string): URL {
  const to = URL.parse(location, from);
  if (!to || !["http:", "https:"].includes(to.protocol)) throw new Error("it leads to what is no web address");
  if (from.protocol === "https:" && to.protocol === "http:") throw new Error("it leads from https to http");
  return to;
}

/** `fetch` takes no user from a URL. Source: RFC 7617 */
function withoutUser(url: URL): URL {
  const bare = new URL(url);
  bare.username = bare.password = "";
  return bare;
}
function userOf({ username, password }: URL): Readonly<Record<string, string>> {
  if (!username && !password) return {};
  const both = [username, password].map(decodeURIComponent).join(":");
  return { authorization: `Basic ${Buffer.from(both).toString("base64")}` };
}
