import { Agent } from '../dispatcher/agent.js'
import { resolveClientOptions } from '../dispatcher/client-options.js'
import type { Dispatcher } from '../dispatcher/dispatcher.js'
import { closeIdle, coreOf, type DispatcherCore, sharedConfigOf } from '../dispatcher/dispatcher-core.js'
import { Lifecycle, LifecycleDispatcher } from '../dispatcher/lifecycle.js'
import { parseOrigin } from '../dispatcher/origin.js'
import { Pool } from '../dispatcher/pool.js'
import type { DocumentedPoolOptions, PoolOptions } from '../dispatcher/pool-options.js'
import type { ClientStats, PoolStats } from '../dispatcher/stats.js'
import { ClientClosedError, copyForeignError, InvalidArgumentError, invalidArgument } from '../errors.js'
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
import { proxyUnreachable } from './failure.js'
import { Forwarder } from './forwarder.js'
import {
  type DocumentedProxyOptions,
  type ProxyAgentOptions,
  type ResolvedProxyOptions,
  resolveProxyOptions,
} from './proxy-options.js'
import { relayAgent } from './relay.js'
import { Tunnels } from './tunnel.js'

/**
 * Sends all requests through an HTTP or HTTPS proxy: to `https:` origins through tunnels made by CONNECT, to `http:`
 * origins in absolute form, or through tunnels as well where `proxyTunnel` says so. Dispatchers are made by origin and
 * reused, as an Agent does; its events and statistics are an Agent's. Source: undici's `ProxyAgent.md`.
 *
 * Credentials go to the proxy alone. A refused CONNECT fails the request with `RequestAbortedError`, a 407 without a
 * tunnel with `InvalidArgumentError`: both have `statusCode`, `headers`, `proxy` and `origin`. A proxy that goes away
 * before it answered CONNECT: `ProxyConnectionError`; one whose TLS fails: `SecureProxyConnectionError`.
 * `connectTimeout` is for all of the way: to the proxy, CONNECT, TLS to the origin.
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
   * @param options where the proxy is, or options with `uri`
   * @throws {InvalidArgumentError} no uri, both auth and token, or an option that is not what is documented
   */
  constructor(options: ProxyAgentOptions | string | URL) {
    const lifecycle = new Lifecycle()
    super(lifecycle)
    this.#lifecycle = lifecycle
    lifecycle.bind(this, this.#core())
    const resolved = resolveProxyOptions(options)
    const { proxy, agent, clientFactory, proxyTls } = resolved
    this.#options = resolved
    this.#agent = new Agent({ ...agent, factory: (origin, rest) => this.#open(new URL(origin), rest) })
    const { factory: _, maxOrigins: _max, connections: _all, clientTtl: _ttl, ...client } = agent
    this.#proxyConnector = proxyConnector(proxy, resolveClientOptions({ ...client, connect: proxyTls }).connector)
    // A CONNECT must not wait behind another: a connection for each.
    const forTunnels = { ...client, pipelining: 1, connect: plain(this.#proxyConnector) }
    this.#client = (clientFactory ?? newPool)(new URL(proxy), forTunnels)
    if (typeof this.#client?.dispatch !== 'function') {
      throw new InvalidArgumentError('clientFactory must return a Dispatcher')
    }
    this.#tunnels = tunnelsThrough(this.#client, resolved)
    relayAgent(this.#agent, lifecycle)
  }

  /** Statistics by origin: the connections are tunnels, or connections to the proxy. */
  get stats(): Record<string, ClientStats | PoolStats> {
    return this.#agent.stats
  }

  /** Closes the connections that are idle now, and nothing else. */
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
      } as DocumentedPoolOptions)
    }
    const forProxy = { ...options, connect: this.#proxyConnector } as DocumentedPoolOptions
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
      // What still opens is for requests that were given up.
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

/** The types that undici documents, under the same names. */
export declare namespace ProxyAgent {
  /** Options of a ProxyAgent as programs typed against undici give them. Source: undici's `ProxyAgent.md`. */
  export interface Options extends DocumentedProxyOptions {
    /** Where the proxy is, such as `http://user:password@proxy.example:3128`. */
    uri: string
  }
}

function newPool(origin: URL, options: PoolOptions): Dispatcher {
  return new Pool(origin, options)
}

/** To the proxy, whoever the request is for: the TLS server name is the proxy's. */
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

/** A socket that becomes a tunnel is read as a stream from the start. */
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

/** A connector takes null for no limit. */
function limitOf({ timeout }: BuildOptions): number | null {
  if (timeout === undefined) return null
  return timeout ?? 0
}
