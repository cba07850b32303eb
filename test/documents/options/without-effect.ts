/** Options of undici's types that are accepted and have no effect, with the reason. */
export const idle: Record<string, readonly string[]> = {
  'about HTTP/2': [
    'Client.Options.allowH2',
    'Client.Options.h2Options',
    'Client.Options.maxConcurrentStreams',
    'Client.Options.initialWindowSize',
    'Client.Options.connectionWindowSize',
    'Client.Options.pingInterval',
    'Client.H2Options.maxConcurrentStreams',
    'Client.H2Options.connectionWindowSize',
    'Client.H2Options.pingInterval',
    'Client.H2Options.settings',
    'buildConnector.BuildOptions.allowH2',
    'buildConnector.BuildOptions.preferH2',
  ],
  'about WebSocket': [
    'Client.Options.webSocket',
    'Client.WebSocketOptions.maxFragments',
    'Client.WebSocketOptions.maxPayloadSize',
  ],
  'about EventSource': ['Client.Options.eventSource', 'Client.EventSourceOptions.maxEventSize'],
  'another parser of undici': ['Client.Options.useMilo'],
  'ignored by undici too': ['Interceptors.ResponseErrorInterceptorOpts.throwOnError'],
}

/** Options of undici's types that are rejected, each with a value that undici documents for it. */
export const refused: Record<string, unknown> = {
  'Client.Options.keepAlive': true,
  'Client.Options.socketTimeout': 1,
  'Client.Options.requestTimeout': 1,
  'Client.Options.idleTimeout': 1,
  'Client.Options.maxKeepAliveTimeout': 1,
  'Client.H2Options.useH2c': true,
}
