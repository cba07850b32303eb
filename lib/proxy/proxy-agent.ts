import { Agent } from '../dispatcher/agent.js'
import { resolveClientOptions } from '../dispatcher/client-options.js'
import type { Dispatcher } from '../dispatcher/dispatcher.js'
import { closeIdle, coreOf, type DispatcherCore, sharedConfigOf } from '../dispatcher/dispatcher-core.js'
import { Lifecycle, LifecycleDispatcher } from '../dispatcher/lifecycle.js'
import { parseOrigin } from '../dispatcher/origin.js'
import { Pool } from '../dispatcher/pool.js'
import type { PoolFactoryOptions, PoolOptions } from '../dispatcher/pool-options.js'
import type { ClientStats, PoolStats } from '../dispatcher/stats.js'
import { atCaller } from '../errors/caller.js'
import { ClientClosedError, copyForeignError, invalidArgument } from '../errors.js'
import type { RequestHeaders } from '../exchange/documented.js'
import { hasHeader, rereadableHeaders } from '../exchange/edit-headers.js'
import type { DispatchHandler, LegacyDispatchHandler } from '../exchange/handler.js'
import type { DispatchOptions } from '../exchange/request.js'
import type { BuildOptions } from '../transport/connect.js'
import {
  type Connector,
  type ConnectorCallback,
  callConnector,
  declareOwnErrors,
  hasOwnErrors,
  onreadConnector,
} from '../transport/connector.js'
import { Forwarder } from './forwarder.js'
import { proxyUnreachable } from './proxy-errors.js'
import { type ProxyAgentOptions, type ResolvedProxyOptions, resolveProxyOptions } from './proxy-options.js'
import { Tunnels } from './proxy-tunnels.js'
import { relayAgent } from './relay-events.js'

/**
 * Dispatcher that sends all requests through an HTTP or HTTPS proxy: to `https:` origins through CONNECT tunnels, to
 * `http:` origins in absolute form, or through tunnels as well with `proxyTunnel: true`. Like an Agent, it keeps a
 * dispatcher per origin, and has the same events and statistics. Source: undici's `ProxyAgent.md`.
 *
 * Credentials are sent to the proxy only. Errors of a request: `RequestAbortedError` if the proxy refuses CONNECT, and
 * `InvalidArgumentError` for 407 without a tunnel, both with `statusCode`, `headers`, `proxy` and `origin`;
 * `ProxyConnectionError` if the proxy disconnects before it responds to CONNECT; `SecureProxyConnectionError` if its TLS
 * fails. `connectTimeout` covers the connection to the proxy, CONNECT, and TLS to the origin.
 *
 * @example
 * const dispatcher = new ProxyAgent({ uri: 'http://proxy.example:3128', token: `Basic ${credentials}` })
 * const { statusCode } = await request('https://example.com', { dispatcher })
 */
export class ProxyAgent extends LifecycleDispatcher {
  readonly #options: ResolvedProxyOptions
  readonly #agent: Agent
  readonly #client: Dispatcher
  readonly #tunnels: Tunnels
  readonly #proxyConnector: Connector
  readonly #lifecycle: Lifecycle
  #emptied = false

  /**
   * @param options URL of the proxy, or options with `uri`
   * @throws {InvalidArgumentError} `uri` is missing, `auth` and `token` are both set, or an option is invalid
   */
  constructor(options: ProxyAgentOptions | string | URL) {
    const lifecycle = new Lifecycle()
    super(lifecycle)
    this.#lifecycle = lifecycle
    lifecycle.bind(this, this.#core(), Object(options))
    const resolved = atCaller(ProxyAgent, () => resolveProxyOptions(options))
    const { proxy, agent, clientFactory, proxyTls } = resolved
    this.#options = resolved
    const factory = (origin: string | URL, rest: object) => this.#open(new URL(origin), rest)
    this.#agent = atCaller(ProxyAgent, () => new Agent({ ...agent, factory }))
    const { factory: _, maxOrigins: _max, connections: _all, clientTtl: _ttl, ...client } = agent
    this.#proxyConnector = proxyConnector(
      proxy,
      atCaller(ProxyAgent, () => resolveClientOptions({ ...client, connect: proxyTls })).connector,
    )
    // Each CONNECT needs a connection of its own, so that it is not queued behind another one.
    const forTunnels = { ...client, pipelining: 1, connect: plain(this.#proxyConnector) }
    this.#client = (clientFactory ?? newPool)(new URL(proxy), forTunnels)
    if (typeof this.#client?.dispatch !== 'function') {
      throw invalidArgument('clientFactory must return a Dispatcher')
    }
    this.#tunnels = tunnelsThrough(this.#client, resolved)
    relayAgent(this.#agent, lifecycle)
  }

  /** Statistics by origin. Connections are tunnels, or connections to the proxy. */
  get stats(): Record<string, ClientStats | PoolStats> {
    return this.#agent.stats
  }

  /** Closes all idle connections. */
  closeIdle(): void {
    this.#agent.closeIdle()
    closeIdle(this.#client)
  }

  #send(options: DispatchOptions, handler: DispatchHandler | LegacyDispatchHandler): boolean {
    const headers = rereadableHeaders(options.headers)
    if (hasHeader(headers, 'proxy-authorization')) {
      throw invalidArgument('headers must not contain proxy-authorization: use the token option of ProxyAgent')
    }
    const request = headers === options.headers ? options : { ...options, headers: headers as RequestHeaders }
    return this.#agent.dispatch(request, handler)
  }

  #open(origin: URL, options: PoolOptions): Dispatcher {
    const { proxy, headers, agent, clientFactory, tunnelsAll } = this.#options
    parseOrigin(origin, 'origin')
    if (origin.protocol === 'https:' || tunnelsAll) {
      return (agent.factory ?? newPool)(origin, {
        ...options,
        connect: this.#tunnels.connector,
      } as PoolFactoryOptions)
    }
    const forProxy = { ...options, connect: this.#proxyConnector } as PoolFactoryOptions
    const inner = (agent.factory ?? clientFactory ?? newPool)(new URL(proxy), forProxy)
    return new Forwarder(origin, { inner, proxy: proxy.origin, headers })
  }

  #core(): DispatcherCore {
    return {
      origin: null,
      config: () => sharedConfigOf(this.#agent),
      isCloseComplete: () => this.#emptied,
      send: (options, handler) => this.#send(options as DispatchOptions, handler),
      onClose: () => this.#shutDown(),
      onDestroy: (error, done) => this.#tearDown(error, done),
      children: () => [this.#agent, this.#client],
      closeIdle: () => this.closeIdle(),
      setBudget: (budget) => coreOf(this.#agent)?.setBudget?.(budget),
    }
  }

  #shutDown(): void {
    const closed = this.#agent.close().then(() => {
      // Tunnels that still open belong to aborted requests.
      this.#tunnels.abort(new ClientClosedError())
      return this.#client.close()
    })
    const done = () => {
      this.#emptied = true
      this.#lifecycle.finishClose()
    }
    closed.then(done, done)
  }

  #tearDown(error: Error, done: () => void): void {
    const destroyed = this.#agent.destroy(error).then(() => {
      this.#tunnels.abort(error)
      return this.#client.destroy(error)
    })
    destroyed.then(done, done)
  }
}

/** Types under the names that undici documents. */
export declare namespace ProxyAgent {
  export type { ProxyAgentOptions as Options }
}

function newPool(origin: URL, options: PoolOptions): Dispatcher {
  return new Pool(origin, options)
}

/** Connector to the proxy. The TLS server name is that of the proxy, not of the origin. */
function proxyConnector(proxy: URL, connector: Connector): Connector {
  const own = hasOwnErrors(connector)
  const toProxy = onreadConnector((target, callback, reader) => {
    const relayed: ConnectorCallback = (...result) => {
      if (result[0] === null) callback(...result)
      else callback(proxyUnreachable(proxy, own ? result[0] : copyForeignError(result[0])), null)
    }
    return callConnector(connector, { ...target, host: proxy.host }, { callback: relayed, reader })
  })
  return declareOwnErrors(toProxy)
}

/** Hides the direct reads of a connector, because a tunnel is read as a stream. */
function plain(connector: Connector): Connector {
  return declareOwnErrors((target, callback) => connector(target, callback))
}

function tunnelsThrough(client: Dispatcher, options: ResolvedProxyOptions): Tunnels {
  const { proxy, headers, keepsTunnels, requestTls, proxyTls, agent } = options
  const { factory: _, maxOrigins: _max, connections: _all, clientTtl: _ttl, socketPath: _path, ...rest } = agent
  return new Tunnels({
    proxy: proxy.origin,
    client,
    headers: keepsTunnels ? [...headers, 'proxy-connection', 'keep-alive'] : headers,
    secure: resolveClientOptions({ ...rest, connectTimeout: 0, connect: requestTls }).connector,
    timeout: limitOf(proxyTls) ?? agent.connectTimeout ?? 10_000,
    secureTimeout: limitOf(requestTls),
  })
}

/** Returns the timeout of a connector: null means no limit, undefined not set. */
function limitOf({ timeout }: BuildOptions): number | null {
  if (timeout === undefined) return null
  return timeout ?? 0
}
