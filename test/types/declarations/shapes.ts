/** The types by undici's names have undici's shapes. Compiled, never run. */
import { expectTypeOf } from 'expect-type'
import type * as ours from 'sluice'
import type * as theirs from 'undici'

type Ours = ours.Dispatcher
type T = { id: number }
type Fits<One, Other> = [One] extends [Other] ? true : false

// Options and results of requests.
expectTypeOf<ours.Dispatcher.HttpMethod>().toEqualTypeOf<theirs.Dispatcher.HttpMethod>()
/** Options that only sluice has. */
type OwnOptions = 'timeouts' | 'timings' | 'tried' | 'retryOptions'
expectTypeOf<Omit<ours.Dispatcher.DispatchOptions, 'body' | OwnOptions>>().toEqualTypeOf<
  Omit<theirs.Dispatcher.DispatchOptions, 'body'>
>()
/** Options as methods accept them: those of undici are assignable, and each of their names exists. */
type Accepts<Ours, Theirs> = [Fits<Theirs, Ours>, Exclude<keyof Theirs, keyof Ours>]
type All = [true, never]
expectTypeOf<Accepts<ours.Dispatcher.RequestOptions<T>, theirs.Dispatcher.RequestOptions<T>>>().toEqualTypeOf<All>()
expectTypeOf<Accepts<ours.Dispatcher.PipelineOptions<T>, theirs.Dispatcher.PipelineOptions<T>>>().toEqualTypeOf<All>()
expectTypeOf<Accepts<ours.Dispatcher.ConnectOptions<T>, theirs.Dispatcher.ConnectOptions<T>>>().toEqualTypeOf<All>()
expectTypeOf<Accepts<ours.Dispatcher.UpgradeOptions, theirs.Dispatcher.UpgradeOptions>>().toEqualTypeOf<All>()
expectTypeOf<Omit<ours.Dispatcher.ResponseData<T>, 'body' | 'timings'>>().toEqualTypeOf<
  Omit<theirs.Dispatcher.ResponseData<T>, 'body'>
>()
expectTypeOf<Omit<ours.Dispatcher.PipelineHandlerData<T>, 'body'>>().toEqualTypeOf<
  Omit<theirs.Dispatcher.PipelineHandlerData<T>, 'body'>
>()
expectTypeOf<ours.Dispatcher.ConnectData<T>>().toEqualTypeOf<theirs.Dispatcher.ConnectData<T>>()
expectTypeOf<Omit<ours.Dispatcher.UpgradeData<T>, 'statusCode'>>().toEqualTypeOf<theirs.Dispatcher.UpgradeData<T>>()
expectTypeOf<ours.Dispatcher.StreamData<T>>().toEqualTypeOf<theirs.Dispatcher.StreamData<T>>()
expectTypeOf<ours.Dispatcher.StreamFactoryData<T>>().toEqualTypeOf<theirs.Dispatcher.StreamFactoryData<T>>()
expectTypeOf<ours.Dispatcher.StreamFactory<T>>().toEqualTypeOf<theirs.Dispatcher.StreamFactory<T>>()

// Handlers.
expectTypeOf<Exclude<keyof ours.Dispatcher.DispatchHandler, 'onRequestQueued' | 'borrowsChunks'>>().toEqualTypeOf<
  keyof theirs.Dispatcher.DispatchHandler
>()
type OwnOfController = 'timings' | 'bodyDecoded' | 'timeouts'
expectTypeOf<Omit<ours.Dispatcher.DispatchController, 'abort' | OwnOfController>>().toEqualTypeOf<
  Omit<theirs.Dispatcher.DispatchController, 'abort'>
>()
expectTypeOf<ours.DispatchController>().toEqualTypeOf<ours.Dispatcher.DispatchController>()
expectTypeOf<ours.DispatchHandler>().toEqualTypeOf<ours.Dispatcher.DispatchHandler>()

// What methods result in.
expectTypeOf<ReturnType<Ours['request']>>().resolves.toHaveProperty('statusCode').toEqualTypeOf<number>()
expectTypeOf<ReturnType<Ours['close']>>().toEqualTypeOf<Promise<void>>()
expectTypeOf<ReturnType<Ours['destroy']>>().toEqualTypeOf<Promise<void>>()
expectTypeOf<ReturnType<Ours['dispatch']>>().toEqualTypeOf<boolean>()
expectTypeOf<Parameters<Ours['dispatch']>[1]>().toEqualTypeOf<ours.Dispatcher.DispatchHandler>()
expectTypeOf<ours.Dispatcher.ResponseData['body']['json']>().toEqualTypeOf<() => Promise<unknown>>()

// Options of classes: undici's are accepted, and without null those of sluice are undici's, too.
type NotNull<Options> = { [Name in keyof Options]: Exclude<Options[Name], null> }
type Shared<Ours, Theirs> = Pick<NotNull<Ours>, Exclude<keyof Theirs & keyof Ours, 'connect' | 'factory' | 'tls'>>
type BothWays<Ours, Theirs> = [...Accepts<Ours, Theirs>, Fits<Shared<Ours, Theirs>, Partial<Theirs>>]
type AllBothWays = [true, never, true]
expectTypeOf<BothWays<ours.Client.Options, theirs.Client.Options>>().toEqualTypeOf<AllBothWays>()
expectTypeOf<BothWays<ours.Pool.Options, theirs.Pool.Options>>().toEqualTypeOf<AllBothWays>()
expectTypeOf<BothWays<ours.RoundRobinPool.Options, theirs.RoundRobinPool.Options>>().toEqualTypeOf<AllBothWays>()
expectTypeOf<BothWays<ours.Agent.Options, theirs.Agent.Options>>().toEqualTypeOf<AllBothWays>()
expectTypeOf<ours.Agent.DispatchOptions>().toMatchTypeOf<theirs.Agent.DispatchOptions>()
expectTypeOf<Accepts<ours.ProxyAgent.Options, theirs.ProxyAgent.Options>>().toEqualTypeOf<All>()
expectTypeOf<Accepts<ours.EnvHttpProxyAgent.Options, theirs.EnvHttpProxyAgent.Options>>().toEqualTypeOf<All>()

// Each thing has one type, by either name.
expectTypeOf<ours.Client.Options>().toEqualTypeOf<ours.ClientOptions>()
expectTypeOf<ours.Pool.Options>().toEqualTypeOf<ours.PoolOptions>()
expectTypeOf<ours.RoundRobinPool.Options>().toEqualTypeOf<ours.PoolOptions>()
expectTypeOf<ours.BalancedPool.Options>().toEqualTypeOf<ours.BalancedPoolOptions>()
expectTypeOf<ours.Agent.Options>().toEqualTypeOf<ours.AgentOptions>()
expectTypeOf<ours.ProxyAgent.Options>().toEqualTypeOf<ours.ProxyAgentOptions>()
expectTypeOf<ours.EnvHttpProxyAgent.Options>().toEqualTypeOf<ours.EnvHttpProxyAgentOptions>()
expectTypeOf<ours.Client.SocketInfo>().toEqualTypeOf<theirs.Client.SocketInfo>()
expectTypeOf<ours.Client.H2Options>().toEqualTypeOf<theirs.Client.H2Options>()
expectTypeOf<ours.Client.WebSocketOptions>().toEqualTypeOf<theirs.Client.WebSocketOptions>()
expectTypeOf<ours.Client.EventSourceOptions>().toEqualTypeOf<theirs.Client.EventSourceOptions>()
expectTypeOf<ours.RetryHandler.RetryOptions>().toMatchTypeOf<theirs.RetryHandler.RetryOptions>()
expectTypeOf<theirs.RetryHandler.RetryOptions>().toMatchTypeOf<ours.RetryHandler.RetryOptions>()
expectTypeOf<keyof ours.RetryHandler.RetryOptions>().toEqualTypeOf<keyof theirs.RetryHandler.RetryOptions>()
expectTypeOf<ours.buildConnector.Options>().toEqualTypeOf<theirs.buildConnector.Options>()
expectTypeOf<ours.buildConnector.Callback>().toEqualTypeOf<theirs.buildConnector.Callback>()
expectTypeOf<ours.buildConnector.connector>().toEqualTypeOf<theirs.buildConnector.connector>()
expectTypeOf<Fits<ours.buildConnector.BuildOptions, theirs.buildConnector.BuildOptions>>().toEqualTypeOf<true>()
expectTypeOf<Fits<theirs.buildConnector.BuildOptions, ours.buildConnector.BuildOptions>>().toEqualTypeOf<true>()

// Options of interceptors.
type Interceptors = typeof theirs.interceptors
expectTypeOf<
  Accepts<ours.interceptors.DumpInterceptorOpts, theirs.interceptors.DumpInterceptorOpts>
>().toEqualTypeOf<All>()
expectTypeOf<
  Accepts<ours.interceptors.RedirectInterceptorOpts, theirs.interceptors.RedirectInterceptorOpts>
>().toEqualTypeOf<All>()
expectTypeOf<
  Accepts<ours.interceptors.DecompressInterceptorOpts, theirs.interceptors.DecompressInterceptorOpts>
>().toEqualTypeOf<All>()
expectTypeOf<
  Accepts<ours.interceptors.ResponseErrorInterceptorOpts, theirs.interceptors.ResponseErrorInterceptorOpts>
>().toEqualTypeOf<All>()
expectTypeOf<keyof ours.interceptors.DNSInterceptorOpts>().toEqualTypeOf<keyof theirs.interceptors.DNSInterceptorOpts>()
/** Members that only one of the two has: caches of undici, and these of sluice. */
type Own = 'hedge' | 'latency'
expectTypeOf<Exclude<keyof typeof ours.interceptors, Own>>().toEqualTypeOf<
  Exclude<keyof Interceptors, 'cache' | 'deduplicate'>
>()

// Errors: each exists, is a class and a type, and is assignable to undici's.
type Errors = typeof theirs.errors
type OurErrors = typeof ours.errors
type Instance<All, Name> = Name extends keyof All
  ? All[Name] extends abstract new (
      ...parameters: never
    ) => infer One
    ? One
    : never
  : never
type AllFit = { [Name in keyof Errors]: Fits<Instance<OurErrors, Name>, Instance<Errors, Name>> }
expectTypeOf<AllFit[keyof Errors]>().toEqualTypeOf<true>()
/** Two error classes of sluice have an additional property. */
type Same = Exclude<keyof Errors, 'ResponseError' | 'HTTPParserError'>
type AllFitBack = { [Name in Same]: Fits<Instance<Errors, Name>, Instance<OurErrors, Name>> }
expectTypeOf<AllFitBack[Same]>().toEqualTypeOf<true>()
expectTypeOf<ours.errors.SocketError['code']>().toEqualTypeOf<'UND_ERR_SOCKET'>()
expectTypeOf<ours.errors.RequestAbortedError['name']>().toEqualTypeOf<'AbortError'>()
