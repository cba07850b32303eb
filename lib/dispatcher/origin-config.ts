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

/** Resolved configuration of one origin. All clients of a pool share it. */
export interface OriginConfig {
  readonly url: URL
  /** Origins of its URL and of its `authority`. */
  readonly origins: readonly string[]
  readonly defaults: RequestDefaults
  readonly connection: ConnectionOptions
  readonly pipelining: number
  readonly maxQueued: number
  /** ms; Infinity for no limit. */
  readonly maxConnectionAge: number
  readonly parser: ResolvedClientOptions['parser']
}

/** Configurations that clients with the same options object share. */
const configsByOptions = new WeakMap<ClientOptions, OriginConfig>()

/**
 * Makes all clients with the URL of `config` and with this `options` object use `config`. The options must not change.
 */
export function shareOriginConfig(config: OriginConfig, options: ClientOptions): void {
  configsByOptions.set(options, config)
}

/**
 * Returns the configuration for an origin and options: a shared one, or a new one.
 * @throws {InvalidArgumentError} the url or an option is invalid
 */
export function originConfigOf(url: URL | string, options: ClientOptions): OriginConfig {
  const known = typeof options === 'object' && options !== null ? configsByOptions.get(options) : undefined
  return known !== undefined && known.url === url
    ? known
    : buildOriginConfig(parseOrigin(url), resolveClientOptions(options))
}

/** Builds the configuration of an origin from validated options. */
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
