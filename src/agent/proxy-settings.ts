/** Of an agent's environment: what is passed on to who works for it. */
export const PROXY_SETTINGS = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"] as const;
export type ProxySettings = { readonly [name in (typeof PROXY_SETTINGS)[number]]?: string };

export const proxySettings = (environment: Readonly<Record<string, string | undefined>>): ProxySettings =>
  Object.fromEntries(PROXY_SETTINGS.flatMap((name) => (environment[name] ? [[name, environment[name]] as const] : [])));

/** As connections take them: small letters first. */
export const httpProxies = (
  settings: ProxySettings,
): { readonly http?: string; readonly https?: string; readonly none?: string } => {
  const [http, https, none] = [
    settings.http_proxy ?? settings.HTTP_PROXY,
    settings.https_proxy ?? settings.HTTPS_PROXY,
    settings.no_proxy ?? settings.NO_PROXY,
  ];
  return { ...(http !== undefined && { http }), ...(https !== undefined && { https }), ...(none !== undefined && { none }) };
};
