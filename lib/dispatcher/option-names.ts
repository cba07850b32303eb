import type { KnownOptions } from '../errors/unknown-options.js'

/** Options of all dispatchers: each passes those of the others on. */
export const DISPATCHER_OPTIONS: KnownOptions = {
  bag: 'a dispatcher',
  names: /* @__PURE__ */ (
    'bodyTimeout headersTimeout connectTimeout timeouts maxQueued keepAliveTimeout keepAliveMaxTimeout ' +
    'keepAliveTimeoutThreshold maxHeaderSize maxResponseSize maxRequestsPerClient maxConnectionAge pipelining ' +
    'strictContentLength connect authority socketPath localAddress maxCachedSessions autoSelectFamily factory ' +
    'connections clientTtl minConnections maxIdleConnections maxOrigins maxTotalConnections maxConnectionsPerOrigin ' +
    'errorPenalty strategy outlierDetection healthCheck slowStart'
  ).split(' '),
}
