import * as errors from './errors/public.js'
import * as interceptors from './interceptors/index.js'

export { BodyReadable } from './api/body.js'
export type { BodyDumpOptions } from './api/body-dump.js'
export type { ConnectData, ConnectInput, ConnectOptions } from './api/connect.js'
export type { Callback } from './api/dispatch-target.js'
export type {
  BodyMixin,
  PipelineHandler,
  PipelineHandlerData,
  ResponseBody,
  ResponseData,
  StreamData,
  StreamFactory,
  StreamFactoryData,
  UpgradeData,
} from './api/documented.js'
export type { PipelineOptions } from './api/pipeline.js'
export type { InformationalResponse, RequestOptions } from './api/request.js'
export type { EventEmitterLike, SignalInput } from './api/signal.js'
export type { UpgradeOptions } from './api/upgrade.js'
export { OutlierDetection, type OutlierDetectionOptions } from './balance/outlier-detection.js'
export type { Candidate, Outcome, UpstreamPicker, UpstreamWatch, UpstreamWatcher } from './balance/strategy.js'
export type { Random } from './balance/two-choices.js'
export type { LatencyHistogram } from './base/histogram.js'
export type { ParserChoice } from './connection/engines.js'
export type * as DiagnosticsChannel from './diagnostics/messages.js'
export { Agent } from './dispatcher/agent.js'
export type { AgentFactory, AgentOptions } from './dispatcher/agent-options.js'
export { BalancedPool } from './dispatcher/balanced-pool.js'
export type { BalancedPoolOptions } from './dispatcher/balanced-pool-options.js'
export { Client } from './dispatcher/client.js'
export type {
  ClientFactoryOptions,
  ClientOptions,
  EventSourceOptions,
  H2Options,
  WebSocketOptions,
} from './dispatcher/client-options.js'
export { type Discovery, discover, type UpstreamChange } from './dispatcher/discover.js'
export {
  type ConnectListener,
  Dispatcher,
  type DispatchInterceptor,
  type DrainListener,
  type ErrorListener,
} from './dispatcher/dispatcher.js'
export { HealthCheck, type HealthCheckOptions } from './dispatcher/health-check.js'
export { Pool } from './dispatcher/pool.js'
export type { Factory, PoolFactoryOptions, PoolOptions } from './dispatcher/pool-options.js'
export { RoundRobinPool } from './dispatcher/round-robin-pool.js'
export { ClientStats, PoolStats } from './dispatcher/stats.js'
export { type LeastRequestsOptions, leastRequests, type PeakEwmaOptions, peakEwma } from './dispatcher/strategies.js'
export type { UpstreamInput, UpstreamSettings, WeightedUpstream } from './dispatcher/upstream.js'
export type { Timings } from './errors/timings.js'
export type { SharedTimeouts, Timeouts } from './exchange/deadlines.js'
export { DecoratorHandler } from './exchange/decorator-handler.js'
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
export { connect, pipeline, request, stream, upgrade } from './global/functions.js'
export { getGlobalDispatcher, setGlobalDispatcher } from './global/global-dispatcher.js'
export { install, uninstall } from './global/install.js'
export type { UrlInput, UrlObject } from './global/target-url.js'
export { type DNSUpstreamsOptions, dnsUpstreams } from './interceptors/dns-upstreams.js'
export { LatencyRecorder } from './interceptors/latency.js'
export { RedirectHandler } from './interceptors/redirect-handler.js'
export { RetryAgent } from './interceptors/retry-agent.js'
export type { RetryBudgetOptions } from './interceptors/retry-budget.js'
export { RetryHandler } from './interceptors/retry-handler.js'
export type { OnRetryCallback, RetryCallback, RetryContext, RetryState } from './interceptors/retry-options.js'
export type { UpstreamResolver } from './interceptors/upstream-lookups.js'
export { EnvHttpProxyAgent, type EnvHttpProxyAgentOptions } from './proxy/env-http-proxy-agent.js'
export { ProxyAgent } from './proxy/proxy-agent.js'
export type { ProxyAgentOptions } from './proxy/proxy-options.js'
export { type BuildOptions, buildConnector } from './transport/connect.js'
export type { Connector, ConnectorCallback, ConnectorOptions } from './transport/connector.js'
export type { HeadersInput } from './wire/headers.js'
export { errors, interceptors }
