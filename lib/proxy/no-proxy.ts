/** Entry of a `no_proxy` list. */
interface Rule {
  /** Host as in a URL, without a trailing dot; null matches any host. */
  readonly host: string | null
  /** Port; null matches any port. */
  readonly port: string | null
  /** Whether the rule matches the host itself; otherwise only its subdomains. */
  readonly self: boolean
}

/**
 * Parsed `no_proxy` list: hosts with optional ports, separated by commas or white space, that are reached without a proxy.
 * `example.com` and `.example.com` match the host and its subdomains, `*.example.com` only subdomains, `*` every host; an
 * IP address matches only itself. Invalid entries are ignored, so that the proxy is used.
 */
export class NoProxy {
  readonly #rules: readonly Rule[]

  constructor(list: string) {
    this.#rules = list
      .split(/[,\s]+/)
      .map(readRule)
      .filter((rule) => rule !== null)
  }

  /** Whether `url` is reached without a proxy. */
  excludes(url: URL): boolean {
    const host = withoutLastDot(url.hostname)
    const port = url.port || (url.protocol === 'https:' ? '443' : '80')
    return this.#rules.some((rule) => (rule.port === null || rule.port === port) && matches(rule, host))
  }
}

function matches(rule: Rule, host: string): boolean {
  if (rule.host === null) return true
  if (rule.self && host === rule.host) return true
  return host.endsWith(`.${rule.host}`) && !isAddress(host)
}

function readRule(entry: string): Rule | null {
  const { name, port } = split(entry)
  if (port === '') return null
  if (name === '*') return { host: null, port, self: true }
  const below = name.startsWith('*.')
  const host = readHost(below ? name.slice(2) : name.replace(/^\./, ''))
  return host === null ? null : { host, port, self: !below }
}

/** Splits an entry. An IPv6 address without brackets has no port. An invalid port is ''. */
function split(entry: string): { name: string; port: string | null } {
  if (/^[\da-f]*:[\da-f:.]*:[\da-f:.]*$/i.test(entry)) return { name: `[${entry}]`, port: null }
  const colon = entry.lastIndexOf(':')
  if (colon < 0 || entry.endsWith(']')) return { name: entry, port: null }
  const port = Number(/^\d{1,5}$/.exec(entry.slice(colon + 1))?.[0] ?? 0)
  return { name: entry.slice(0, colon), port: port > 0 && port < 65536 ? String(port) : '' }
}

/** Normalizes a host as in a URL: lower case, punycode, canonical IP addresses. */
function readHost(name: string): string | null {
  if (name === '' || /[/?#@\\]/.test(name)) return null
  try {
    const url = new URL(`http://${name}`)
    return url.port === '' ? withoutLastDot(url.hostname) : null
  } catch {
    return null
  }
}

function withoutLastDot(host: string): string {
  return host.replace(/\.$/, '')
}

/** Whether a normalized host is an IP address: four decimal numbers, or in brackets. */
function isAddress(host: string): boolean {
  return host.startsWith('[') || /^\d+\.\d+\.\d+\.\d+$/.test(host)
}
