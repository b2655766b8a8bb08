import { setGlobalProxyFromEnv } from "node:http";

/**
 * From now on whatever this process fetches goes by way of these proxies.
 *
 * @param environment `http_proxy`, `https_proxy`, `no_proxy`, in either case: lower case counts
 * @param direct hosts that are never asked through a proxy, whatever it says
 */
export function useProxies(environment: Readonly<Record<string, string | undefined>>, direct: readonly string[] = []): void {
  const value = (name: string): string | undefined => environment[name] ?? environment[name.toUpperCase()];
  const settings = {
    http_proxy: value("http_proxy"),
    https_proxy: value("https_proxy"),
    no_proxy: [value("no_proxy"), ...direct].filter((host) => host !== undefined && host !== "").join(","),
  };
  setGlobalProxyFromEnv(Object.fromEntries(Object.entries(settings).filter(([, text]) => text)));
}
