interface Rule {
  /** In the form in which a URL has it, without a dot at the end; null for any. */
  readonly host: string | null
  /** Null for any. */
  readonly port: string | null
  /** The host itself; otherwise only what is below it. */
  readonly self: boolean
}

/**
 * Hosts that are not to be reached through a proxy, as `no_proxy` lists them: by comma or white space, each with an
 * optional port. `example.com` and `.example.com` are that host and all below it, `*.example.com` only what is below,
 * `*` is everything; an address is itself alone. What can not be read is left out: then the proxy is used.
 */
export class NoProxy {
  readonly #rules: readonly Rule[]

  constructor(list: string) {
    this.#rules = list
      .split(/[,\s]+/)
      .map(readRule)
      .filter((rule) => rule !== null)
  }

  /** Whether `url` is to be reached without a proxy. */
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

/** An address of IPv6 may stand without brackets, as no port can follow it then. The port is '' when it is none. */
function split(entry: string): { name: string; port: string | null } {
  if (/^[\da-f]*:[\da-f:.]*:[\da-f:.]*$/i.test(entry)) return { name: `[${entry}]`, port: null }
  const colon = entry.lastIndexOf(':')
  if (colon < 0 || entry.endsWith(']')) return { name: entry, port: null }
  const port = Number(/^\d{1,5}$/.exec(entry.slice(colon + 1))?.[0] ?? 0)
  return { name: entry.slice(0, colon), port: port > 0 && port < 65536 ? String(port) : '' }
}

/** As the host of a URL is read: lower case, punycode, one way to write an address. */
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

/** A URL has addresses of IPv4 in four decimal numbers, and those of IPv6 in brackets. */
function isAddress(host: string): boolean {
  return host.startsWith('[') || /^\d+\.\d+\.\d+\.\d+$/.test(host)
}
