/** What a runtime is known to get wrong, so that its cell is no failure. Each is reproduced in test/README.md. */
export interface Defect {
  /** Name of the host. */
  readonly host: string
  /** `capability: name` of the case. */
  readonly fails: string
  readonly because: string
}

export const defects: readonly Defect[] = [
  { host: 'workerd', fails: 'TLS: a wrong name is refused', because: 'its tls.connect ignores servername' },
  { host: 'workerd', fails: 'keep-alive: over a unix socket', because: 'it has none' },
  { host: 'workerd', fails: 'interceptors: dns', because: 'its node:dns asks one service on the internet, by HTTPS' },
]
