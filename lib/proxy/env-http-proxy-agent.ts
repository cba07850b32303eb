import { unpolluted } from '../base/prototype-pollution.js'
import { Agent, budgetOf } from '../dispatcher/agent.js'
import { coreOf, type DispatcherCore, sharedConfigOf } from '../dispatcher/dispatcher-core.js'
import { Lifecycle, LifecycleDispatcher } from '../dispatcher/lifecycle.js'
import type { ClientStats, PoolStats } from '../dispatcher/stats.js'
import { requireObject } from '../errors/option-checks.js'
import { InvalidArgumentError, invalidOption } from '../errors.js'
import type { DispatchHandler, LegacyDispatchHandler } from '../exchange/handler.js'
import type { DispatchInput } from '../exchange/request.js'
import { NoProxy } from './no-proxy.js'
import { ProxyAgent } from './proxy-agent.js'
import type { DocumentedProxyOptions, ProxyAgentOptions } from './proxy-options.js'
import { relayAgent } from './relay.js'

/**
 * Options of an EnvHttpProxyAgent: those of the ProxyAgents and of the Agent within, and these. An empty string stands
 * for no proxy. Source: undici's `EnvHttpProxyAgent.md`.
 */
export interface EnvHttpProxyAgentOptions extends Omit<ProxyAgentOptions, 'uri'> {
  /** Proxy for `http:` origins. Default: `http_proxy` or `HTTP_PROXY` of the environment. */
  httpProxy?: string | URL
  /** Proxy for `https:` origins. Default: `https_proxy` or `HTTPS_PROXY` of the environment, then the one for `http:`. */
  httpsProxy?: string | URL
  /** Hosts to be reached directly. Default: `no_proxy` or `NO_PROXY` of the environment, read again when it changed. */
  noProxy?: string
}

/**
 * Sends requests through the proxies that the environment names, or directly. The proxies are read when it is made; in
 * lower case a variable wins over the one in upper case, even when it is empty. A proxy without a protocol is taken for
 * an `http:` one. In a CGI program, where a request's `Proxy` field becomes `HTTP_PROXY`, that one is not read.
 * Source: undici's `EnvHttpProxyAgent.md`.
 */
export class EnvHttpProxyAgent extends LifecycleDispatcher {
  readonly #direct: Agent
  readonly #forHttp: Agent | ProxyAgent
  readonly #forHttps: Agent | ProxyAgent
  readonly #agents: ReadonlySet<Agent | ProxyAgent>
  /** Fixed when it was given as an option. */
  readonly #noProxyOption: string | undefined
  #noProxyText = ''
  #noProxy = new NoProxy('')
  readonly #lifecycle: Lifecycle
  #emptied = false

  /** @throws {InvalidArgumentError} an option or a variable is not what is documented; its text is not shown */
  constructor(options: EnvHttpProxyAgentOptions = {}) {
    const lifecycle = new Lifecycle()
    super(lifecycle)
    this.#lifecycle = lifecycle
    lifecycle.bind(this, this.#core())
    requireObject('options', options)
    const { httpProxy, httpsProxy, noProxy, ...given } = unpolluted(options)
    const { maxTotalConnections, ...rest } = given as typeof given & { maxTotalConnections?: unknown }
    if (noProxy !== undefined && noProxy !== null && typeof noProxy !== 'string')
      throw invalidOption('noProxy', 'a string', noProxy)
    this.#noProxyOption = noProxy ?? undefined
    this.#direct = directAgent(rest)
    const http = proxyOf('httpProxy', httpProxy, variable('http_proxy'))
    const https = proxyOf('httpsProxy', httpsProxy, variable('https_proxy'))
    this.#forHttp = http === null ? this.#direct : proxyAgent('http_proxy', { ...rest, uri: http })
    const same = https === null || https === http
    this.#forHttps = same ? this.#forHttp : proxyAgent('https_proxy', { ...rest, uri: https })
    this.#agents = new Set([this.#direct, this.#forHttp, this.#forHttps])
    // One budget for all of them: the limit is that of the process, whichever way a request takes.
    const budget = budgetOf(maxTotalConnections)
    if (budget !== null) for (const agent of this.#agents) coreOf(agent)?.setBudget?.(budget)
    for (const agent of this.#agents) relayAgent(agent, lifecycle)
  }

  /** Statistics by origin; of one that is reached in both ways, those through the proxy. */
  get stats(): Record<string, ClientStats | PoolStats> {
    return Object.assign({}, ...[...this.#agents].map(({ stats }) => stats))
  }

  /** Closes the connections that are idle now, and nothing else. */
  closeIdle(): void {
    for (const agent of this.#agents) agent.closeIdle()
  }

  #send(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler): boolean {
    const { origin } = options
    const url = URL.canParse(String(origin)) ? new URL(String(origin)) : null
    return this.#agentFor(url).dispatch(options, handler)
  }

  /** What is no URL is refused by any agent. */
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

/** The types that undici documents, under the same names. */
export declare namespace EnvHttpProxyAgent {
  /** Options as programs typed against undici give them. Source: undici's `EnvHttpProxyAgent.md`. */
  export interface Options extends DocumentedProxyOptions {
    /** Proxy for `http:` origins. Default: `http_proxy` or `HTTP_PROXY` of the environment. */
    httpProxy?: string
    /** Proxy for `https:` origins. Default: `https_proxy` or `HTTPS_PROXY` of the environment, then the one for `http:`. */
    httpsProxy?: string
    /** Hosts to be reached directly. Default: `no_proxy` or `NO_PROXY` of the environment, read again when it changed. */
    noProxy?: string
  }
}

/** By its name in lower case; an empty one counts as set. */
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
    throw new InvalidArgumentError(`${name}: ${cause.message}`, { cause })
  }
}

function directAgent(options: Omit<ProxyAgentOptions, 'uri'>): Agent {
  const { token: _t, auth: _a, headers: _h, requestTls: _r, proxyTls: _p, clientFactory: _c, ...rest } = options
  const { proxyTunnel: _tunnel, ...agent } = rest
  return new Agent(agent.connections === 0 ? { ...agent, connections: null } : agent)
}
