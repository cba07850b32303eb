import type { ConnectionOptions } from '../connection/options.js'
import type { RequestDefaults } from '../exchange/request.js'
import { defaultLimits } from '../wire/parser-limits.js'
import { RepeatedHeadCache } from '../wire/repeated-head-cache.js'
import {
  type ClientOptions,
  type ResolvedClientOptions,
  requestDefaults,
  resolveClientOptions,
} from './client-options.js'
import { parseOrigin } from './origin.js'

/** What a client knows of its origin, options checked: the same for all clients of a pool, who share it. */
export interface OriginConfig {
  readonly url: URL
  /** By its URL, and by the authority it is known by. */
  readonly origins: readonly string[]
  readonly defaults: RequestDefaults
  readonly connection: ConnectionOptions
  readonly pipelining: number
  readonly maxQueued: number
  /** ms */
  readonly maxConnectionAge: number
  readonly parser: ResolvedClientOptions['parser']
}

const configsByOptions = new WeakMap<ClientOptions, OriginConfig>()

/** Whoever makes a client of `site.url` with these very options gets this site. They must not change any more. */
export function shareOriginConfig(site: OriginConfig, options: ClientOptions): void {
  configsByOptions.set(options, site)
}

/** @throws {InvalidArgumentError} the url or an option is not what is documented */
export function originConfigOf(url: URL | string, options: ClientOptions): OriginConfig {
  const known = typeof options === 'object' && options !== null ? configsByOptions.get(options) : undefined
  return known !== undefined && known.url === url
    ? known
    : buildOriginConfig(parseOrigin(url), resolveClientOptions(options))
}

export function buildOriginConfig(url: URL, options: ResolvedClientOptions): OriginConfig {
  return {
    url,
    origins: originsOf(url, options.authority),
    defaults: requestDefaults(url, options),
    connection: connectionOptions(url, options),
    pipelining: options.pipelining,
    maxQueued: options.maxQueued,
    maxConnectionAge: options.maxConnectionAge,
    parser: options.parser,
  }
}

function originsOf(url: URL, authority: string | null): string[] {
  return authority === null ? [url.origin] : [url.origin, new URL(`${url.protocol}//${authority}`).origin]
}

function connectionOptions(url: URL, options: ResolvedClientOptions): ConnectionOptions {
  const { localAddress, socketPath } = options
  return {
    connector: options.connector,
    target: {
      hostname: url.hostname.replace(/^\[|\]$/g, ''),
      protocol: url.protocol,
      port: url.port,
      ...(localAddress === null ? {} : { localAddress }),
      ...(socketPath === null ? {} : { socketPath }),
    },
    keepAliveTimeout: options.keepAliveTimeout,
    keepAliveMaxTimeout: options.keepAliveMaxTimeout,
    keepAliveTimeoutThreshold: options.keepAliveTimeoutThreshold,
    maxResponseSize: options.maxResponseSize,
    maxRequests: options.maxRequestsPerClient,
    strictContentLength: options.strictContentLength,
    parser: { ...defaultLimits, maxHeaderBytes: options.maxHeaderSize, heads: new RepeatedHeadCache() },
  }
}
