import { unpolluted } from '../base/prototype-pollution.js'
import type { AgentOptions } from '../dispatcher/agent-options.js'
import type { Dispatcher } from '../dispatcher/dispatcher.js'
import type { Factory } from '../dispatcher/pool-options.js'
import { markArgumentError } from '../errors/caller.js'
import { warnUnknownOptions } from '../errors/unknown-options.js'
import { invalidArgument, invalidOption, invalidType, NotSupportedError } from '../errors.js'
import type { BuildOptions } from '../transport/connect.js'
import { flattenHeaders, type HeadersInput, isFieldValue } from '../wire/headers.js'

/**
 * Options of a ProxyAgent: those of Agent, and these. `connect` is ignored: use `proxyTls` and `requestTls`. Source:
 * undici's `ProxyAgent.md`.
 */
export interface ProxyAgentOptions extends AgentOptions {
  /** URL of the proxy, such as `http://user:password@proxy.example:3128`. */
  uri: string | URL
  /** Value of the header `proxy-authorization`, such as `Bearer …`. Excludes `auth`. Default: none. */
  token?: string | null
  /** Base64 of `user:password` for Basic authentication. Default: none. Deprecated: use `token`. */
  auth?: string | null
  /** Headers for the proxy, sent with CONNECT and with each request without a tunnel. Default: none. */
  headers?: HeadersInput
  /** Connector options for TLS to the origin, within the tunnel. Default: those of `buildConnector()`. */
  requestTls?: BuildOptions | null
  /** Connector options for the connection to the proxy. Default: those of `buildConnector()`. */
  proxyTls?: BuildOptions | null
  /** Creates the dispatcher that sends to the proxy. Default: `(origin, options) => new Pool(origin, options)`. */
  clientFactory?: Factory<URL, object> | null
  /** Whether requests to `http:` origins are sent through a tunnel as well. Default: false. */
  proxyTunnel?: boolean | null
}

const TLS = 'requestTls for the origin, proxyTls for the proxy'

/** Options that a dispatcher with proxies has elsewhere. */
export const PROXY_MISPLACED = { ca: TLS, cert: TLS, key: TLS, servername: TLS, rejectUnauthorized: TLS }

const PROXY_NAMES = ['uri', 'token', 'auth', 'headers', 'requestTls', 'proxyTls', 'clientFactory', 'proxyTunnel']

/** Validated options of a ProxyAgent. */
export interface ResolvedProxyOptions {
  /** Origin of the proxy. */
  readonly proxy: URL
  /** Headers for the proxy with its credentials: name, value, name, value, … */
  readonly headers: readonly string[]
  /** Whether CONNECT contains `proxy-connection: keep-alive`, which older proxies require to keep the connection. */
  readonly keepsTunnels: boolean
  /** Whether `http:` origins use tunnels as well. */
  readonly tunnelsAll: boolean
  readonly requestTls: BuildOptions
  readonly proxyTls: BuildOptions
  readonly clientFactory: ((origin: URL, options: object) => Dispatcher) | null
  /** Options of the internal Agent. */
  readonly agent: AgentOptions
}

/**
 * Validates the options.
 * @throws {InvalidArgumentError | NotSupportedError} an option is invalid; the message contains no uri and no token
 */
export function resolveProxyOptions(options: ProxyAgentOptions | string | URL): ResolvedProxyOptions {
  const given = typeof options === 'string' || options instanceof URL ? { uri: options } : options
  if (given === undefined || given === null)
    throw invalidArgument('uri is missing: a ProxyAgent needs the URL of a proxy')
  if (typeof given !== 'object') throw invalidOption('options', 'a string, a URL or an object', given)
  const {
    uri,
    token,
    auth,
    headers,
    requestTls,
    proxyTls,
    clientFactory,
    proxyTunnel,
    connect: _,
    ...rest
  } = unpolluted(given)
  warnUnknownOptions(
    { bag: 'a ProxyAgent', names: PROXY_NAMES, misplaced: { ...PROXY_MISPLACED, proxy: 'uri' } },
    given,
  )
  const url = parseProxy(uri)
  for (const [name, value] of Object.entries({ clientFactory, factory: rest.factory })) {
    if (value !== undefined && value !== null && typeof value !== 'function') {
      throw invalidOption(name, 'a function', value)
    }
  }
  if (proxyTunnel !== undefined && proxyTunnel !== null && typeof proxyTunnel !== 'boolean') {
    throw invalidOption('proxyTunnel', 'a boolean', proxyTunnel)
  }
  return {
    proxy: new URL(url.origin),
    headers: proxyFields(headers, authorization({ token, auth, url })),
    keepsTunnels: rest.connections !== 0,
    tunnelsAll: proxyTunnel === true,
    requestTls: tlsOptions('requestTls', requestTls),
    proxyTls: tlsOptions('proxyTls', proxyTls),
    clientFactory: clientFactory ?? null,
    agent: rest.connections === 0 ? { ...rest, connections: null } : rest,
  }
}

/** Parses the URL of the proxy. Messages do not contain it, because it may contain a password. */
function parseProxy(uri: unknown): URL {
  if (uri === undefined || uri === null || uri === '') {
    throw invalidArgument('uri is missing: a ProxyAgent needs the URL of a proxy')
  }
  if (typeof uri !== 'string' && !(uri instanceof URL)) throw invalidOption('uri', 'a string or a URL', uri)
  let url: URL
  try {
    url = new URL(uri)
  } catch {
    throw invalidArgument('uri must be an http: or https: URL, received text that is not a URL')
  }
  if (/^socks/.test(url.protocol))
    throw markArgumentError(new NotSupportedError('uri: SOCKS proxies are not supported'))
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw invalidArgument('uri must be an http: or https: URL, received another protocol')
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw invalidArgument('uri must contain only protocol, credentials, host and port, without path, query or fragment')
  }
  return url
}

function tlsOptions(name: string, value: unknown): BuildOptions {
  if (value === undefined || value === null) return {}
  if (typeof value !== 'object') throw invalidOption(name, 'an object', value)
  return value
}

/** Returns the credentials for the proxy. Precedence: `token`, `auth`, `uri`. */
function authorization(given: { token: unknown; auth: unknown; url: URL }): string | null {
  const token = credential('token', given.token)
  const auth = credential('auth', given.auth)
  if (token !== null && auth !== null) throw invalidArgument('auth and token must not be used together')
  if (token !== null) return token
  if (auth !== null) return `Basic ${auth}`
  const { username, password } = given.url
  if (username === '' && password === '') return null
  return `Basic ${Buffer.from(`${decoded(username)}:${decoded(password)}`).toString('base64')}`
}

function credential(name: string, value: unknown): string | null {
  if (value === undefined || value === null || value === '') return null
  if (typeof value !== 'string') throw invalidType(name, 'a string', value)
  if (!isFieldValue(value)) {
    throw invalidArgument(`${name} contains a character that is not allowed in a header value (RFC 9110 §5.5)`)
  }
  return value
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalidArgument('uri must contain its credentials as percent-encoded UTF-8')
  }
}

function proxyFields(input: HeadersInput, credentials: string | null): string[] {
  const fields = flattenHeaders(input)
  const replaced = credentials === null ? ['host'] : ['host', 'proxy-authorization']
  const kept = without(fields, (name) => replaced.includes(name))
  if (credentials !== null) kept.push('proxy-authorization', credentials)
  return kept
}

/** Returns a flat array of headers without those whose lower-case name `dropped` accepts. */
export function without(fields: readonly string[], dropped: (name: string) => boolean): string[] {
  const kept: string[] = []
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string
    if (!dropped(name.toLowerCase())) kept.push(name, fields[i + 1] as string)
  }
  return kept
}
