/** Known defects of runtimes, which are not failures. Each is reproduced in test/runtimes/README.md. */
export interface Defect {
  /** Name of the host. */
  readonly host: string
  /** `capability: name` of the case. */
  readonly fails: string
  readonly because: string
}

export const defects: readonly Defect[] = [
  {
    host: 'workerd',
    fails: 'TLS: a custom CA replaces the default CAs',
    because: 'its tls.connect ignores ca: what it trusts stands in its configuration',
  },
  { host: 'workerd', fails: 'keep-alive: over a unix socket', because: 'it has none' },
  { host: 'workerd', fails: 'interceptors: dns', because: 'its node:dns asks one service on the internet, by HTTPS' },
  ...['vm context', 'content security policy'].map((host) => ({
    host,
    fails: 'global functions: install() routes the built-in fetch, or throws if it can not',
    because: 'a fetch that is lent looks for its dispatcher in the context that it comes from',
  })),
]
