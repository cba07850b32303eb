import { unpolluted } from '../base/prototype-pollution.js'
import { Agent } from '../dispatcher/agent.js'
import { budgetOf } from '../dispatcher/agent-options.js'
import { coreOf, type DispatcherCore, sharedConfigOf } from '../dispatcher/dispatcher-core.js'
import { Lifecycle, LifecycleDispatcher } from '../dispatcher/lifecycle.js'
import type { ClientStats, PoolStats } from '../dispatcher/stats.js'
import { atCaller, pointAtCaller } from '../errors/caller.js'
import { requireObject } from '../errors/option-checks.js'
import { warnUnknownOptions } from '../errors/unknown-options.js'
import { InvalidArgumentError, invalidArgument, invalidOption } from '../errors.js'
import type { DispatchHandler, LegacyDispatchHandler } from '../exchange/handler.js'
import type { DispatchInput } from '../exchange/request.js'
import { NoProxy } from './no-proxy.js'
import { ProxyAgent } from './proxy-agent.js'
import { PROXY_MISPLACED, type ProxyAgentOptions } from './proxy-options.js'
import { relayAgent } from './relay-events.js'

/**
 * Options of an EnvHttpProxyAgent: those of ProxyAgent and Agent, and these. An empty string means "no proxy". Source:
 * undici's `EnvHttpProxyAgent.md`.
 */
export interface EnvHttpProxyAgentOptions extends Omit<ProxyAgentOptions, 'uri'> {
  /** Proxy for `http:` origins. Default: `http_proxy` or `HTTP_PROXY` of the environment. */
  httpProxy?: string | URL
  /** Proxy for `https:` origins. Default: `https_proxy` or `HTTPS_PROXY` of the environment, then the one for `http:`. */
  httpsProxy?: string | URL
  /** Hosts that are reached without a proxy. Default: `no_proxy` or `NO_PROXY` of the environment; changes take effect. */
  noProxy?: string
}

/**
 * Dispatcher that sends requests through the proxies in `http_proxy`, `https_proxy` and `no_proxy`, or directly. The
 * constructor reads the proxies. A variable in lower case takes precedence over upper case, even if it is empty. A proxy
 * without a protocol is an `http:` proxy. In a CGI program, `HTTP_PROXY` is ignored, because a request header sets it
 * (https://httpoxy.org). Source: undici's `EnvHttpProxyAgent.md`.
 *
 * @example
 * setGlobalDispatcher(new EnvHttpProxyAgent())
 */
export class EnvHttpProxyAgent extends LifecycleDispatcher {
  readonly #direct: Agent
  readonly #forHttp: Agent | ProxyAgent
  readonly #forHttps: Agent | ProxyAgent
  readonly #agents: ReadonlySet<Agent | ProxyAgent>
  /** Value of the option; undefined to read the environment. */
  readonly #noProxyOption: string | undefined
  #noProxyText = ''
  #noProxy = new NoProxy('')
  readonly #lifecycle: Lifecycle
  #emptied = false

  /** @throws {InvalidArgumentError} an option or a variable is invalid; the message does not contain its text */
  constructor(options: EnvHttpProxyAgentOptions = {}) {
    const lifecycle = new Lifecycle()
    super(lifecycle)
    this.#lifecycle = lifecycle
    lifecycle.bind(this, this.#core(), Object(options))
    requireObject('options', options)
    const names = ['httpProxy', 'httpsProxy', 'noProxy']
    const misplaced = { ...PROXY_MISPLACED, proxy: 'httpProxy and httpsProxy' }
    warnUnknownOptions({ bag: 'an EnvHttpProxyAgent', names, misplaced }, options)
    const { httpProxy, httpsProxy, noProxy, ...given } = unpolluted(options)
    const { maxTotalConnections, ...rest } = given as typeof given & { maxTotalConnections?: unknown }
    if (noProxy !== undefined && noProxy !== null && typeof noProxy !== 'string')
      throw invalidOption('noProxy', 'a string', noProxy)
    this.#noProxyOption = noProxy ?? undefined
    this.#direct = atCaller(EnvHttpProxyAgent, () => directAgent(rest))
    const http = proxyOf('httpProxy', httpProxy, variable('http_proxy'))
    const https = proxyOf('httpsProxy', httpsProxy, variable('https_proxy'))
    this.#forHttp = http === null ? this.#direct : proxyAgent('http_proxy', { ...rest, uri: http })
    const same = https === null || https === http
    this.#forHttps = same ? this.#forHttp : proxyAgent('https_proxy', { ...rest, uri: https })
    this.#agents = new Set([this.#direct, this.#forHttp, this.#forHttps])
    // All agents share one budget, because the limit counts direct and proxied connections.
    const budget = budgetOf(maxTotalConnections)
    if (budget !== null) for (const agent of this.#agents) coreOf(agent)?.setBudget?.(budget)
    for (const agent of this.#agents) relayAgent(agent, lifecycle)
  }

  /** Statistics by origin. If an origin is reached directly and through the proxy: those of the proxy. */
  get stats(): Record<string, ClientStats | PoolStats> {
    return Object.assign({}, ...[...this.#agents].map(({ stats }) => stats))
  }

  /** Closes all idle connections. */
  closeIdle(): void {
    for (const agent of this.#agents) agent.closeIdle()
  }

  #send(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler): boolean {
    const { origin } = options
    const url = URL.canParse(String(origin)) ? new URL(String(origin)) : null
    return this.#agentFor(url).dispatch(options, handler)
  }

  /** Returns the agent for a URL. Any agent rejects an invalid URL. */
  #agentFor(url: URL | null): Agent | ProxyAgent {
    if (url === null || this.#excludes(url)) return this.#direct
    return url.protocol === 'https:' ? this.#forHttps : this.#forHttp
  }

  #excludes(url: URL): boolean {
    const text = this.#noProxyOption ?? variable('no_proxy') ?? ''
    if (text !== this.#noProxyText) {
      this.#noProxyText = text
      this.#noProxy = new NoProxy(text)
    }
    return this.#noProxy.excludes(url)
  }

  #core(): DispatcherCore {
    return {
      origin: null,
      config: () => sharedConfigOf(this.#direct),
      isCloseComplete: () => this.#emptied,
      send: (options, handler) => this.#send(options, handler),
      onClose: () => this.#shutDown(),
      onDestroy: (error, done) => this.#tearDown(error, done),
      children: () => this.#agents,
      closeIdle: () => this.closeIdle(),
    }
  }

  #shutDown(): void {
    Promise.all([...this.#agents].map((agent) => agent.close())).then(() => {
      this.#emptied = true
      this.#lifecycle.finishClose()
    })
  }

  #tearDown(error: Error, done: () => void): void {
    Promise.all([...this.#agents].map((agent) => agent.destroy(error))).then(done, done)
  }
}

/** Types under the names that undici documents. */
export declare namespace EnvHttpProxyAgent {
  export type { EnvHttpProxyAgentOptions as Options }
}

/** Reads an environment variable, lower case first. An empty variable counts as set. */
function variable(name: string): string | undefined {
  const { env } = process
  const lower = env[name]
  if (lower !== undefined) return lower
  // https://httpoxy.org
  if (name === 'http_proxy' && env.REQUEST_METHOD !== undefined) return undefined
  return env[name.toUpperCase()]
}

function proxyOf(option: string, given: unknown, fallback: string | undefined): string | null {
  const named = given instanceof URL ? given.href : given
  if (named !== undefined && named !== null && typeof named !== 'string') {
    throw invalidOption(option, 'a string or a URL', given)
  }
  const text = (named ?? fallback ?? '').trim()
  if (text === '') return null
  return /^[a-z][a-z\d+.-]*:\/\//i.test(text) ? text : `http://${text}`
}

function proxyAgent(name: string, options: ProxyAgentOptions): ProxyAgent {
  try {
    return new ProxyAgent(options)
  } catch (cause) {
    if (!(cause instanceof InvalidArgumentError) || !cause.message.startsWith('uri')) throw cause
    throw pointAtCaller(invalidArgument(`${name}: ${cause.message}`, { cause }), EnvHttpProxyAgent)
  }
}

function directAgent(options: Omit<ProxyAgentOptions, 'uri'>): Agent {
  const { token: _t, auth: _a, headers: _h, requestTls: _r, proxyTls: _p, clientFactory: _c, ...rest } = options
  const { proxyTunnel: _tunnel, ...agent } = rest
  return new Agent(agent.connections === 0 ? { ...agent, connections: null } : agent)
}
