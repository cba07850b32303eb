import type { ConnectionOptions } from '../connection/owner.js'
import type { RequestDefaults } from '../exchange/request.js'
import { HeadMemory } from '../wire/head-memory.js'
import { defaultLimits } from '../wire/limits.js'
import {
  type ClientOptions,
  type ResolvedClientOptions,
  requestDefaults,
  resolveClientOptions,
} from './client-options.js'
import { parseOrigin } from './origin.js'

/** What a client knows of its origin, options checked: the same for all clients of a pool, who share it. */
export interface Site {
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

const shared = new WeakMap<ClientOptions, Site>()

/** Whoever makes a client of `site.url` with these very options gets this site. They must not change any more. */
export function share(site: Site, options: ClientOptions): void {
  shared.set(options, site)
}

/** @throws {InvalidArgumentError} the url or an option is not what is documented */
export function siteOf(url: URL | string, options: ClientOptions): Site {
  const known = typeof options === 'object' && options !== null ? shared.get(options) : undefined
  return known !== undefined && known.url === url ? known : makeSite(parseOrigin(url), resolveClientOptions(options))
}

export function makeSite(url: URL, options: ResolvedClientOptions): Site {
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
    parser: { ...defaultLimits, maxHeaderBytes: options.maxHeaderSize, heads: new HeadMemory() },
  }
}
