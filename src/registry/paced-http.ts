import type { Pace } from "../core/pace.ts";
import type { Http } from "../host/http-client.ts";

/**
 * The same, and the bodies of all answers together come no faster than they may: nobody reads on meanwhile, and so TCP has the server wait. What connections
 * hold in their buffers comes at once.
 */
export const pacedHttp =
  (http: Http, pace: Pace): Http =>
  async (request) => {
    const response = await http(request);
    return { ...response, body: paced(response.body, pace, request.signal) };
  };

async function* paced(body: AsyncIterable<Uint8Array>, pace: Pace, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  for await (const piece of body) {
    await pace(piece.length, signal);
    yield piece;
  }
}
