/** Types that public signatures refer to. Every entry exports them, so that declarations can name them. */

export type { BodyReadable } from './api/body.js'
export type { BodyDumpOptions } from './api/body-dump.js'
export type { BodyMixinReadable } from './api/body-mixin.js'
export type { ConnectInput, ConnectOptions } from './api/connect.js'
export type { Callback } from './api/dispatch-target.js'
export type {
  BodyMixin,
  ConnectData,
  PipelineHandler,
  PipelineHandlerData,
  ResponseBody,
  ResponseData,
  StreamData,
  StreamFactory,
  StreamFactoryData,
  UnlessErased,
  UpgradeData,
} from './api/documented.js'
export type { PipelineOptions } from './api/pipeline.js'
export type { InformationalResponse, RequestOptions } from './api/request.js'
export type { EventEmitterLike, SignalInput } from './api/signal.js'
export type { TunnelOptions } from './api/tunnel.js'
export type { UpgradeOptions } from './api/upgrade.js'
export type { OutlierDetectionOptions } from './balance/outlier-detection.js'
export type { Candidate, Outcome, UpstreamPicker, UpstreamWatch, UpstreamWatcher } from './balance/strategy.js'
export type { Random } from './balance/two-choices.js'
export type { LatencyHistogram } from './base/histogram.js'
export type { ParserChoice } from './connection/engines.js'
export type { AgentFactory, AgentOptions } from './dispatcher/agent-options.js'
export type { BalancedPoolOptions, BalancingStrategy, PoolFactory } from './dispatcher/balanced-pool-options.js'
export type {
  ClientFactoryOptions,
  ClientOptions,
  EventSourceOptions,
  H2Options,
  WebSocketOptions,
} from './dispatcher/client-options.js'
export type { Discovery, UpstreamChange } from './dispatcher/discover.js'
export type {
  ConnectListener,
  Dispatch,
  Dispatcher,
  DispatchInterceptor,
  DrainListener,
  ErrorListener,
} from './dispatcher/dispatcher.js'
export type { HealthCheck, HealthCheckOptions } from './dispatcher/health-check.js'
export type { LifecycleDispatcher } from './dispatcher/lifecycle.js'
export type { OriginPool } from './dispatcher/origin-pool.js'
export type { Pool } from './dispatcher/pool.js'
export type { ClientFactory, Factory, PoolFactoryOptions, PoolOptions } from './dispatcher/pool-options.js'
export type { ClientStats, PoolStats } from './dispatcher/stats.js'
export type { LeastRequestsOptions, PeakEwmaOptions } from './dispatcher/strategies.js'
export type { UpstreamInput, UpstreamSettings, WeightedUpstream } from './dispatcher/upstream.js'
export type { WaitingHandler } from './dispatcher/waiting-handler.js'
export type { ErrorClass } from './errors/error-class.js'
export type { ResponseHeaders } from './errors/errors-with-properties.js'
export type { ErrorContext, Fault, Phase, SocketInfo, UndiciError } from './errors/public.js'
export type { Timings } from './errors/timings.js'
export type { SharedTimeouts, Timeouts } from './exchange/deadlines.js'
export type {
  DispatchController,
  DispatchHandler,
  DispatchOptions,
  FormDataLike,
  HttpMethod,
  IncomingHttpHeaders,
  OutgoingHttpHeaders,
  RawHeaders,
  RequestHeaders,
} from './exchange/documented.js'
export type { IncomingHeaders, LegacyDispatchHandler } from './exchange/handler.js'
export type { BodyInput, DispatchInput } from './exchange/request.js'
export type { WrappingHandler } from './exchange/wrapping-handler.js'
export type { UrlInput, UrlObject } from './global/target-url.js'
export type { DNSAffinity, DNSPick } from './interceptors/dns.js'
export type { DNSInterceptorOriginRecords, DNSInterceptorRecord, FamilyRecords } from './interceptors/dns-records.js'
export type { DNSUpstreamsOptions } from './interceptors/dns-upstreams.js'
export type { RetryBudgetOptions } from './interceptors/retry-budget.js'
export type {
  OnRetryCallback,
  RetryCallback,
  RetryContext,
  RetryInput,
  RetryOptions,
  RetryState,
} from './interceptors/retry-options.js'
export type { UpstreamResolver } from './interceptors/upstream-lookups.js'
export type { EnvHttpProxyAgentOptions } from './proxy/env-http-proxy-agent.js'
export type { ProxyAgentOptions } from './proxy/proxy-options.js'
export type { BuildOptions, buildConnector } from './transport/connect.js'
export type { Connector, ConnectorCallback, ConnectorOptions } from './transport/connector.js'
export type { HeadersInput, HeaderValue } from './wire/headers.js'
