import { unpolluted } from '../base/prototype-pollution.js'
import type { Agent, AgentOptions } from '../dispatcher/agent.js'
import type { Documented } from '../dispatcher/client-options.js'
import type { Dispatcher } from '../dispatcher/dispatcher.js'
import type { Factory } from '../dispatcher/pool-options.js'
import { InvalidArgumentError, invalidOption, invalidType, NotSupportedError } from '../errors.js'
import type { OutgoingHttpHeaders } from '../exchange/documented.js'
import type { BuildOptions } from '../transport/connect.js'
import { flattenHeaders, type HeadersInput, isFieldValue } from '../wire/headers.js'

/**
 * Options of a ProxyAgent: those of its Agent, and these. `connect` has no meaning here: `proxyTls` and `requestTls`
 * take its place. Source: undici's `ProxyAgent.md`.
 */
export interface ProxyAgentOptions extends AgentOptions {
  /** Where the proxy is, such as `http://user:password@proxy.example:3128`. */
  uri: string | URL
  /** The whole value of `proxy-authorization`, such as `Bearer …`. Not together with `auth`. Default: none. */
  token?: string | null
  /** User and password, `user:password` in base64, for the Basic scheme. Default: none. Deprecated: use `token`. */
  auth?: string | null
  /** Fields for the proxy: sent with CONNECT, and with each request that goes without a tunnel. Default: none. */
  headers?: HeadersInput
  /** Connector options for TLS to the origin, inside the tunnel. Default: those of `buildConnector()`. */
  requestTls?: BuildOptions | null
  /** Connector options for the way to the proxy. Default: those of `buildConnector()`. */
  proxyTls?: BuildOptions | null
  /** Makes the dispatcher that speaks to the proxy. Default: `(origin, options) => new Pool(origin, options)`. */
  clientFactory?: Factory<URL, object> | null
  /** True: requests to `http:` origins go through a tunnel too. Default: false, only those to `https:` do. */
  proxyTunnel?: boolean | null
}

type Documentable = Documented<Pick<ProxyAgentOptions, 'token' | 'auth' | 'requestTls' | 'proxyTls' | 'proxyTunnel'>>

/** Options of a ProxyAgent as they are documented, but for the uri. */
export interface DocumentedProxyOptions extends Agent.Options, Documentable {
  /** Fields for the proxy: sent with CONNECT, and with each request that goes without a tunnel. Default: none. */
  headers?: OutgoingHttpHeaders
  /** Makes the dispatcher that speaks to the proxy. Default: `(origin, options) => new Pool(origin, options)`. */
  clientFactory?(origin: URL, options: object): Dispatcher
}

/** Options of a ProxyAgent, checked. */
export interface ResolvedProxyOptions {
  /** Of the proxy: protocol, host and port, and nothing else. */
  readonly proxy: URL
  /** Fields for the proxy, credentials included: name, value, name, value, … */
  readonly headers: readonly string[]
  /** CONNECT asks to keep the connection, in the way that elder proxies know. */
  readonly keepsTunnels: boolean
  readonly tunnelsAll: boolean
  readonly requestTls: BuildOptions
  readonly proxyTls: BuildOptions
  readonly clientFactory: ((origin: URL, options: object) => Dispatcher) | null
  /** What is left for the Agent within. */
  readonly agent: AgentOptions
}

/** @throws {InvalidArgumentError | NotSupportedError} naming the option; a uri or a token is never shown */
export function resolveProxyOptions(options: ProxyAgentOptions | string | URL): ResolvedProxyOptions {
  const given = typeof options === 'string' || options instanceof URL ? { uri: options } : options
  if (given === undefined || given === null)
    throw new InvalidArgumentError('uri is missing: a ProxyAgent needs the URL of a proxy')
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

/** What is wrong is told without the text: there may be a password in it. */
function parseProxy(uri: unknown): URL {
  if (uri === undefined || uri === null || uri === '') {
    throw new InvalidArgumentError('uri is missing: a ProxyAgent needs the URL of a proxy')
  }
  if (typeof uri !== 'string' && !(uri instanceof URL)) throw invalidOption('uri', 'a string or a URL', uri)
  let url: URL
  try {
    url = new URL(uri)
  } catch {
    throw new InvalidArgumentError('uri must be an http: or https: URL, received text that is not a URL')
  }
  if (/^socks/.test(url.protocol)) throw new NotSupportedError('uri: SOCKS proxies are not supported')
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new InvalidArgumentError('uri must be an http: or https: URL, received another protocol')
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw new InvalidArgumentError(
      'uri must contain only protocol, credentials, host and port, without path, query or fragment',
    )
  }
  return url
}

function tlsOptions(name: string, value: unknown): BuildOptions {
  if (value === undefined || value === null) return {}
  if (typeof value !== 'object') throw invalidOption(name, 'an object', value)
  return value
}

/** By precedence: token, auth, what stands in the uri. */
function authorization(given: { token: unknown; auth: unknown; url: URL }): string | null {
  const token = credential('token', given.token)
  const auth = credential('auth', given.auth)
  if (token !== null && auth !== null) throw new InvalidArgumentError('auth and token must not be used together')
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
    throw new InvalidArgumentError(`${name} contains a character that is not allowed in a header value (RFC 9110 §5.5)`)
  }
  return value
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new InvalidArgumentError('uri must contain its credentials as percent-encoded UTF-8')
  }
}

function proxyFields(input: HeadersInput, credentials: string | null): string[] {
  const fields = flattenHeaders(input)
  const replaced = credentials === null ? ['host'] : ['host', 'proxy-authorization']
  const kept = without(fields, (name) => replaced.includes(name))
  if (credentials !== null) kept.push('proxy-authorization', credentials)
  return kept
}

/** `fields` without those of certain names, in lower case. */
export function without(fields: readonly string[], dropped: (name: string) => boolean): string[] {
  const kept: string[] = []
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string
    if (!dropped(name.toLowerCase())) kept.push(name, fields[i + 1] as string)
  }
  return kept
}
