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

// Options of classes.
expectTypeOf<keyof ours.Client.Options>().toEqualTypeOf<keyof theirs.Client.Options>()
expectTypeOf<Omit<ours.Client.Options, 'connect'>>().toEqualTypeOf<Omit<theirs.Client.Options, 'connect'>>()
expectTypeOf<Omit<ours.Pool.Options, 'connect' | 'factory'>>().toEqualTypeOf<
  Omit<theirs.Pool.Options, 'connect' | 'factory'>
>()
expectTypeOf<keyof ours.RoundRobinPool.Options>().toEqualTypeOf<keyof theirs.RoundRobinPool.Options>()
expectTypeOf<keyof ours.Agent.Options>().toEqualTypeOf<keyof theirs.Agent.Options>()
expectTypeOf<ours.Agent.DispatchOptions>().toMatchTypeOf<theirs.Agent.DispatchOptions>()
expectTypeOf<keyof ours.ProxyAgent.Options>().toEqualTypeOf<keyof theirs.ProxyAgent.Options>()
expectTypeOf<keyof ours.EnvHttpProxyAgent.Options>().toEqualTypeOf<keyof theirs.EnvHttpProxyAgent.Options>()
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
expectTypeOf<ours.interceptors.DumpInterceptorOpts>().toEqualTypeOf<theirs.interceptors.DumpInterceptorOpts>()
expectTypeOf<ours.interceptors.RedirectInterceptorOpts>().toEqualTypeOf<theirs.interceptors.RedirectInterceptorOpts>()
expectTypeOf<ours.interceptors.DecompressInterceptorOpts>().toEqualTypeOf<theirs.interceptors.DecompressInterceptorOpts>()
expectTypeOf<ours.interceptors.ResponseErrorInterceptorOpts>().toEqualTypeOf<theirs.interceptors.ResponseErrorInterceptorOpts>()
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
